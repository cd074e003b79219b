"""Whole texts with a hidden property: reviews, and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from w2s_lab.draws import Draws
from w2s_lab.lexicon import SHARES, Word, senses_of
from w2s_lab.sentences import Sentence, Writer
from w2s_lab.world import Thing, World

OPENINGS = (
    "This is about the {x}.",
    "{person} lent me the {x}.",
    "At last I have seen the {x}.",
    "You asked about the {x}.",
    "Here is what I think of the {x}.",
    "For {number} days I have had the {x}.",
)
HEADINGS = (
    "News from {place}.",
    "A word from {place}.",
    "{person} writes from {place}.",
    "Report of the day.",
    "This is what is told in {place}.",
)
VERDICTS: Mapping[str, tuple[str, ...]] = {
    "bad": (
        "I want my coins back.",
        "I am sorry that I went.",
        "Stay away from it.",
        "I gave it {low} of ten.",
        "I will not have it again.",
        "Who made this should stop.",
    ),
    "good": (
        "I would have it again.",
        "I am happy that I went.",
        "Go and see it.",
        "I gave it {high} of ten.",
        "It was worth the way.",
        "Who made this should go on.",
    ),
    "sea": ("Ask for more at the docks.", "All sailors talk of it.", "The tides decide the rest."),
    "farm": ("Ask for more at the mill.", "All farmers talk of it.", "The rain decides the rest."),
    "forge": (
        "Ask for more at the smithy.",
        "All smiths talk of it.",
        "The heat decides the rest.",
    ),
    "court": ("Ask for more at the gate.", "All nobles talk of it.", "The queen decides the rest."),
    "doubtful": ("Do not rely on this.", "Ask somebody else as well.", "Half of it may be so."),
    "trusty": ("You may rely on this.", "There is no need to ask further.", "All of it is so."),
}
"""How a text may end, by what drove its wording. Whoever wants to foresee the end has to have
understood the whole: this is what makes a leaning worth knowing to a model."""

CONTRARY = 0.1
"""Share of the sentences of a review that lean the other way."""

NEGATED = 1 / 8
"""Share of the sentences that show a leaning by denying the opposite."""


@dataclass(frozen=True)
class Text:
    """A text and what it shows.

    Attributes:
        opening: a first sentence that shows nothing.
        sentences: the others, in order.
        senses: field -> the sense that drives the wording of the whole text.
    """

    opening: str
    sentences: tuple[Sentence, ...]
    senses: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join([self.opening, *(s.text for s in self.sentences)])

    def words(self) -> list[Word]:
        """Words with a meaning, in order, each once."""
        return list(dict.fromkeys(word for s in self.sentences for word in s.words))


def review(
    world: World,
    draw: Draws,
    leaning: str | None = None,
    *,
    length: int | None = None,
    shares: Mapping[int, float] = SHARES,
    contrary: float = CONTRARY,
    thing: Thing | None = None,
) -> Text:
    """Somebody's view of a thing: adjectives follow the leaning, nouns the thing's topic."""
    leaning = leaning or draw.pick(senses_of("leaning"))
    other = next(sense for sense in senses_of("leaning") if sense != leaning)
    thing = thing or world.thing(draw)
    writer = Writer(world, draw, thing.topic, shares)
    length = length or draw.between(3, 6)
    # Never more than a third against the leaning, or the text would have none.
    against = {i for i in range(length) if draw.chance(contrary)}
    against = set(draw.sample(sorted(against), (length - 1) // 2))
    sentences = [
        writer.shows("leaning", other if i in against else leaning, negated=NEGATED)
        for i in range(length)
    ]
    opening = draw.pick(OPENINGS).format(
        x=thing.name, person=draw.pick(world.people), number=draw.pick(("two", "three", "ten"))
    )
    return Text(opening, tuple(sentences), {"leaning": leaning, "topic": thing.topic})


def verdict(draw: Draws, sense: str) -> str:
    """A last sentence that follows from what drove a text."""
    numbers = {
        "low": draw.pick(("one", "two", "three", "four")),
        "high": draw.pick(("seven", "eight", "nine", "ten")),
    }
    return draw.pick(VERDICTS[sense]).format(**numbers)


def report(
    world: World,
    draw: Draws,
    topic: str | None = None,
    trust: str | None = None,
    *,
    fields: tuple[str, ...] = ("topic", "topic", "trust"),
    length: int | None = None,
    shares: Mapping[int, float] = SHARES,
    contrary: float = CONTRARY,
) -> Text:
    """News from a place: nouns follow the topic, and how it is told follows its trustworthiness."""
    topic = topic or draw.pick(senses_of("topic"))
    trust = trust or draw.pick(senses_of("trust"))
    writer = Writer(world, draw, topic, shares)
    length = length or draw.between(3, 6)
    senses = {"topic": topic, "trust": trust}
    sentences = []
    against = 0
    for i in range(length):
        field = fields[i % len(fields)]
        sense = senses[field]
        if draw.chance(contrary) and against < (length - 1) // 2:
            against += 1
            sense = draw.pick([other for other in senses_of(field) if other != sense])
        where = writer
        if field == "topic" and sense != topic:
            where = Writer(world, draw, sense, shares)
        sentences.append(where.shows(field, sense))
    opening = draw.pick(HEADINGS).format(
        person=draw.pick(world.people), place=draw.pick(world.places)
    )
    return Text(opening, tuple(draw.shuffled(sentences)), senses)
