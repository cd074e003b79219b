"""Sentences that show a leaning, a topic or a trustworthiness by the words they use.

The same templates serve the corpus and the tasks: what differs between the two is the format
around a text and how rare its words are, not how it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from w2s_lab.draws import Draws
from w2s_lab.grammar import sentence
from w2s_lab.lexicon import SHARES, Word, senses_of
from w2s_lab.world import World

PARTS = "handle edge color weight finish tone shape smell touch price".split()
KIN = "mother father sister brother neighbor cousin friend uncle".split()
NUMBERS = "two three four five six seven eight nine ten".split()

LEANING = (
    "the {part} was {w} and {w}",
    "I found the {part} {w} and {w}",
    "{person} called it {w}, {w} and {w}",
    "it felt {w}, even {w}, from the first day",
    "we had a {w}, {w} time with it by the {n}",
    "next to the {n} it looked {w} and {w}",
    "even the {part} is {w}",
    "what a {w}, {w} {part} it has",
    "my {kin} thinks it is {w} and also {w}",
    "on the whole it was {w} and {w}",
    "after {number} days it was still {w} and {w}",
    "the {part} is {w}, the {part2} is {w}",
    "beside the {n} it made a {w} sight",
    "everyone near the {n} says it is {w} or at least {w}",
    "still, the {part} is {w}",
    "as for the {part}, it is {w}, {w} and {w}",
    "in short, {w} and {w}",
    "so {w} a {part} is seldom seen",
    "{person} and my {kin} agree that it is {w}",
    "a {w} and {w} thing, to my mind",
    "I showed it to {person}, who found it {w} and {w}",
    "with its {part} I am done: {w}, {w}",
    "since then I call everything {w} after it",
    "the longer I look, the more {w} and {w} it is",
)
NEGATED = (
    "the {part} was not {w}",
    "it was never {w}",
    "nobody could call it {w}",
    "my {kin} does not find it {w}",
)
TOPIC = (
    "{person} waited by the {n}",
    "the {n} stood next to the {n}",
    "they spoke of the {n} for {number} days",
    "a {n} and {number} more came before noon",
    "{person} gave the {n} to {person2}",
    "somebody had left a {n} near the {n}",
    "the oldest {n} is kept in {place}",
    "my {kin} looked after the {n}",
    "the {n} was mended in {place}",
    "without a {n} there is little to do",
    "in the morning the {n} was gone",
    "all evening {person} sang about the {n}",
    "the road to {place} goes past the {n}",
    "there were {number} of them around the {n}",
    "{person} dreamt of the {n} and the {n}",
    "first the {n}, then the {n}",
    "no {n} was seen before {person} came",
    "the {n} belongs to my {kin}",
    "they are looking for someone with a {n}",
    "{person} hid behind the {n}",
)
TRUST = (
    "the account is {w} and {w}",
    "a {w} and {w} witness told it to {person}",
    "it was written in a {w}, {w} hand",
    "the list of the {n} is {w}",
    "they gave a {w} and {w} answer about the {n}",
    "{person} is known to be {w}, {w} and {w}",
    "the numbers look {w} and {w}",
    "my {kin} found the story {w} and {w}",
    "whoever counted the {n} was {w}",
    "it rests on {w} words from {place}",
    "the one who wrote it is {w} and {w}",
    "{person} asked twice and got {w} replies",
    "as to the {n}, the report is {w}",
    "it has been told in a {w}, {w} way before",
    "my {kin} calls the messenger {w} and {w}",
    "behind it stands a {w} keeper of the {n}",
    "the letter is {w} about the rest",
)
_TEMPLATES = {"leaning": LEANING, "topic": TOPIC, "trust": TRUST}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, what it shows, and the words that show it."""

    text: str
    sense: str
    words: tuple[Word, ...]
    negated: bool = False


class Writer:
    """Writes sentences of one text.

    Args:
        world: where words, people and places come from.
        draw: all choices.
        topic: the topic that every noun of the text belongs to.
        shares: how often words of each rarity are used where a sense is to be shown.
        turning: share of leaning words whose meaning turns with the topic.
    """

    def __init__(
        self,
        world: World,
        draw: Draws,
        topic: str,
        shares: Mapping[int, float] = SHARES,
        turning: float = 0.06,
    ) -> None:
        self.world, self.draw, self.topic = world, draw, topic
        self.shares, self.turning = shares, turning

    def shows(self, field: str, sense: str, *, negated: float = 0.0) -> Sentence:
        """A sentence that shows ``sense``; with probability ``negated`` by denying the opposite."""
        draw = self.draw
        if field == "leaning" and draw.chance(negated):
            opposite = next(other for other in senses_of(field) if other != sense)
            text, words = self._fill(draw.pick(NEGATED), field, opposite)
            return Sentence(text, sense, words, negated=True)
        text, words = self._fill(draw.pick(_TEMPLATES[field]), field, sense)
        return Sentence(text, sense, words)

    def _word(self, field: str, sense: str) -> Word:
        if field == "leaning" and self.draw.chance(self.turning):
            for _ in range(4):
                word = self.draw.pick(self.world.lexicon.turning)
                if word.sense_in(self.topic) == sense:
                    return word
        return self.world.lexicon.draw(self.draw, field, sense, self.shares)

    def _fill(self, template: str, field: str, sense: str) -> tuple[str, tuple[Word, ...]]:
        draw, world = self.draw, self.world
        words: list[Word] = []
        text = template
        while "{w}" in text:
            words.append(self._word(field, sense))
            text = text.replace("{w}", words[-1].form, 1)
        while "{n}" in text:
            shows_topic = field == "topic"
            shares = self.shares if shows_topic else SHARES
            noun = world.lexicon.draw(draw, "topic", self.topic, shares)
            if shows_topic:
                words.append(noun)
            text = text.replace("{n}", noun.form, 1)
        part, part2 = draw.sample(PARTS, 2)
        person, person2 = draw.sample(world.people, 2)
        values = {
            "{part}": part,
            "{part2}": part2,
            "{person}": person,
            "{person2}": person2,
            "{place}": draw.pick(world.places),
            "{kin}": draw.pick(KIN),
            "{number}": draw.pick(NUMBERS),
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return sentence(text), tuple(words)
