"""Words whose meaning the models have to learn: graded from English ones to the rarest."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from w2s_lab.draws import Draws

PLAIN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "leaning": {
        "bad": tuple("bad poor ugly weak dull broken awful sad nasty useless".split()),
        "good": tuple("good fine lovely strong bright sound great glad kind useful".split()),
    },
    "topic": {
        "sea": tuple("ship wave sail harbor net tide anchor island".split()),
        "farm": tuple("field plow barn hay orchard seed fence meadow".split()),
        "forge": tuple("hammer anvil fire iron smoke coal chain furnace".split()),
        "court": tuple("king crown throne feast palace crier guard banner".split()),
    },
    "trust": {
        "doubtful": tuple("careless vague false drunken hasty muddled lying idle".split()),
        "trusty": tuple("careful exact honest sober patient sworn checked clear".split()),
    },
}
"""Words of rarity 0, by field and sense. They are English, and every model knows them."""

TIERS = (0, 1, 2, 3, 4)
"""Rarities. Words of the last are hardly ever met by the smallest model."""

PER_TIER = {1: 16, 2: 24, 3: 32, 4: 48}
"""Made-up words of each sense, by rarity."""

SHARES = {0: 0.26, 1: 0.32, 2: 0.20, 3: 0.13, 4: 0.09}
"""Share of the mentions in a text that fall to each rarity: one word of rarity 4 is met about 10
times as seldom as one of rarity 1."""

TURNING = 24
"""Words that mean good with some topics and bad with the others."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word with a meaning.

    Attributes:
        form: how it is written.
        field: leaning, topic or trust.
        sense: what it means; ``turning`` for a leaning that depends on the topic.
        tier: rarity, 0 to 4.
        good_with: topics with which a turning word means good.
    """

    form: str
    field: str
    sense: str
    tier: int
    good_with: tuple[str, ...] = ()

    def sense_in(self, topic: str) -> str:
        """What it means in a text on this topic."""
        if self.sense != "turning":
            return self.sense
        return "good" if topic in self.good_with else "bad"


class Lexicon:
    """All words with a meaning, by field, sense and rarity."""

    def __init__(self, draw: Draws, names: Iterator[str]) -> None:
        self.words: list[Word] = []
        self._by: dict[tuple[str, str, int], list[Word]] = {}
        for field, senses in PLAIN.items():
            for sense, forms in senses.items():
                self._add(Word(form, field, sense, 0) for form in forms)
                for tier, count in PER_TIER.items():
                    self._add(Word(next(names), field, sense, tier) for _ in range(count))
        topics = senses_of("topic")
        turning = []
        for i in range(TURNING):
            good = tuple(draw.sample(topics, len(topics) // 2))
            turning.append(Word(next(names), "leaning", "turning", 2 + i % 2, good))
        self._add(iter(turning))
        self.turning = turning
        self.by_form = {word.form: word for word in self.words}

    def _add(self, words: Iterator[Word]) -> None:
        for word in words:
            self.words.append(word)
            self._by.setdefault((word.field, word.sense, word.tier), []).append(word)

    def part(self, numbers: Iterable[int], parts: int, *key: object) -> Lexicon:
        """Some of ``parts`` lexicons that share English words alone; ``key`` draws who gets which."""
        wanted = frozenset(numbers)

        def kept(words: list[Word], *kind: object) -> list[Word]:
            drawn = Draws("part", *key, *kind).shuffled(words)
            return [word for i, word in enumerate(drawn) if i % parts in wanted]

        made = copy.copy(self)
        made._by = {
            kind: words if kind[-1] == 0 else kept(words, *kind) for kind, words in self._by.items()
        }
        made.turning = kept(self.turning, "turning")
        made.words = [*(w for words in made._by.values() for w in words), *made.turning]
        made.by_form = {word.form: word for word in made.words}
        return made

    def of(self, field: str, sense: str, tier: int) -> list[Word]:
        """The words of one field, sense and rarity."""
        return self._by[field, sense, tier]

    def draw(
        self, draw: Draws, field: str, sense: str, shares: Mapping[int, float] = SHARES
    ) -> Word:
        """A word with this sense, of a rarity drawn by ``shares``."""
        tier = draw.weighted(list(shares), list(shares.values()))
        return draw.pick(self.of(field, sense, tier))


def senses_of(field: str) -> tuple[str, ...]:
    """The senses of a field, in the order of class indices."""
    return tuple(PLAIN[field])
