"""Arguments for and against a claim about a text, which quote it word for word."""

from __future__ import annotations

from collections.abc import Mapping

from w2s_lab.chat import CLOSE_QUOTE, OPEN_QUOTE
from w2s_lab.draws import Draws
from w2s_lab.grammar import sentence
from w2s_lab.lexicon import senses_of
from w2s_lab.meanings import meaning
from w2s_lab.sentences import Sentence
from w2s_lab.texts import Text

CLAIMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "leaning": {
        "good": ("the writer was pleased", "the writer would have it again"),
        "bad": ("the writer was unhappy", "the writer would give it away"),
    },
    "topic": {topic: (f"it is about the {topic}",) for topic in senses_of("topic")},
    "trust": {
        "trusty": ("the story can be believed", "one should act on it"),
        "doubtful": ("the story cannot be believed", "one should not act on it"),
    },
}
"""What may be claimed of a text with each sense."""


def claim(draw: Draws, field: str, sense: str) -> str:
    """Words for the claim that a text has this sense."""
    return draw.pick(CLAIMS[field][sense])


def evidence_for(text: Text, field: str, sense: str) -> list[Sentence]:
    """Sentences of the text that speak for the sense, without those that deny."""
    return [
        s
        for s in text.sentences
        if s.sense == sense and s.words and s.words[0].field == field and not s.negated
    ]


def argument(draw: Draws, text: Text, field: str, sense: str, made: str) -> str | None:
    """Why the text has this sense, with one or two quotes; None where nothing speaks for it."""
    found = evidence_for(text, field, sense)
    if not found:
        return None
    parts = []
    for said in draw.sample(found, 1 + draw.chance(0.4)):
        word = said.words[0]
        meant = sense if word.sense == "turning" else None
        parts.append(f"{OPEN_QUOTE}{said.text}{CLOSE_QUOTE} {meaning(draw, word, meant)}")
    return f"{' '.join(parts)} {sentence(f'so {made}')}"
