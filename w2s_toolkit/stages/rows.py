"""The ``data`` and ``split`` stages: rows of a task -> one Parquet table -> splits."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from w2s_toolkit.contracts import Row, TaskData
from w2s_toolkit.data import EXAMPLE_SCHEMA, Dataset, TaskInfo, content_id
from w2s_toolkit.errors import DataError
from w2s_toolkit.labels import read_parquet
from w2s_toolkit.splits import Source, SplitRequest, draw

ROWS, TASK, DATA = "rows.parquet", "task.json", "data.parquet"
BATCH = 8192
ROW_SCHEMA = EXAMPLE_SCHEMA.append(pa.field("source", pa.string()))

_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)


def group_hash(text: str) -> str:
    """Hash of a text without case, punctuation, accents' encoding and spacing."""
    plain = _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return hashlib.sha256((plain or text).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write_rows(task: TaskData, out: Path) -> dict[str, int]:
    """Give every row its id and group and write them as one table; returns rows by source.

    Raises:
        DataError: a row is not possible, an explicit id repeats, or there are no rows at all.
    """
    counts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    explicit: set[str] = set()
    with pq.ParquetWriter(out / ROWS, ROW_SCHEMA) as writer:
        for source, rows in task.sources.items():
            for batch in _batches(rows):
                table = [_record(row, source, task.info, seen, explicit) for row in batch]
                counts[source] += len(table)
                writer.write_table(pa.Table.from_pylist(table, schema=ROW_SCHEMA))
    if not sum(counts.values()):
        raise DataError(
            "the task has no rows", where="task", next_step="check its path and its files"
        )
    meta = {"info": asdict(task.info), "feeds": dict(task.feeds), "rows": dict(counts)}
    (out / TASK).write_text(json.dumps(meta, indent=1, ensure_ascii=False), encoding="utf-8")
    return dict(counts)


def read_info(folder: Path) -> tuple[TaskInfo, dict[str, str]]:
    """Info and feeds of a ``data`` artefact."""
    meta = json.loads((folder / TASK).read_text(encoding="utf-8"))
    info = meta["info"]
    return TaskInfo(info["kind"], tuple(info["classes"]), info["question"]), meta["feeds"]


def draw_split(folder: Path, requests: Sequence[Mapping[str, Any]], *, balance: bool) -> Dataset:
    """The last requested split of a ``data`` artefact; those before it are drawn and left out."""
    info, feeds = read_info(folder)
    columns = read_parquet(folder / ROWS, ["source", "group", "gold"])
    names = columns["source"].to_numpy(zero_copy_only=False)
    groups = columns["group"].to_pylist()
    gold = columns["gold"].fill_null(-1).to_numpy().astype(np.int64)
    positions = {s: np.flatnonzero(names == s) for s in dict.fromkeys(names)}
    sources = {s: Source([groups[i] for i in at], gold[at]) for s, at in positions.items()}
    wanted = [SplitRequest(r["name"], r["size"], r["seed"]) for r in requests]
    drawn = draw(sources, feeds, wanted, classes=info.classes, balance=balance)
    last = wanted[-1].name
    rows = positions[feeds.get(last, feeds.get("*", ""))][drawn[last]]
    table = read_parquet(folder / ROWS, EXAMPLE_SCHEMA.names)
    return Dataset(table.take(pa.array(rows)), info, last)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _record(
    row: Row, source: str, info: TaskInfo, seen: Counter[str], explicit: set[str]
) -> dict[str, Any]:
    choices = row.choices or info.classes
    if info.kind != "generation" and row.gold is not None and not 0 <= row.gold < len(choices):
        raise DataError(
            f"gold label {row.gold} is not one of {len(choices)} choices",
            where=f"task, source {source}",
            next_step=f"row: {row.prompt[:80]!r}",
        )
    if row.id is not None:
        if row.id in explicit:
            raise DataError(
                f"the id {row.id!r} occurs more than once",
                where=f"task, source {source}",
                next_step="ids must be unique over all files of the task",
            )
        explicit.add(row.id)
    plain = content_id(row.prompt, choices)
    row_id = row.id or (plain if not seen[plain] else content_id(row.prompt, choices, seen[plain]))
    seen[plain] += 1
    return {
        "id": row_id,
        "prompt": row.prompt,
        "choices": list(choices),
        "gold": row.gold,
        "gold_text": row.gold_text,
        "group": group_hash(row.group or row.prompt),
        "evidence": None,
        "meta": json.dumps(dict(row.meta), sort_keys=True, ensure_ascii=False),
        "source": source,
    }
