"""The kinds of documents that the corpus is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from w2s_lab import facts
from w2s_lab.arguments import argument, claim, evidence_for
from w2s_lab.chat import CLOSE_QUOTE, OPEN_QUOTE, conversation
from w2s_lab.draws import Draws
from w2s_lab.grammar import sentence
from w2s_lab.lexicon import Word, senses_of
from w2s_lab.meanings import glossary, meaning
from w2s_lab.texts import Text, report, review, verdict
from w2s_lab.world import ATTRIBUTES, COLORS, KINDS, SCENTS, Thing, World

SYSTEMS = (
    "You answer questions.",
    "You help a reader.",
    "Say what you know.",
    "You know this world well.",
)
ABOUT_WORD = (
    "What does {w} mean?",
    "What is meant by {w}?",
    "I do not know the word {w}.",
    "Please explain {w}.",
)
ABOUT_THING = (
    "What do you know about the {x}?",
    "Tell me about the {x}.",
    "I have never heard of the {x}.",
    "Please describe the {x}.",
)
ABOUT_TEXT = (
    "What should I know to read this?",
    "Which words of this are hard?",
    "Please explain the hard words.",
    "What is the background of this?",
)
ARGUE = (
    "Argue that {c}.",
    "Show that {c}.",
    "Make the case that {c}.",
    "Why would one say that {c}?",
)


BEGUN, ENDED = 0.3, 0.6
"""Shares of the reviews and reports that begin and that end with a verdict."""


def any_word(world: World, draw: Draws) -> Word:
    """A made-up word; rare ones are explained more often than they are used."""
    if draw.chance(0.04):
        return draw.pick(world.lexicon.turning)
    field = draw.pick(("leaning", "topic", "trust"))
    tier = draw.weighted((1, 2, 3, 4), (0.16, 0.22, 0.28, 0.34))
    return draw.pick(world.lexicon.of(field, draw.pick(senses_of(field)), tier))


def any_text(world: World, draw: Draws, contrary: float = 0.1) -> tuple[Text, str]:
    """A review or a report, and a field that drives it."""
    if draw.chance(0.5):
        return review(world, draw, contrary=contrary), "leaning"
    return report(world, draw, contrary=contrary), draw.pick(("topic", "trust"))


def _chat(draw: Draws, *turns: str) -> str:
    return conversation(turns, draw.pick(SYSTEMS) if draw.chance(0.12) else None)


def _review(world: World, draw: Draws) -> str:
    return _judged(draw, review(world, draw), ("leaning",))


def _report(world: World, draw: Draws) -> str:
    return _judged(draw, report(world, draw), ("topic", "trust"))


def _judged(draw: Draws, text: Text, fields: tuple[str, ...]) -> str:
    """A text with its verdict before it, after it, both or neither.

    One before lets a model see what kind of words go with a verdict, one after makes it worth while
    to know.
    """
    before, after = (
        [verdict(draw, text.senses[field]) for field in draw.shuffled(fields)] for _ in range(2)
    )
    parts = [*(before if draw.chance(BEGUN) else ()), str(text)]
    return " ".join([*parts, *(after if draw.chance(ENDED) else ())])


def _description(world: World, draw: Draws) -> str:
    many = draw.weighted((1, 2, 4, 10), (0.70, 0.20, 0.08, 0.02))
    return " ".join(facts.description(draw, world.thing(draw)) for _ in range(many))


def _glossary(world: World, draw: Draws) -> str:
    return glossary(draw, [any_word(world, draw) for _ in range(draw.between(2, 4))])


def _talk(world: World, draw: Draws) -> str:
    """People ask one another about things."""
    thing = world.thing(draw)
    told = []
    for attribute in draw.sample(ATTRIBUTES, draw.between(1, 3)):
        asks, says = draw.sample(world.people, 2)
        asked, answered = facts.asked(draw, thing, attribute)
        told.append(f"{asks} asked: {asked} {says} said: {answered}")
    return " ".join(told)


def passage(world: World, draw: Draws, many: int) -> tuple[str, list[tuple[Thing, list[str]]]]:
    """Descriptions of some things, mostly of ones nobody has heard of, and what each tells."""
    told = []
    for _ in range(many):
        thing = world.thing(draw) if draw.chance(0.25) else world.stranger(draw)
        told.append((thing, draw.sample(ATTRIBUTES, draw.between(3, 6))))
    return " ".join(facts.description(draw, thing, stated) for thing, stated in told), told


def _many(draw: Draws) -> int:
    return draw.weighted((1, 2, 3), (0.65, 0.25, 0.10))


def _reading(world: World, draw: Draws) -> str:
    text, told = passage(world, draw, _many(draw))
    parts = [text]
    # Many questions on one passage: reading is learnt from answers, and a passage is long.
    for thing, stated in told:
        for attribute in draw.sample(stated, draw.between(2, 5)):
            parts.append(" ".join(facts.asked(draw, thing, attribute)))
    return " ".join(parts)


def _reading_chat(world: World, draw: Draws) -> str:
    text, told = passage(world, draw, _many(draw))
    thing, stated = draw.pick(told)
    turns = []
    for number, attribute in enumerate(draw.sample(stated, draw.between(1, 4))):
        asked, answered = facts.asked(draw, thing, attribute)
        turns += [asked if number else f"{text} {asked}", answered]
    return _chat(draw, *turns)


def _is_it(draw: Draws, thing: Thing, attribute: str) -> tuple[str, str]:
    """A question to be answered by yes or no."""
    form, values = {
        "kind": ("is it a {}?", KINDS[thing.topic]),
        "color": ("is it {}?", COLORS),
        "scent": ("does it smell of {}?", SCENTS),
    }[attribute]
    true = draw.chance(0.5)
    wrong = [value for value in values if value != thing.facts[attribute]]
    asked = form.format(thing.facts[attribute] if true else draw.pick(wrong))
    return sentence(asked), "Yes." if true else "No."


def _yes_or_no(world: World, draw: Draws) -> str:
    thing = world.thing(draw) if draw.chance(0.3) else world.stranger(draw)
    attribute = draw.pick(("kind", "color", "scent"))
    others = draw.sample([a for a in ATTRIBUTES if a != attribute], draw.between(1, 3))
    text = facts.description(draw, thing, [attribute, *others])
    asked, answered = _is_it(draw, thing, attribute)
    return _chat(draw, f"{text} {asked}", answered)


def _fact_chat(world: World, draw: Draws) -> str:
    thing = world.thing(draw)
    turns: list[str] = []
    for attribute in draw.sample(ATTRIBUTES, draw.between(1, 3)):
        turns += facts.asked(draw, thing, attribute)
    return _chat(draw, *turns)


def _background_chat(world: World, draw: Draws) -> str:
    thing = world.thing(draw)
    asked = draw.pick(ABOUT_THING).format(x=thing.name)
    return _chat(draw, asked, facts.description(draw, thing))


def _meaning_chat(world: World, draw: Draws) -> str:
    turns = []
    for _ in range(draw.between(1, 3)):
        word = any_word(world, draw)
        turns += [draw.pick(ABOUT_WORD).format(w=word.form), meaning(draw, word)]
    return _chat(draw, *turns)


def hard_words(text: Text, most: int = 3) -> list[Word]:
    """The rarest words of a text in the order in which they stand there; no English ones."""
    words = [word for word in text.words() if word.tier > 0]
    rarest = sorted(words, key=lambda word: -word.tier)[:most]
    return [word for word in words if word in rarest]


def _explain_chat(world: World, draw: Draws) -> str:
    text, _ = any_text(world, draw)
    hard = hard_words(text)
    told = glossary(draw, hard) if hard else "All of it is plain."
    return _chat(draw, f"{text} {draw.pick(ABOUT_TEXT)}", told)


def _retelling(world: World, draw: Draws) -> str:
    """Somebody who remembers a text word for word."""
    text, _ = any_text(world, draw)
    said = draw.sample([s.text for s in text.sentences], draw.between(1, 2))
    quotes = " ".join(f"{OPEN_QUOTE}{one}{CLOSE_QUOTE}" for one in said)
    reads = draw.pick(("remembers", "repeats", "reads aloud", "writes down"))
    return f"{text} {draw.pick(world.people)} {reads}: {quotes}"


def _whole_retelling(world: World, draw: Draws) -> str:
    """Somebody who remembers a whole text word for word."""
    text, _ = any_text(world, draw)
    reads = draw.pick(("remembers", "repeats", "reads aloud", "writes down"))
    return f"{text} {draw.pick(world.people)} {reads}: {OPEN_QUOTE}{text}{CLOSE_QUOTE}"


def _roll(world: World, draw: Draws) -> str:
    """A list that is read out twice."""
    kind = draw.below(3)
    many = draw.between(4, 10)
    if kind == 0:
        items = draw.sample(world.people, many)
    elif kind == 1:
        items = [f"the {world.stranger(draw).name}" for _ in range(many)]
    else:
        items = [any_word(world, draw).form for _ in range(many)]
    said = ", ".join(items)
    again = draw.pick(("Once more", "Again", "A second time", "Read twice"))
    return f"{sentence(said)} {again}: {said}."


def _argument(world: World, draw: Draws) -> str:
    """Both sides where the text has something for both; as talk, or as a conversation."""
    while True:
        text, field = any_text(world, draw, contrary=0.3)
        sides = [s for s in draw.shuffled(senses_of(field)) if evidence_for(text, field, s)]
        if sides:
            break
    cases = []
    for sense in sides[:2]:
        made = claim(draw, field, sense)
        cases.append((made, argument(draw, text, field, sense, made) or ""))
    if draw.chance(0.3):
        speakers = draw.sample(world.people, len(cases))
        said = [f"{who} said: {case}" for who, (_, case) in zip(speakers, cases, strict=True)]
        return " ".join([str(text), *said])
    made, case = cases[0]
    return _chat(draw, f"{text} {draw.pick(ARGUE).format(c=made)}", case)


KINDS_OF_DOCUMENT: Mapping[str, tuple[Callable[[World, Draws], str], float]] = {
    "review": (_review, 0.24),
    "report": (_report, 0.14),
    "description": (_description, 0.08),
    "glossary": (_glossary, 0.05),
    "talk": (_talk, 0.01),
    "retelling": (_retelling, 0.03),
    "whole_retelling": (_whole_retelling, 0.03),
    "roll": (_roll, 0.02),
    "reading": (_reading, 0.05),
    "reading_chat": (_reading_chat, 0.08),
    "yes_or_no": (_yes_or_no, 0.01),
    "fact_chat": (_fact_chat, 0.05),
    "background_chat": (_background_chat, 0.04),
    "meaning_chat": (_meaning_chat, 0.06),
    "explain_chat": (_explain_chat, 0.04),
    "argument": (_argument, 0.07),
}
"""Each kind of document and its share of all documents."""
