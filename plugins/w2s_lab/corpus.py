"""The corpus: an endless stream of documents, each a function of seed and number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count

from w2s_lab.documents import KINDS_OF_DOCUMENT
from w2s_lab.draws import Draws
from w2s_lab.world import SEED, the_world

LESSONS = 15_000
"""Documents at the beginning, all of which are about copying and reading. A model that has learnt to
look things up in a text early does so ever after; where such documents came only among others, it
depended on chance whether a model of this size found it worth while."""

LESSON_KINDS = ("reading", "reading_chat", "roll", "retelling")


def document(number: int, seed: int = SEED) -> str:
    """The document of this number."""
    draw = Draws("corpus", seed, number)
    names = LESSON_KINDS if number < LESSONS else tuple(KINDS_OF_DOCUMENT)
    kinds = [KINDS_OF_DOCUMENT[name] for name in names]
    write, _ = draw.weighted(kinds, [share for _, share in kinds])
    return write(the_world(seed), draw)


def documents(seed: int = SEED, start: int = 0) -> Iterator[str]:
    """All documents from ``start`` on."""
    return (document(number, seed) for number in count(start))


def digest(many: int, seed: int = SEED, start: int = 0) -> str:
    """SHA-256 over ``many`` documents from ``start`` on."""
    total = hashlib.sha256()
    for number in range(start, start + many):
        total.update(document(number, seed).encode() + b"\n")
    return total.hexdigest()
