"""What was said so far, kept so that a kill loses nothing that was answered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "journal.jsonl"


def read_records(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Whole records by key, and the bytes up to the end of the last one. Writes nothing."""
    raw = path.read_bytes() if path.exists() else b""
    records, whole = dict[str, dict[str, Any]](), 0
    for line in raw.splitlines(keepends=True):
        try:
            record = json.loads(line)
            key, value = record["key"], record["value"]
        except (ValueError, KeyError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        records[key] = value
        whole += len(line)
    return records, whole


class Journal:
    """Records by key in a file that only grows.

    A batch of records is on the disk before :meth:`add` returns. A line that a kill left incomplete is cut
    off when the file is opened again.

    Args:
        folder: private and surviving, such as ``ctx.scratch``.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._records, whole = read_records(path)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """A record, or None."""
        return self._records.get(key)

    def add(self, records: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep records; they are synced to the disk together."""
        if not records:
            return
        lines = [
            json.dumps({"key": k, "value": v}, ensure_ascii=False, sort_keys=True)
            for k, v in records
        ]
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._records |= {key: dict(value) for key, value in records}
