"""Which keys of a stream came before, without a Python object a key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.bytes_]
Integers = npt.NDArray[np.int64]


def fingerprints(texts: Iterable[str]) -> Keys:
    """128 bits of each text, so many that two different texts of any data set never share them."""
    raw = (text.encode("utf-8", "surrogatepass") for text in texts)
    joined = b"".join(hashlib.blake2b(one, digest_size=16).digest() for one in raw)
    return np.frombuffer(joined, dtype="S16")


class Seen:
    """Keys of one width, kept as sorted arrays that are merged as they grow.

    A key costs its width and sixteen bytes; adding n keys one batch after the other takes
    n log n steps in all.
    """

    def __init__(self) -> None:
        self._number = 0
        self._runs: list[_Run] = []

    def add(self, keys: Keys) -> tuple[Integers, Integers]:
        """Add a batch of keys.

        Args:
            keys: (n,) bytes, of the same width in every batch.

        Returns:
            How often each key came before, in this batch or another, (n,); and the number, counted
            from 0 over all batches, of the first key equal to it, (n,).
        """
        if not len(keys):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        unique, index, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        inverse = inverse.reshape(-1)
        earlier, first = np.zeros(len(unique), np.int64), self._number + index
        for run in self._runs:
            at = np.searchsorted(run.keys, unique)
            at[at == len(run.keys)] = 0
            hit = np.flatnonzero(run.keys[at] == unique)
            earlier[hit] += run.counts[at[hit]]
            first[hit] = np.minimum(first[hit], run.first[at[hit]])
        self._runs.append(_Run(unique, counts.astype(np.int64), self._number + index))
        self._number += len(keys)
        while len(self._runs) > 1 and len(self._runs[-2].keys) < 2 * len(self._runs[-1].keys):
            newer, older = self._runs.pop(), self._runs.pop()
            self._runs.append(_merged(older, newer))
        return earlier[inverse] + _earlier_here(inverse, counts), first[inverse]


class _Run(NamedTuple):
    """Different keys in order, how often each came and the number of its first."""

    keys: Keys
    counts: Integers
    first: Integers


def _merged(older: _Run, newer: _Run) -> _Run:
    keys, index, inverse = np.unique(
        np.concatenate([older.keys, newer.keys]), return_index=True, return_inverse=True
    )
    counts = np.zeros(len(keys), dtype=np.int64)
    np.add.at(counts, inverse.reshape(-1), np.concatenate([older.counts, newer.counts]))
    return _Run(keys, counts, np.concatenate([older.first, newer.first])[index])


def _earlier_here(inverse: npt.NDArray[Any], counts: npt.NDArray[Any]) -> Integers:
    """How often each key came before within its own batch."""
    order = np.argsort(inverse, kind="stable")
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    out = np.empty(len(inverse), dtype=np.int64)
    out[order] = np.arange(len(inverse)) - starts
    return out
