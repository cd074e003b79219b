"""Arrow columns and numpy arrays: conversions, text columns as sequences, joins by value.

Several of Arrow's own conversions import pandas on the way, which costs every process time and
memory; those here do not.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2s_toolkit.errors import DataError

_PIECE = 8192
"""Values that are Python objects at one time."""

ROW_GROUP = 65_536
"""Rows of a Parquet row group: what a streaming reader decodes at once."""


class Strings(Sequence[str]):
    """A text column as a sequence: a million texts take the room of their bytes.

    An item becomes a Python string when it is asked for, and iterating makes some thousand at a
    time; a slice is a tuple. ``list(…)`` where a library insists on a list.

    Args:
        values: texts, or an Arrow column of them, which is not copied.

    Raises:
        DataError: a value is not text, or not valid text.
    """

    __slots__ = ("__dict__", "_column")

    def __init__(self, values: Iterable[str] | pa.ChunkedArray | pa.Array = ()) -> None:
        if isinstance(values, Strings):
            values = values.arrow
        self._column = _as_column(values)

    @property
    def arrow(self) -> pa.ChunkedArray:
        """The column itself."""
        return self._column

    @cached_property
    def unique(self) -> bool:
        """Whether no text occurs twice."""
        return bool(pc.count_distinct(self._column).as_py() == len(self))

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | tuple[str, ...]:
        if not isinstance(index, slice):
            return self._column[operator.index(index)].as_py()  # type: ignore[no-any-return]
        start, stop, step = index.indices(len(self))
        if step == 1:
            return tuple(self._column.slice(start, max(0, stop - start)).to_pylist())
        return tuple(self[i] for i in range(start, stop, step))

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.chunks:
            for start in range(0, len(chunk), _PIECE):
                yield from chunk.slice(start, _PIECE).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Strings):
            return bool(self._column.equals(other._column))
        if isinstance(other, str) or not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(list(self), dtype=dtype)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return (
            f"Strings([{shown}, … {len(self)} in all])" if len(self) > 3 else f"Strings([{shown}])"
        )


def text_array(values: Iterable[str | None]) -> pa.ChunkedArray:
    """A text column from Python strings, None for null.

    Raises:
        DataError: a value is not text, or holds half of a surrogate pair.
    """
    rest, chunks = iter(values), []
    while piece := list(islice(rest, _PIECE)):
        chunks.append(_text_chunk(piece))
    return pa.chunked_array(chunks, pa.string())


def from_numpy(values: npt.NDArray[Any], given: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A column of booleans, 64-bit integers or 64-bit floats, (n,); null where not ``given``, (n,)."""
    present = None if given is None else _bits(given)
    if values.dtype == np.bool_:
        return pa.Array.from_buffers(pa.bool_(), len(values), [present, _bits(values)])
    kind = pa.int64() if values.dtype.kind == "i" else pa.float64()
    plain = np.ascontiguousarray(values, dtype=np.int64 if kind == pa.int64() else np.float64)
    return pa.Array.from_buffers(kind, len(plain), [present, pa.py_buffer(plain)])


def scalar(value: int | str) -> pa.Scalar:
    """A single value, as functions of Arrow take it without conversions of their own."""
    one = from_numpy(np.array([value])) if isinstance(value, int) else text_array([value]).chunk(0)
    return one[0]


def table(columns: Mapping[str, Any]) -> pa.Table:
    """A table of Arrow columns and numpy arrays."""
    found = {n: from_numpy(c) if isinstance(c, np.ndarray) else c for n, c in columns.items()}
    return pa.table(found)


def to_numpy(column: Any) -> npt.NDArray[Any]:
    """A numeric column without nulls, copied."""
    chunks = [c for c in getattr(column, "chunks", [column]) if len(c)]
    return np.concatenate([np.from_dlpack(c) for c in chunks]) if chunks else np.zeros(0)


def positions(wanted: pa.ChunkedArray, among: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Where each of n texts stands in a column of different texts; −1 where it does not, (n,)."""
    found = pc.index_in(wanted, value_set=among.combine_chunks())
    return to_numpy(pc.fill_null(found.cast(pa.int64()), scalar(-1))).astype(np.int64)


def codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Each text as a number, (n,), and the texts by number in the order they first occur."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):  # more text than one Arrow array can hold
        encoded = encoded.unify_dictionaries()
        indices = pa.chunked_array([c.indices for c in encoded.chunks], pa.int32())
        return to_numpy(indices).astype(np.int64), encoded.chunk(0).dictionary
    return to_numpy(encoded.indices).astype(np.int64), encoded.dictionary


def take(column: pa.ChunkedArray, rows: npt.NDArray[Any]) -> pa.ChunkedArray:
    """The values at these positions, in this order."""
    return column.take(from_numpy(np.asarray(rows, dtype=np.int64)))


def first_repeated(values: Iterable[str]) -> str:
    """The first text that occurs a second time; empty when none does."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return ""


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns, as a table."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def write_parquet(rows: pa.Table, path: Path) -> None:
    """Write a table in row groups that can be streamed."""
    pq.write_table(rows, path, row_group_size=ROW_GROUP)


def _bits(flags: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _as_column(values: Any) -> pa.ChunkedArray:
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    if not isinstance(values, pa.ChunkedArray):
        values = text_array(values)
    if values.null_count:
        raise DataError("a text is missing (null)")
    return values if values.type == pa.string() else values.cast(pa.string())


def _text_chunk(values: list[str | None]) -> pa.Array:
    nulls = values.count(None)
    try:
        raw = [b"" if v is None else v.encode("utf-8") for v in values]
    except AttributeError:
        wrong = next(v for v in values if v is not None and not isinstance(v, str))
        raise DataError(f"{wrong!r} is a {type(wrong).__name__}, not text") from None
    except UnicodeEncodeError as error:
        raise DataError(
            f"{error.object[:60]!r} holds half of a surrogate pair, which is not valid text"
        ) from None
    offsets = np.zeros(len(raw) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)), out=offsets[1:])
    present = _bits(np.array([v is not None for v in values])) if nulls else None
    buffers = [present, pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(pa.large_string(), len(raw), buffers, nulls).cast(pa.string())
