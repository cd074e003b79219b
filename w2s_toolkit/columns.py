"""Where the columns of a data set come from: a table in memory, or a Parquet file read as needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq


class Columns(Protocol):
    """Columns by name, all of one length. Nothing ever changes them."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """One column."""

    def table(self, schema: pa.Schema) -> pa.Table:
        """All columns."""

    def batches(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """All columns in pieces of exactly ``rows`` rows, the last one smaller."""

    def replaced(self, columns: Mapping[str, Any]) -> Columns:
        """The same with these columns in place of their own."""


class TableColumns:
    """Columns of a table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self._table[name]

    def table(self, schema: pa.Schema) -> pa.Table:
        """See :meth:`Columns.table`."""
        return self._table

    def batches(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See :meth:`Columns.batches`."""
        for start in range(0, len(self), rows):
            yield _one_batch(self._table.slice(start, rows))

    def replaced(self, columns: Mapping[str, Any]) -> TableColumns:
        """See :meth:`Columns.replaced`."""
        table = self._table
        for name, column in columns.items():
            at = table.column_names.index(name)
            table = table.set_column(at, table.schema.field(name), column)
        return TableColumns(table)


class FileColumns:
    """Columns of a Parquet file, each read when it is first asked for.

    Args:
        path: the file; it must stay as it is.
        replacing: columns that stand in for those of the file.
    """

    def __init__(self, path: Path, replacing: Mapping[str, Any] | None = None) -> None:
        self._path = path
        self._replacing = dict(replacing or {})
        self._loaded: dict[str, pa.ChunkedArray] = {}
        with pq.ParquetFile(path) as file:
            self._rows = int(file.metadata.num_rows)
            self.metadata: Mapping[bytes, bytes] = file.schema_arrow.metadata or {}

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name in self._replacing:
            column = self._replacing[name]
            return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        if name not in self._loaded:
            with pq.ParquetFile(self._path) as file:
                self._loaded[name] = file.read(columns=[name])[name]
        return self._loaded[name]

    def table(self, schema: pa.Schema) -> pa.Table:
        """See :meth:`Columns.table`."""
        return pa.table([self[name].cast(schema.field(name).type) for name in schema.names], schema)

    def batches(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See :meth:`Columns.batches`."""
        kept = [n for n in schema.names if n not in self._replacing]
        done = 0
        with pq.ParquetFile(self._path) as file:
            for piece in _exactly(file.iter_batches(rows, columns=kept), rows):
                columns = {n: piece.column(n) for n in kept}
                for name in self._replacing:
                    columns[name] = self[name].slice(done, len(piece)).combine_chunks()
                done += len(piece)
                typed = [columns[f.name].cast(f.type) for f in schema]
                yield pa.record_batch(typed, schema=schema)

    def replaced(self, columns: Mapping[str, Any]) -> FileColumns:
        """See :meth:`Columns.replaced`."""
        return FileColumns(self._path, {**self._replacing, **columns})


def _exactly(pieces: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Pieces of any size joined and cut to ``rows`` rows: readers stop short at some boundaries."""
    waiting: list[pa.RecordBatch] = []
    held = 0
    for piece in pieces:
        waiting.append(piece)
        held += len(piece)
        if held < rows:
            continue
        table = pa.Table.from_batches(waiting)
        whole = held - held % rows
        for start in range(0, whole, rows):
            yield _one_batch(table.slice(start, rows))
        waiting, held = table.slice(whole).to_batches(), held - whole
    if held:
        yield _one_batch(pa.Table.from_batches(waiting))


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.record_batch(table.schema.empty_table().columns)
