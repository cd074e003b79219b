"""The ``data`` and ``split`` stages: rows of a task -> one Parquet table -> splits."""

from __future__ import annotations

import hashlib
import json
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2s_toolkit import arrow
from w2s_toolkit.arrow import Strings, read_parquet, text_array
from w2s_toolkit.contracts import Row, TaskData
from w2s_toolkit.data import EXAMPLE_SCHEMA, Dataset, TaskInfo, content_id
from w2s_toolkit.errors import DataError
from w2s_toolkit.seen import Seen, fingerprints
from w2s_toolkit.splits import Source, SplitRequest, draw

ROWS, TASK, DATA = "rows.parquet", "task.json", "data.parquet"
BATCH = 8192
ROW_SCHEMA = EXAMPLE_SCHEMA.append(pa.field("source", pa.string()))

_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)
_ASCII = {code: chr(code) if _NOT_WORD.match(chr(code)) is None else " " for code in range(128)}
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def group_hash(text: str) -> str:
    """Hash of a text without case, punctuation, accents' encoding and spacing."""
    if text.isascii():  # the same at a third of the time
        plain = " ".join(text.lower().translate(_ASCII).split())
    else:
        plain = _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return hashlib.sha256((plain or text).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write_rows(task: TaskData, out: Path) -> dict[str, int]:
    """Give every row its id and group and write them as one table; returns rows by source.

    Raises:
        DataError: a row is not possible, an explicit id repeats, or there are no rows at all.
    """
    counts: Counter[str] = Counter()
    ids = _Ids()
    with pq.ParquetWriter(out / ROWS, ROW_SCHEMA) as writer:
        for source, rows in task.sources.items():
            for batch in _batches(rows):
                counts[source] += len(batch)
                writer.write_table(_columns(batch, source, task.info, ids))
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
    of_source, names = arrow.codes(columns["source"])
    gold = arrow.to_numpy(pc.fill_null(columns["gold"], arrow.scalar(-1))).astype(np.int64)
    positions = {name: np.flatnonzero(of_source == k) for k, name in enumerate(Strings(names))}
    sources = {
        name: Source(Strings(arrow.take(columns["group"], at)), gold[at])
        for name, at in positions.items()
    }
    wanted = [SplitRequest(r["name"], r["size"], r["seed"]) for r in requests]
    drawn = draw(sources, feeds, wanted, classes=info.classes, balance=balance)
    last = wanted[-1].name
    rows = positions[feeds.get(last, feeds.get("*", ""))][drawn[last]]
    del columns, sources, positions
    # One column at a time: only the widest is in memory twice.
    taken = [arrow.take(read_parquet(folder / ROWS, [n])[n], rows) for n in EXAMPLE_SCHEMA.names]
    return Dataset(pa.table(taken, schema=EXAMPLE_SCHEMA), info, last)


def draw_part(
    data: Dataset, parts: Sequence[Sequence[Any]], *, balance: bool, rest: bool
) -> Dataset:
    """The last of several parts of a split; those before it are drawn and left out.

    Args:
        parts: name and share of the rows of each.
        balance: equally many rows of each class.
        rest: the last part takes all rows that are left.

    Raises:
        DataError: the split is too small to be cut like this.
    """
    generation = data.info.kind == "generation"
    classes = () if generation else data.info.classes
    gold = np.full(len(data), -1) if generation else data.gold
    # Rows that have choices of their own belong to no class that could be balanced.
    source = Source(data.groups, gold if classes else np.full(len(data), -1))
    step = len(classes) if balance and classes else 1
    sizes = [int(share * len(data) + 1e-9) // step * step for _, share in parts]
    if not all(sizes):
        raise DataError(
            f"{data.name!r} has {len(data)} rows, too few to be cut into a part of "
            f"{min(share for _, share in parts):.3g} of them with every class in it",
            where=f"task.splits.{data.name}",
            next_step="ask for more rows, or for fewer or more even parts (folds of rounds, "
            "calibration_share)",
        )
    requests = [
        SplitRequest(
            str(name), None if rest and at == len(parts) - 1 else size, f"part:{data.name}"
        )
        for at, ((name, _), size) in enumerate(zip(parts, sizes, strict=True))
    ]
    drawn = draw({"": source}, {"*": ""}, requests, classes=classes, balance=balance)
    part = data.take(np.sort(drawn[requests[-1].name]))
    return Dataset(part.table, data.info, requests[-1].name)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch


class _Ids:
    """Ids over all sources: explicit ones must differ, equal rows are told apart by a count."""

    def __init__(self) -> None:
        self._contents, self._explicit = Seen(), Seen()

    def of(self, rows: Sequence[Row], choices: Sequence[tuple[str, ...]], source: str) -> list[str]:
        """The id of each row."""
        explicit = [row.id for row in rows if row.id is not None]
        if explicit:
            earlier, _ = self._explicit.add(fingerprints(explicit))
            if earlier.any():
                raise DataError(
                    f"the id {explicit[int(earlier.argmax())]!r} occurs more than once",
                    where=f"task, source {source}",
                    next_step="ids must be unique over all files of the task",
                )
        ids = [_first_id(row.prompt, c) for row, c in zip(rows, choices, strict=True)]
        earlier, _ = self._contents.add(np.array(ids, dtype="S20"))
        for at in np.flatnonzero(earlier).tolist():
            ids[at] = content_id(rows[at].prompt, choices[at], int(earlier[at]))
        return [row.id or own for row, own in zip(rows, ids, strict=True)]


def _columns(rows: Sequence[Row], source: str, info: TaskInfo, ids: _Ids) -> pa.Table:
    """A batch of rows as a table of :data:`ROW_SCHEMA`."""
    choices = [tuple(row.choices) or info.classes for row in rows]
    gold = _gold(rows, choices, source, info)
    number = len(rows)
    columns = {
        "id": text_array(ids.of(rows, choices, source)),
        "prompt": text_array(row.prompt for row in rows),
        "choices": _lists(choices),
        "gold": gold,
        "gold_text": text_array(row.gold_text for row in rows),
        "group": text_array(group_hash(row.group or row.prompt) for row in rows),
        "evidence": pa.nulls(number, pa.string()),
        "meta": text_array(_encode(dict(row.meta)) for row in rows),
        "source": text_array([source] * number),
    }
    return pa.table([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)


def _gold(
    rows: Sequence[Row], choices: Sequence[tuple[str, ...]], source: str, info: TaskInfo
) -> pa.Array:
    """Gold classes, null where a row has none."""
    given = np.array([row.gold is not None for row in rows], dtype=np.bool_)
    values = np.zeros(len(rows), dtype=np.int64)
    for at, (row, own) in enumerate(zip(rows, choices, strict=True)):
        if row.gold is None:
            continue
        if info.kind != "generation" and not 0 <= row.gold < len(own):
            raise DataError(
                f"gold label {row.gold} is not one of {len(own)} choices",
                where=f"task, source {source}",
                next_step=f"row: {row.prompt[:80]!r}",
            )
        values[at] = operator.index(row.gold)
    return arrow.from_numpy(values, given)


def _lists(choices: Sequence[tuple[str, ...]]) -> pa.Array:
    lengths = np.fromiter(map(len, choices), np.int64, len(choices))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    texts = text_array(text for one in choices for text in one).combine_chunks()
    return pa.ListArray.from_arrays(arrow.from_numpy(offsets).cast(pa.int32()), texts)


def _first_id(prompt: str, choices: tuple[str, ...]) -> str:
    """:func:`content_id` of a first occurrence; the choices are mostly those of the row before."""
    payload = f"[{encode_basestring(prompt)}, {_choices_json(choices)}, 0]"
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()[:20]


@lru_cache(maxsize=64)
def _choices_json(choices: tuple[str, ...]) -> str:
    return json.dumps(list(choices), ensure_ascii=False)
