"""Rows of local files, streamed, each with the place it stands at."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from w2s_tasks.columns import Record
from w2s_toolkit.errors import DataError


def read_files(files: Iterable[Path]) -> Iterator[Record]:
    """Rows of some files, one file after the other.

    Raises:
        DataError: a file cannot be read, is not UTF-8, or holds something other than rows.
    """
    for path in files:
        yield from _READERS[path.suffix.lower()](path)


def _jsonl(path: Path) -> Iterator[Record]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
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
        yield Record(where, number, values)


_JSONL_HINT = 'write one object a line, such as {"text": "…", "label": 1}'


def _csv(path: Path) -> Iterator[Record]:
    # One reader line is one line of the file, so line_num counts them also within quotes.
    rows = csv.reader((line for _, line in _lines(path)), strict=True)
    header: list[str] | None = None
    started = 1
    try:
        for cells in rows:
            where, line, started = f"{path}:{started}", started, rows.line_num + 1
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
                yield Record(where, line, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataError(
            f"this is not a CSV row: {error}",
            where=f"{path}:{started}",
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


def _parquet(path: Path) -> Iterator[Record]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(f"{path}:{number}", number, values)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"this is not a Parquet file that can be read: {str(error).splitlines()[0]}",
            where=str(path),
            next_step="write it again, or check that it was copied whole",
        ) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
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
            where=f"{path}:{number}",
            next_step=f"convert the file: iconv -f {encoding} -t UTF-8 {path.name} > new",
        ) from None
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            next_step="check that it exists and that you may read it",
        ) from None


def _json_name(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


_READERS = {".jsonl": _jsonl, ".json": _jsonl, ".csv": _csv, ".parquet": _parquet}
