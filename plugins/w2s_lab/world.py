"""The world: things with names and attributes, places, people, and words with meanings."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from w2s_lab.draws import Draws
from w2s_lab.lexicon import PLAIN, Lexicon, Word, senses_of
from w2s_lab.names import made_up

SEED = 2312
"""Seed of the world that the shipped models were trained on."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "sea": ("fish", "boat", "shell", "rope"),
    "farm": ("goat", "fruit", "flower", "cart"),
    "forge": ("blade", "lamp", "pot", "nail"),
    "court": ("dress", "cake", "chair", "ring"),
}
COLORS = tuple(
    "red blue green yellow white black brown gray purple orange pink silver golden crimson violet ivory".split()
)
SCENTS = tuple(
    "mint salt honey tar rose pepper ash moss lemon wool ginger pine butter leather garlic cedar".split()
)

ATTRIBUTES = ("kind", "color", "scent", "place", "keeper", "price")
"""What is known of a thing. A price is a number of coins from 2 to 99."""

THINGS = {1: 40, 2: 80, 3: 160, 4: 320}
"""Things of each rarity."""

THING_SHARES = {1: 0.4, 2: 0.3, 3: 0.18, 4: 0.12}
"""Share of the mentions that fall to the things of each rarity."""

PLACES, PEOPLE = 24, 32


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a name, and what is true of it."""

    name: str
    topic: str
    tier: int
    facts: Mapping[str, str]


class World:
    """Everything there is, as a function of the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        draw = Draws("world", seed)
        taken = {form for senses in PLAIN.values() for forms in senses.values() for form in forms}
        names = made_up(draw, taken)
        self.places = tuple(next(names).capitalize() for _ in range(PLACES))
        self.people = tuple(next(names).capitalize() for _ in range(PEOPLE))
        self.lexicon = Lexicon(draw, names)
        self.things: dict[int, list[Thing]] = {
            tier: [self.new_thing(draw, next(names), tier) for _ in range(count)]
            for tier, count in THINGS.items()
        }
        self._taken = frozenset(taken)

    def new_thing(self, draw: Draws, name: str, tier: int = 0) -> Thing:
        """A thing with attributes drawn at random. Rarity 0: nobody has heard of it before."""
        topic = draw.pick(senses_of("topic"))
        facts = {
            "kind": draw.pick(KINDS[topic]),
            "color": draw.pick(COLORS),
            "scent": draw.pick(SCENTS),
            "place": draw.pick(self.places),
            "keeper": draw.pick(self.people),
            "price": str(draw.between(2, 99)),
        }
        return Thing(name, topic, tier, facts)

    def stranger(self, draw: Draws) -> Thing:
        """A thing that is in no list: its name is new, so only a text can tell about it."""
        return self.new_thing(draw, next(made_up(draw, set(self._taken))))

    def mistaken(self, draw: Draws, thing: Thing) -> Thing:
        """The same name with other attributes, every one of them false."""
        while True:
            facts = self.new_thing(draw, thing.name).facts
            if all(facts[name] != thing.facts[name] for name in ATTRIBUTES):
                return Thing(thing.name, thing.topic, 0, facts)

    def thing(self, draw: Draws, shares: Mapping[int, float] = THING_SHARES) -> Thing:
        """A known thing, of a rarity drawn by ``shares``."""
        tier = draw.weighted(list(shares), list(shares.values()))
        return draw.pick(self.things[tier])

    def part(self, numbers: Iterable[int], parts: int, *key: object) -> World:
        """The same world with some parts of its words; see :meth:`Lexicon.part`."""
        made = copy.copy(self)
        made.lexicon = self.lexicon.part(numbers, parts, *key)
        return made

    def all_things(self) -> list[Thing]:
        """All known things, from the most to the least common."""
        return [thing for tier in sorted(self.things) for thing in self.things[tier]]

    def digest(self) -> str:
        """SHA-256 over everything there is."""
        content = {
            "places": self.places,
            "people": self.people,
            "words": [asdict(word) for word in self.lexicon.words],
            "things": [asdict(thing) for thing in self.all_things()],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def word(self, form: str) -> Word | None:
        """The word of this form, if it has a meaning."""
        return self.lexicon.by_form.get(form)


@lru_cache(maxsize=4)
def the_world(seed: int = SEED) -> World:
    """The world of a seed, made once a process."""
    return World(seed)
