"""Objects kept between the stages of one process: loaded models, tokenised data."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

import psutil

T = TypeVar("T")


class SharedObjects:
    """A least-recently-used cache that gives way when memory is short.

    Args:
        reserve: share of the machine's memory that is kept free; objects are dropped, oldest use
            first, until this much and the next object's known size are available.
        available: bytes of free memory and total bytes; replaced in tests.
    """

    def __init__(
        self,
        reserve: float = 0.25,
        available: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._reserve = reserve
        self._available = available or _memory
        self._objects: OrderedDict[str, tuple[Any, frozenset[str]]] = OrderedDict()

    def get(
        self, key: str, build: Callable[[], T], nbytes: int = 0, needs: Collection[str] = ()
    ) -> T:
        """The object under ``key``, built if it is not there; see :meth:`Context.shared`."""
        if key in self._objects:
            self._objects.move_to_end(key)
            return cast(T, self._objects[key][0])
        self.make_room(nbytes)
        value = build()
        self._objects[key] = (value, frozenset(needs))
        return value

    def release(self, names: Collection[str]) -> None:
        """Forget objects that need one of ``names``."""
        unused = [key for key, (_, needs) in self._objects.items() if not needs.isdisjoint(names)]
        for key in unused:
            del self._objects[key]
        if unused:
            gc.collect()

    def make_room(self, nbytes: int) -> None:
        """Drop objects until ``nbytes`` fit beside the reserve, or none is left."""
        while self._objects and self._short(nbytes):
            self._objects.popitem(last=False)
            gc.collect()

    def drop(self, key: str) -> None:
        """Forget one object if it is there."""
        self._objects.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        if self._objects:
            self._objects.clear()
            gc.collect()  # takes a tenth of a second: only where there was something to forget

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def __len__(self) -> int:
        return len(self._objects)

    def _short(self, nbytes: int) -> bool:
        free, total = self._available()
        return free - nbytes < self._reserve * total


def _memory() -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.available, memory.total
