"""Rows of numbers of different lengths, such as one number for each token of each answer."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s_toolkit import arrow

Array = npt.NDArray[Any]


class Jagged(Sequence[Array]):
    """n rows of numbers as one flat array; row i is ``flat[offsets[i] : offsets[i + 1]]``.

    Args:
        flat: all numbers, row after row.
        offsets: (n + 1,) where each row begins; the first is 0.
    """

    __slots__ = ("flat", "offsets")

    def __init__(self, flat: Array, offsets: npt.NDArray[np.int64]) -> None:
        assert len(offsets) and offsets[0] == 0 and offsets[-1] == len(flat)
        self.flat, self.offsets = flat, offsets

    @classmethod
    def of(cls, rows: Iterable[npt.ArrayLike], dtype: npt.DTypeLike = np.float64) -> Jagged:
        """From one sequence of numbers a row."""
        arrays = [np.asarray(row, dtype=dtype) for row in rows]
        offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in arrays], out=offsets[1:])
        return cls(np.concatenate([np.zeros(0, dtype), *arrays]), offsets)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Numbers of each row, (n,)."""
        return np.diff(self.offsets)

    def sums(self) -> npt.NDArray[np.float64]:
        """Sum of each row, (n,); 0 for an empty one."""
        total = np.concatenate([[0.0], np.cumsum(self.flat, dtype=np.float64)])
        return np.asarray(total[self.offsets[1:]] - total[self.offsets[:-1]])

    def like(self, flat: Array) -> Jagged:
        """Other numbers in rows of the same lengths."""
        return Jagged(flat, self.offsets)

    def take(self, rows: npt.NDArray[Any]) -> Jagged:
        """The rows at these positions, in this order."""
        return Jagged.of((self[int(row)] for row in rows), self.flat.dtype)

    @classmethod
    def concat(cls, parts: Sequence[Jagged]) -> Jagged:
        """The rows of several, one after the other."""
        lengths = np.concatenate([[0], *(part.lengths for part in parts)])
        return cls(np.concatenate([part.flat for part in parts]), np.cumsum(lengths))

    @property
    def arrow(self) -> pa.Array:
        """As a column of lists."""
        return pa.LargeListArray.from_arrays(
            arrow.from_numpy(self.offsets), arrow.from_numpy(self.flat)
        )

    @classmethod
    def from_arrow(cls, column: pa.ChunkedArray, dtype: npt.DTypeLike) -> Jagged:
        """What :attr:`arrow` gave."""
        lists = column.combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks)
        values = lists.flatten()
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.uint8())
        lengths = arrow.to_numpy(lists.value_lengths().cast(pa.int64()))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(arrow.to_numpy(values).astype(dtype), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Array | list[Array]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = operator.index(index)
        row = row + len(self) if row < 0 else row
        if not 0 <= row < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[Array]:
        return (self[row] for row in range(len(self)))
