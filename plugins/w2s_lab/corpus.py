"""The corpus: an endless stream of documents, each a function of seed and number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import count

from w2s_lab.documents import KINDS_OF_DOCUMENT
from w2s_lab.draws import Draws
from w2s_lab.world import SEED, the_world

TEXTS = 15_000
"""Documents at the very beginning, all of them reviews and reports. After a million tokens of these
alone a model of a million parameters tells good words from bad ones, rare ones too; it had not done
so after ten million tokens in which they were a quarter of all documents."""

TEXT_SHARES = {"review": 0.6, "report": 0.4}

READINGS = 20_000
"""Documents after those, all of which are about copying and reading. A model that has learnt to look
things up in a text early does so ever after; where such documents came only among others, it depended
on chance whether a model of this size found it worth while."""

READING_SHARES = {
    "reading": 0.25,
    "reading_chat": 0.4,
    "roll": 0.1,
    "retelling": 0.05,
    "whole_retelling": 0.2,
}
"""Whole texts are copied too: a model that has only copied names fills in the common words of a
sentence by habit."""

LESSONS = TEXTS + READINGS
"""Documents of both kinds of lessons, after which everything comes mixed."""

EXERCISES = {"whole_retelling": 0.2, "argument": 0.5, "anything": 0.3}
"""What is read at the end, and its shares: quoting a text word for word takes more practice than the
corpus holds."""


def document(number: int, seed: int = SEED) -> str:
    """The document of this number."""
    draw = Draws("corpus", seed, number)
    if number < TEXTS:
        name = _pick(draw, TEXT_SHARES)
    else:
        name = _pick(draw, READING_SHARES) if number < LESSONS else _anything(draw)
    return KINDS_OF_DOCUMENT[name][0](the_world(seed), draw)


def _pick(draw: Draws, shares: Mapping[str, float]) -> str:
    return draw.weighted(list(shares), list(shares.values()))


def _anything(draw: Draws) -> str:
    return _pick(draw, {name: share for name, (_, share) in KINDS_OF_DOCUMENT.items()})


def documents(seed: int = SEED, start: int = 0) -> Iterator[str]:
    """All documents from ``start`` on."""
    return (document(number, seed) for number in count(start))


def exercise(number: int, seed: int = SEED) -> str:
    """The document of this number among those that are read at the end."""
    draw = Draws("exercise", seed, number)
    name = _pick(draw, EXERCISES)
    name = _anything(draw) if name == "anything" else name
    return KINDS_OF_DOCUMENT[name][0](the_world(seed), draw)


def exercises(seed: int = SEED, start: int = 0) -> Iterator[str]:
    """All exercises from ``start`` on."""
    return (exercise(number, seed) for number in count(start))


def digest(many: int, seed: int = SEED, start: int = 0) -> str:
    """SHA-256 over ``many`` documents from ``start`` on."""
    total = hashlib.sha256()
    for number in range(start, start + many):
        total.update(document(number, seed).encode() + b"\n")
    return total.hexdigest()
