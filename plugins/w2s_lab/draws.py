"""Random draws that are the same on every machine and every Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of draws that depends on its key alone.

    Only :meth:`random.Random.random` is used, the one method whose sequence Python promises to keep
    from version to version.

    Args:
        key: anything with a stable ``str``; other keys give independent streams.
    """

    def __init__(self, *key: object) -> None:
        self._next = random.Random("/".join(map(str, key))).random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._next() < probability

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1."""
        return int(self._next() * n)

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of them, all equally likely."""
        return items[int(self._next() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of them, as likely as its weight."""
        sums = list(accumulate(weights))
        at = self._next() * sums[-1]
        return next((item for item, top in zip(items, sums, strict=True) if at < top), items[-1])

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of them in random order."""
        left = list(items)
        for i in range(len(left) - 1, 0, -1):
            j = self.below(i + 1)
            left[i], left[j] = left[j], left[i]
        return left

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """``k`` different ones (all of them if there are fewer)."""
        left = list(items)
        k = min(k, len(left))
        for i in range(k):
            j = i + self.below(len(left) - i)
            left[i], left[j] = left[j], left[i]
        return left[:k]
