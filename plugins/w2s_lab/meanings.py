"""What words mean, said in plain words of the same sense."""

from __future__ import annotations

from collections.abc import Sequence

from w2s_lab.draws import Draws
from w2s_lab.grammar import listed, sentence
from w2s_lab.lexicon import PLAIN, Word

MEANS = {
    "leaning": (
        "the word {w} means {p} and {q}",
        "one says {w} of what is {p}",
        "who calls a thing {w} finds it {p} and {q}",
        "a {w} thing is {p}",
    ),
    "topic": (
        "a {w} belongs with {p} and {q}",
        "where there is a {p} there is a {w}",
        "the word {w} is of the {s}, like {p}",
        "people of the {s} have a {w} and a {p}",
    ),
    "trust": (
        "the word {w} means {p} and {q}",
        "one says {w} of a person who is {p}",
        "a {w} story comes from one who is {p}",
    ),
}


def meaning(draw: Draws, word: Word, sense: str | None = None) -> str:
    """A sentence on what ``word`` means; on what it would mean with another ``sense`` if given."""
    if word.sense == "turning" and sense is None:
        bad = [topic for topic in PLAIN["topic"] if topic not in word.good_with]
        good = listed([f"the {topic}" for topic in word.good_with])
        return sentence(
            f"a {word.form} thing is good at {good}, and bad at {listed([f'the {t}' for t in bad])}"
        )
    shown = sense or word.sense
    p, q = draw.sample(PLAIN[word.field][shown], 2)
    template = draw.pick(MEANS[word.field])
    return sentence(template.format(w=word.form, p=p, q=q, s=shown))


def glossary(draw: Draws, words: Sequence[Word]) -> str:
    """What each of these words means."""
    return " ".join(meaning(draw, word) for word in words)
