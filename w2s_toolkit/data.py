"""Examples and data sets, and all else that stages hand each other.

Label sets live in :mod:`w2s_toolkit.labels`, references and metrics in
:mod:`w2s_toolkit.records`; all can be imported from here. Everything is plain data. Tables live in Arrow memory and on disk as Parquet, so that a pool
of a million rows never becomes a million Python objects; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.labels import (
    BoolArray,
    FloatArray,
    LabelSet,
    first_repeated,
    read_parquet,
    to_numpy,
)
from w2s_toolkit.records import Metric, Metrics, ModelRef

__all__ = [
    "EXAMPLE_SCHEMA",
    "BoolArray",
    "Dataset",
    "Example",
    "FloatArray",
    "Kind",
    "LabelSet",
    "Metric",
    "Metrics",
    "ModelRef",
    "TaskInfo",
    "content_id",
]

Kind: TypeAlias = Literal["classification", "preference", "generation"]

EXAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("gold", pa.int64()),
        ("gold_text", pa.string()),
        ("group", pa.string()),
        ("evidence", pa.string()),
        ("meta", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Example:
    """One item.

    Attributes:
        id: content hash of prompt and choices (not of gold), with a count for repeats.
        prompt: what a model reads.
        choices: K answers for classification, two responses for preference, empty for generation.
        gold: index into ``choices``; None when blind or for generation.
        gold_text: the gold answer of a generation task; None when blind.
        group: rows of one question share it; splits never cut a group.
        evidence: text that an oversight protocol added; only supervisors see it.
        meta: anything else, JSON-able; never shown to a model.
    """

    id: str
    prompt: str
    choices: tuple[str, ...] = ()
    gold: int | None = None
    gold_text: str | None = None
    group: str = ""
    evidence: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskInfo:
    """What is true of every row of a task.

    Attributes:
        kind: classification, preference or generation.
        classes: names of the K classes in the order of the probabilities; empty when each row
            has choices of its own or none.
        question: the question about a prompt, for models that are asked rather than trained.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    question: str = ""


def content_id(prompt: str, choices: Sequence[str], occurrence: int = 0) -> str:
    """20 hex digits from prompt and choices; ``occurrence`` counts earlier identical rows."""
    payload = json.dumps([prompt, list(choices), occurrence], ensure_ascii=False)
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()[:20]


class Dataset:
    """An immutable table of examples with unique ids, in Arrow memory.

    Args:
        table: columns as in :data:`EXAMPLE_SCHEMA`.
        info: what holds for every row.
        name: the split it is, for messages.

    Raises:
        DataError: an id occurs twice.
    """

    def __init__(self, table: pa.Table, info: TaskInfo, name: str = "") -> None:
        self.table = table.select(EXAMPLE_SCHEMA.names).cast(EXAMPLE_SCHEMA).combine_chunks()
        self.info = info
        self.name = name
        if pc.count_distinct(self.table["id"]).as_py() != self.table.num_rows:
            raise DataError(
                f"ids are not unique: {first_repeated(self.ids)!r} occurs more than once",
                where=name,
                next_step="give every row an id of its own",
            )

    @classmethod
    def from_examples(cls, examples: Iterable[Example], info: TaskInfo, name: str = "") -> Dataset:
        """Build from Python objects; for tests and small sets."""
        rows = [{**asdict(e), "meta": json.dumps(dict(e.meta), sort_keys=True)} for e in examples]
        return cls(pa.Table.from_pylist(rows, schema=EXAMPLE_SCHEMA), info, name)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Example]:
        for batch in self.table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                row["choices"] = tuple(row["choices"] or ())
                row["meta"] = json.loads(row["meta"] or "{}")
                yield Example(**row)

    @cached_property
    def ids(self) -> list[str]:
        """Example ids in row order."""
        return _strings(self.table["id"])

    @property
    def prompts(self) -> list[str]:
        """Prompts in row order."""
        return _strings(self.table["prompt"])

    @property
    def groups(self) -> list[str]:
        """Group names in row order."""
        return _strings(self.table["group"])

    @property
    def num_classes(self) -> int:
        """K, the number of choices of each row (of the first row when rows differ)."""
        if self.info.classes:
            return len(self.info.classes)
        return len(self.table["choices"][0]) if len(self) else 0

    @property
    def has_gold(self) -> bool:
        """Whether every row still carries its gold answer."""
        column = "gold_text" if self.info.kind == "generation" else "gold"
        return len(self) > 0 and self.table[column].null_count == 0

    @property
    def gold(self) -> npt.NDArray[np.int64]:
        """Gold class indices, shape (n,).

        Raises:
            DataError: the data is blind or not a classification task.
        """
        if self.table["gold"].null_count or self.info.kind == "generation":
            raise DataError(
                "gold labels were asked of data that has none",
                where=self.name,
                next_step="declare uses_gold on the component, or do without gold",
            )
        return np.asarray(to_numpy(self.table["gold"]), dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """Hash of the ids and the evidence, whatever the order of rows and blind or not."""
        h = hashlib.sha256()
        for pair in sorted(zip(self.ids, self.table["evidence"].to_pylist(), strict=True)):
            h.update(json.dumps(pair, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return h.hexdigest()

    def blind(self) -> Dataset:
        """The same rows without any gold, in answers and in ``meta``."""
        n = len(self)
        table = self.table
        for name, kind in (("gold", pa.int64()), ("gold_text", pa.string())):
            column = table.column_names.index(name)
            table = table.set_column(column, name, pa.nulls(n, kind))
        column = table.column_names.index("meta")
        table = table.set_column(column, "meta", pa.array(["{}"] * n, pa.string()))
        return Dataset(table, self.info, self.name)

    def take(self, rows: Sequence[int] | npt.NDArray[Any]) -> Dataset:
        """The rows at these positions, in this order."""
        return Dataset(
            self.table.take(pa.array(np.asarray(rows, dtype=np.int64))), self.info, self.name
        )

    def rows_of(self, ids: Iterable[str]) -> npt.NDArray[np.int64]:
        """Row positions of ids.

        Raises:
            AlignmentError: an id is not in this data set.
        """
        where = {example_id: row for row, example_id in enumerate(self.ids)}
        try:
            return np.fromiter((where[i] for i in ids), dtype=np.int64)
        except KeyError as missing:
            raise AlignmentError(
                f"id {missing.args[0]!r} is not in the data", where=self.name
            ) from None

    def write(self, path: Path) -> None:
        """Write one Parquet file that pandas reads as it is; the task's info is its metadata."""
        meta = json.dumps({"info": asdict(self.info), "name": self.name})
        pq.write_table(self.table.replace_schema_metadata({"w2s": meta}), path)

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Read what :meth:`write` wrote."""
        table = read_parquet(path)
        meta = json.loads((table.schema.metadata or {})[b"w2s"])
        info = meta["info"]
        return cls(
            table.replace_schema_metadata(None),
            TaskInfo(info["kind"], tuple(info["classes"]), info["question"]),
            meta["name"],
        )


def _strings(column: Any) -> list[str]:
    values: list[str] = column.to_pylist()
    return values
