"""Rows of a JSONL, CSV or Parquet file, each with the place it comes from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from w2s_toolkit.errors import DataError


class FileRow(NamedTuple):
    """One row and where it stands, such as ``labels.jsonl:17``."""

    where: str
    values: dict[str, Any]


def read_rows(path: Path) -> list[FileRow]:
    """All rows of a file; the kind is told by its ending.

    Raises:
        DataError: the file is missing, empty, of another kind, or a row cannot be read.
    """
    readers = {
        ".jsonl": _jsonl,
        ".json": _jsonl,
        ".ndjson": _jsonl,
        ".csv": _csv,
        ".tsv": _csv,
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"files ending in {path.suffix!r} cannot be read as labels",
            where=path.name,
            next_step=f"use one of {', '.join(readers)}",
        )
    try:
        rows = list(reader(path))
    except OSError as error:
        raise DataError(
            f"the labels file cannot be opened: {error.strerror or error}",
            where=str(path),
            next_step="check supervisors.labels_file.path",
        ) from error
    if not rows:
        raise DataError(
            "the labels file holds no rows",
            where=path.name,
            next_step="write one labelled row a line, or name another file",
        )
    return rows


def _jsonl(path: Path) -> Iterator[FileRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                # utf-8-sig: some editors put a byte-order mark before the first line.
                values = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                deep = isinstance(error, RecursionError)
                raise DataError(
                    f"this line is {'nested too deeply' if deep else f'not JSON: {error}'}",
                    where=where,
                    next_step="write one JSON object a line, UTF-8",
                ) from error
            if not isinstance(values, dict):
                raise DataError(
                    f"this line holds a {type(values).__name__}, not an object",
                    where=where,
                    next_step="write one JSON object a line",
                )
            yield FileRow(where, values)


def _csv(path: Path) -> Iterator[FileRow]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            for values in reader:
                where = f"{path.name}:{reader.line_num}"
                if None in values or None in values.values():
                    raise DataError(
                        f"this row does not have the {len(reader.fieldnames or [])} fields of the header",
                        where=where,
                        next_step="put fields that contain commas or line breaks in double quotes",
                    )
                yield FileRow(where, dict(values))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"this is not a UTF-8 CSV file: {error}",
            where=path.name,
            next_step="check its quotes and save it as UTF-8, or write it as .jsonl",
        ) from error


def _parquet(path: Path) -> Iterator[FileRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise DataError(
            f"this is not a Parquet file: {str(error).splitlines()[0]}",
            where=path.name,
            next_step="write it again, or check that it was copied whole",
        ) from error
    for number, values in enumerate(table.to_pylist(), 1):
        yield FileRow(f"{path.name}: row {number}", values)
