"""The lab's tasks: the same world in formats that the corpus does not have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from w2s_lab import facts
from w2s_lab.config import (
    LabAnswerConfig,
    LabPreferenceConfig,
    LabTaskConfig,
)
from w2s_lab.documents import hard_words
from w2s_lab.draws import Draws
from w2s_lab.grammar import listed, sentence
from w2s_lab.lexicon import Word, senses_of
from w2s_lab.meanings import meaning
from w2s_lab.texts import Text, report, review
from w2s_lab.world import ATTRIBUTES, Thing, World, the_world
from w2s_toolkit.contracts import Context, Row, TaskData
from w2s_toolkit.data import TaskInfo

WEAK_TRAIN = "weak_train"

WORD_PARTS = (range(1), range(1, 3))
"""Which thirds of the words weak_train and all other splits may use when words are apart."""

HARD_WORDS = 3
"""Words that a passage explains."""


def word_shares(difficulty: int, plain: float = 0.0) -> Mapping[int, float]:
    """Rarities of the words that decide a text of this difficulty; ``plain`` is the share of plain English."""
    rare = 1 - plain
    shares = {0: plain, difficulty: 0.8 * rare}
    shares[difficulty - 1] = shares.get(difficulty - 1, 0.0) + 0.2 * rare
    return shares


class LabTask(ABC):
    """Rows as a function of ``rows_seed`` and number. Even their order is fixed.

    ``meta`` of a row holds its ``difficulty`` (1 to 4, the rarity of what decides it) and, under
    ``passage``, the true background whether or not the prompt shows it.
    """

    name: str
    info: TaskInfo
    per_group = 1
    of_words = True

    def __init__(self, config: LabTaskConfig) -> None:
        self.config = config
        self.world = the_world()
        apart = self.of_words and config.words == "apart"
        thirds = WORD_PARTS if apart else (range(3),)
        self.parts = len(thirds)
        self._views = [self.world.part(numbers, 3, config.rows_seed) for numbers in thirds]

    def load(self, ctx: Context) -> TaskData:
        """See :meth:`w2s_toolkit.contracts.Task.load`."""
        levels, easy = sorted(self.config.difficulty), self.config.easy or []
        middle = len(levels) // 2
        halves = {"easy": levels[:middle], "hard": levels[middle:]} if easy else {"lab": levels}
        sources = {
            _source(half, part): self._rows(its, part)
            for half, its in halves.items()
            for part in range(self.parts)
        }
        feeds = {}
        for split in (WEAK_TRAIN, "*", *easy):
            half = ("easy" if split in easy else "hard") if easy else "lab"
            feeds[split] = _source(half, int(split != WEAK_TRAIN) % self.parts)
        return TaskData(self.info, sources, feeds)

    def _rows(self, levels: list[int], part: int) -> Iterator[Row]:
        wanted = -(-self.config.rows // self.parts)
        made = 0
        for number in range(-(-wanted // self.per_group)):
            within = number // len(levels) * self.parts + part
            for row in self.group(within, levels[number % len(levels)]):
                if made < wanted:
                    yield row
                made += 1

    def view(self, number: int) -> World:
        """The world with the words that the ``number``-th group may use."""
        return self._views[number % self.parts]

    def draw(self, *key: object) -> Draws:
        """A stream of draws for one row, or a part of it."""
        return Draws(self.name, self.config.rows_seed, *key)

    @abstractmethod
    def group(self, number: int, difficulty: int) -> Iterable[Row]:
        """The rows of one group: the ``number``-th of this difficulty, counted from 0."""

    def row(
        self,
        prompt: str,
        number: int,
        difficulty: int,
        passages: Mapping[str, str],
        **rest: Any,
    ) -> Row:
        """A row whose prompt begins with the passage that the config asks for, if any."""
        shown = passages.get(self.config.passage, "")
        return Row(
            f"Background: {shown}\n{prompt}" if shown else prompt,
            group=f"{self.name}/{self.config.rows_seed}/{difficulty}/{number}",
            meta={"difficulty": difficulty, "passage": passages["right"]},
            **rest,
        )

    def passages(self, words: list[Word], others: list[Word], key: object) -> dict[str, str]:
        """What ``words`` mean, the opposite, and what another row's words mean."""
        return {
            "right": self.explain(words, key),
            "wrong": self.explain(words, key, lie=True),
            "shuffled": self.explain(others, key),
        }

    def explain(self, words: list[Word], key: object, *, lie: bool = False) -> str:
        """What these words mean, or the opposite."""
        draw = self.draw("passage", key, lie)
        told = []
        for word in words[:HARD_WORDS]:
            others = [s for s in senses_of(word.field) if s != word.sense]
            told.append(meaning(draw, word, draw.pick(others) if lie else None))
        return " ".join(told)


def _source(half: str, part: int) -> str:
    return f"{half}-{part}" if part else half


class LabClaims(LabTask):
    """Does a claim about a review hold? The claim always says that the writer was pleased.

    Each group has two reviews of one thing, one of each class.
    """

    name = "lab_claims"
    info = TaskInfo("classification", ("no", "yes"), "Does the claim hold?")
    per_group = 2

    def text(self, number: int, difficulty: int, gold: int) -> Text:
        """The review of one row."""
        draw = self.draw(number, difficulty)
        leaning = senses_of("leaning")[gold]
        length = draw.between(3, 4)
        return review(
            self.view(number),
            draw,
            leaning,
            length=length,
            shares=word_shares(difficulty, self.config.plain),
            contrary=0.08,
        )

    def group(self, number: int, difficulty: int) -> Iterable[Row]:
        """See :meth:`LabTask.group`."""
        for gold in (0, 1):
            text = self.text(number, difficulty, gold)
            other = self.text(
                number + 1, difficulty, self.draw("other", number, difficulty).below(2)
            )
            passages = self.passages(
                leaning_words(text), leaning_words(other), (number, difficulty)
            )
            prompt = f"Text: {text}\nClaim: The writer was pleased."
            yield self.row(
                prompt, number, difficulty, passages, choices=self.info.classes, gold=gold
            )


def leaning_words(text: Text) -> list[Word]:
    """The hard words of a review that have a meaning of their own."""
    return [w for w in hard_words(text, 9) if w.field == "leaning" and w.sense != "turning"]


class LabChoice(LabTask):
    """Which of four topics is a report about?"""

    name = "lab_choice"
    info = TaskInfo("classification", senses_of("topic"), "What is the text about?")

    def text(self, number: int, difficulty: int) -> tuple[Text, int]:
        """The report of one row and its topic."""
        draw = self.draw(number, difficulty)
        gold = draw.below(4)
        text = report(
            self.view(number),
            draw,
            self.info.classes[gold],
            fields=("topic",),
            length=draw.between(2, 4),
            shares=word_shares(difficulty, self.config.plain),
        )
        return text, gold

    def group(self, number: int, difficulty: int) -> Iterable[Row]:
        """See :meth:`LabTask.group`."""
        text, gold = self.text(number, difficulty)
        other, _ = self.text(number + self.parts, difficulty)
        passages = self.passages(hard_words(text, 9), hard_words(other, 9), (number, difficulty))
        prompt = f"Text: {text}\nTopic:"
        yield self.row(prompt, number, difficulty, passages, choices=self.info.classes, gold=gold)


class LabPreference(LabTask):
    """Which of two replies is better? The better one is told in a trustworthy way."""

    name = "lab_preference"

    def __init__(self, config: LabPreferenceConfig) -> None:
        super().__init__(config)
        self.form = config.form
        question = "Which reply is more to be trusted?"
        shown = self.form == "shown"
        self.info = TaskInfo(
            "classification" if shown else "preference", ("A", "B") if shown else (), question
        )

    def reply(self, number: int, difficulty: int, trust: str) -> Text:
        """A reply of one kind."""
        draw = self.draw(number, difficulty, trust)
        topic = senses_of("topic")[number // self.parts % 4]
        return report(
            self.view(number),
            draw,
            topic,
            trust,
            fields=("trust",),
            length=draw.between(2, 3),
            shares=word_shares(difficulty, self.config.plain),
            contrary=0.0,
        )

    def group(self, number: int, difficulty: int) -> Iterable[Row]:
        """See :meth:`LabTask.group`."""
        draw = self.draw(number, difficulty, "sides")
        gold = draw.below(2)
        bad, good = (self.reply(number, difficulty, trust) for trust in senses_of("trust"))
        replies = (good, bad) if gold == 0 else (bad, good)
        words = [w for text in replies for w in hard_words(text, 2) if w.field == "trust"]
        other = self.reply(number + self.parts, difficulty, draw.pick(senses_of("trust")))
        passages = self.passages(words, hard_words(other, 9), (number, difficulty))
        asks, place = draw.pick(self.world.people), draw.pick(self.world.places)
        prompt = f"{asks} asks what has happened in {place}."
        texts = tuple(str(text) for text in replies)
        choices = texts
        if self.form == "shown":
            prompt = f"{prompt}\nA: {texts[0]}\nB: {texts[1]}\nBetter:"
            choices = self.info.classes
        yield self.row(prompt, number, difficulty, passages, choices=choices, gold=gold)


class LabAnswer(LabTask):
    """Questions on things: one fact in a few words, or all that is known of some things.

    There are 3,600 facts (240, 480, 960 and 1,920 by rarity); more rows there are not.
    """

    name = "lab_answer"
    of_words = False

    def __init__(self, config: LabAnswerConfig) -> None:
        super().__init__(config)
        self.things = config.things
        self.info = TaskInfo("generation", (), "What is the answer?")
        self._order = {
            tier: self.draw("order", tier).shuffled(range(len(known) * len(ATTRIBUTES)))
            for tier, known in self.world.things.items()
        }

    def group(self, number: int, difficulty: int) -> Iterable[Row]:
        """See :meth:`LabTask.group`."""
        draw = self.draw(number, difficulty)
        if self.things:
            yield self._long(draw, number, difficulty)
            return
        # Each fact is asked for once, so that no split asks for what another has taught.
        known = self.world.things[difficulty]
        if number >= len(self._order[difficulty]):
            return
        which = self._order[difficulty][number]
        thing, attribute = known[which // len(ATTRIBUTES)], ATTRIBUTES[which % len(ATTRIBUTES)]
        wrong = self.world.mistaken(draw, thing)
        other = draw.pick([t for t in known if t is not thing])
        passages = {
            "right": facts.description(draw, thing),
            "wrong": facts.description(draw, wrong),
            "shuffled": facts.description(draw, other),
        }
        label = {"scent": "smell", "place": "home"}.get(attribute, attribute)
        yield self.row(
            f"Thing: {thing.name}\nWanted: {label}\nAnswer:",
            number,
            difficulty,
            passages,
            gold_text=facts.value(thing, attribute),
        )

    def _long(self, draw: Draws, number: int, difficulty: int) -> Row:
        things = draw.sample(self.world.things[difficulty], self.things)
        passages = {
            "right": " ".join(facts.description(draw, thing) for thing in things),
            "wrong": " ".join(
                facts.description(draw, self.world.mistaken(draw, t)) for t in things
            ),
            "shuffled": " ".join(
                facts.description(draw, draw.pick(self.world.things[difficulty])) for _ in things
            ),
        }
        names = listed([f"the {thing.name}" for thing in things])
        return self.row(
            f"Things: {names}\nAll that is known:",
            number,
            difficulty,
            passages,
            gold_text=" ".join(entry(thing) for thing in things),
        )


def entry(thing: Thing) -> str:
    """All that is known of a thing, always in the same words."""
    known = thing.facts
    return " ".join(
        [
            sentence(f"the {thing.name} is a {known['kind']}"),
            sentence(f"its color is {known['color']}"),
            sentence(f"it smells of {known['scent']}"),
            sentence(f"it comes from {known['place']}"),
            sentence(f"{known['keeper']} keeps it"),
            sentence(f"it costs {known['price']} coins"),
        ]
    )
