"""Rows of local JSONL, CSV and Parquet files, streamed, each with the place it stands at."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from w2s_toolkit.errors import DataError


class FileRow(NamedTuple):
    """One row as it was read.

    Attributes:
        where: ``file:line``, for messages.
        line: the number in ``where``, counted from 1.
        values: column -> value.
    """

    where: str
    line: int
    values: Mapping[str, Any]


def read_rows(path: Path, name: str = "") -> Iterator[FileRow]:
    """Rows of a file, one at a time; its ending, one of :data:`SUFFIXES`, says how it is read.

    Args:
        path: the file.
        name: what messages call it; the path by default.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or holds something other than rows.
    """
    return _READERS[path.suffix.lower()](path, name or str(path))


def column_names(path: Path, name: str = "") -> list[str]:
    """Columns of a file in the order they first occur; none when it has no rows.

    A JSONL file is read through for that, since any line may bring a new one.

    Raises:
        DataError: as :func:`read_rows`.
    """
    rows = read_rows(path, name)
    if path.suffix.lower() not in _JSONL:
        return list(next((row.values for row in rows), ()))
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row.values))
    return list(names)


def _jsonl(path: Path, name: str) -> Iterator[FileRow]:
    for number, line in _lines(path, name):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"this line is not JSON: {error}", where=where, next_step=_JSONL_HINT
            ) from None
        except RecursionError:
            raise DataError(
                "this line is nested too deeply", where=where, next_step=_JSONL_HINT
            ) from None
        if not isinstance(values, dict):
            raise DataError(
                f"this line is a JSON {_json_name(values)}, not an object",
                where=where,
                next_step=_JSONL_HINT,
            )
        yield FileRow(where, number, values)


_JSONL_HINT = 'write one object a line, such as {"text": "…", "label": 1}'


def _csv(path: Path, name: str) -> Iterator[FileRow]:
    # One reader line is one line of the file, so line_num counts them also within quotes.
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    lines = (line for _, line in _lines(path, name))
    rows = csv.reader(lines, strict=True, delimiter=delimiter)
    header: list[str] | None = None
    started = 1
    try:
        for cells in rows:
            where, line, started = f"{name}:{started}", started, rows.line_num + 1
            if not cells:
                continue
            if header is None:
                header = _header(cells, where)
            elif len(cells) != len(header):
                raise DataError(
                    f"this row has {len(cells)} values for {len(header)} columns",
                    where=where,
                    next_step='put values with commas or line breaks into double quotes: "a, b"',
                )
            else:
                yield FileRow(where, line, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(
            f"this is not a CSV row: {error}",
            where=f"{name}:{started}",
            next_step="check the quotes in it, or write the table as .jsonl",
        ) from None


def _header(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"the columns {', '.join(map(repr, sorted(repeated)))} occur more than once",
            where=where,
            next_step="give every column a name of its own in the first line",
        )
    return names


def _parquet(path: Path, name: str) -> Iterator[FileRow]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield FileRow(f"{name}:{number}", number, values)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"this is not a Parquet file that can be read: {str(error).splitlines()[0]}",
            where=name,
            next_step="write it again, or check that it was copied whole",
        ) from None


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, split at line feeds alone: U+2028 may stand inside a text."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        utf16 = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "UTF-16" if utf16 else "WINDOWS-1252"
        raise DataError(
            f"this line is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start + 1}",
            where=f"{name}:{number}",
            next_step=f"convert the file: iconv -f {encoding} -t UTF-8 {path.name} > new",
        ) from None
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=name,
            next_step="check that it exists and that you may read it",
        ) from None


def _json_name(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


_JSONL = (".jsonl", ".json", ".ndjson")
_READERS = {**dict.fromkeys(_JSONL, _jsonl), ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
SUFFIXES = tuple(_READERS)
"""Endings of files that can be read."""
