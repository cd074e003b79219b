"""Examples and data sets, and all else that stages hand each other.

Label sets live in :mod:`w2s_toolkit.labels`, references and metrics in
:mod:`w2s_toolkit.records`; all can be imported from here. Everything is plain data. Tables are
Parquet on disk, are read column by column when asked for, and live in Arrow memory, so that a pool
of a million rows never becomes a million Python objects; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s_toolkit import arrow
from w2s_toolkit.arrow import Strings
from w2s_toolkit.columns import Columns, FileColumns, TableColumns
from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.labels import BoolArray, FloatArray, LabelSet
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
    "Strings",
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
    """An immutable table of examples with unique ids.

    Iterating gives :class:`Example` objects, made as they are asked for; :meth:`batches` gives
    data sets of some thousand rows. ``ids``, ``prompts`` and ``groups`` are sequences over Arrow
    columns. A data set read from a file loads a column when it is first needed, and none at all
    while it is iterated over.

    Args:
        table: columns as in :data:`EXAMPLE_SCHEMA`.
        info: what holds for every row.
        name: the split it is, for messages.

    Raises:
        DataError: an id occurs twice.
    """

    def __init__(self, table: pa.Table, info: TaskInfo, name: str = "") -> None:
        self._columns: Columns = TableColumns(
            table.select(EXAMPLE_SCHEMA.names).cast(EXAMPLE_SCHEMA)
        )
        self.info = info
        self.name = name
        if not self.ids.unique:
            raise DataError(
                f"ids are not unique: {arrow.first_repeated(self.ids)!r} occurs more than once",
                where=name,
                next_step="give every row an id of its own",
            )

    @classmethod
    def from_examples(cls, examples: Iterable[Example], info: TaskInfo, name: str = "") -> Dataset:
        """Build from Python objects, of which some thousand are held at a time."""
        rest, tables = iter(examples), [EXAMPLE_SCHEMA.empty_table()]
        while piece := list(islice(rest, 8192)):
            rows = [{**asdict(e), "meta": json.dumps(dict(e.meta), sort_keys=True)} for e in piece]
            tables.append(pa.Table.from_pylist(rows, schema=EXAMPLE_SCHEMA))
        return cls(pa.concat_tables(tables), info, name)

    @classmethod
    def _of(cls, columns: Columns, info: TaskInfo, name: str) -> Dataset:
        """Over columns whose ids are known to be unique."""
        data = cls.__new__(cls)
        data._columns, data.info, data.name = columns, info, name
        return data

    @property
    def table(self) -> pa.Table:
        """All columns; loads those that are not loaded yet."""
        return self._columns.table(EXAMPLE_SCHEMA)

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of :data:`EXAMPLE_SCHEMA`, without loading the others."""
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[Example]:
        for batch in self._columns.batches(EXAMPLE_SCHEMA, 1024):
            yield from _examples(batch)

    def batches(self, rows: int = 8192) -> Iterator[Dataset]:
        """The same rows in order as data sets of ``rows`` rows, the last one smaller.

        Label a large pool with ``LabelSet.concat(label(b) for b in data.batches())``: what a batch
        needed is free again when the next one is read.
        """
        for batch in self._columns.batches(EXAMPLE_SCHEMA, rows):
            table = TableColumns(pa.Table.from_batches([batch], EXAMPLE_SCHEMA))
            yield Dataset._of(table, self.info, self.name)

    @cached_property
    def ids(self) -> Strings:
        """Example ids in row order."""
        return Strings(self._columns["id"])

    @cached_property
    def prompts(self) -> Strings:
        """Prompts in row order."""
        return Strings(self._columns["prompt"])

    @cached_property
    def groups(self) -> Strings:
        """Group names in row order."""
        return Strings(pc.fill_null(self._columns["group"], arrow.scalar("")))

    @property
    def num_classes(self) -> int:
        """K, the number of choices of each row (of the first row when rows differ)."""
        if self.info.classes:
            return len(self.info.classes)
        return len(self._columns["choices"][0]) if len(self) else 0

    @property
    def has_gold(self) -> bool:
        """Whether every row still carries its gold answer."""
        column = "gold_text" if self.info.kind == "generation" else "gold"
        return len(self) > 0 and self._columns[column].null_count == 0

    @property
    def gold(self) -> npt.NDArray[np.int64]:
        """Gold class indices, shape (n,).

        Raises:
            DataError: the data is blind or not a classification task.
        """
        column = self._columns["gold"]
        if column.null_count or self.info.kind == "generation":
            raise DataError(
                "gold labels were asked of data that has none",
                where=self.name,
                next_step="declare uses_gold on the component, or do without gold",
            )
        return arrow.to_numpy(column).astype(np.int64)

    @property
    def gold_texts(self) -> Strings:
        """Gold answers of a generation task, n texts.

        Raises:
            DataError: the data is blind or its answers are classes.
        """
        column = self._columns["gold_text"]
        if column.null_count or self.info.kind != "generation":
            raise DataError(
                "gold answers were asked of data that has none",
                where=self.name,
                next_step="declare uses_gold on the component, or do without gold",
            )
        return Strings(column)

    @cached_property
    def digest(self) -> str:
        """Hash of the ids and the evidence, whatever the order of rows and blind or not."""
        ids, evidence = self._columns["id"], self._columns["evidence"]
        order = pc.sort_indices(ids)
        encode = json.JSONEncoder(ensure_ascii=False).encode
        h = hashlib.sha256()
        for start in range(0, len(order), 8192):
            rows = order.slice(start, 8192)
            pairs = zip(ids.take(rows).to_pylist(), evidence.take(rows).to_pylist(), strict=True)
            h.update("".join(map(encode, pairs)).encode("utf-8", "surrogatepass"))
        return h.hexdigest()

    def blind(self, keep: Collection[str] = ()) -> Dataset:
        """The same rows without any gold, in answers and in ``meta``, of which only ``keep`` is left."""
        n = len(self)
        nothing = {"gold": pa.nulls(n, pa.int64()), "gold_text": pa.nulls(n, pa.string())}
        meta = pa.repeat(arrow.scalar("{}"), n)
        if keep:
            held = [json.loads(text or "{}") for text in self._columns["meta"].to_pylist()]
            kept = [{k: v for k, v in one.items() if k in keep} for one in held]
            meta = pa.array([json.dumps(one, sort_keys=True) for one in kept], pa.string())
        columns = self._columns.replaced({**nothing, "meta": meta})
        return Dataset._of(columns, self.info, self.name)

    def with_gold_texts(self, texts: Sequence[str]) -> Dataset:
        """The same rows of a generation task with n other answers in place of the gold ones."""
        columns = self._columns.replaced({"gold_text": arrow.text_array(texts)})
        return Dataset._of(columns, self.info, self.name)

    def take(self, rows: Sequence[int] | npt.NDArray[Any]) -> Dataset:
        """The rows at these positions, in this order."""
        at = np.asarray(rows)
        at = np.flatnonzero(at) if at.dtype == np.bool_ else at.astype(np.int64)
        # One column at a time: of a large set, only the widest is in memory twice.
        taken = [arrow.take(self._columns[name], at) for name in EXAMPLE_SCHEMA.names]
        return Dataset(pa.table(taken, schema=EXAMPLE_SCHEMA), self.info, self.name)

    def rows_of(self, ids: Iterable[str]) -> npt.NDArray[np.int64]:
        """Row positions of ids.

        Raises:
            AlignmentError: an id is not in this data set.
        """
        wanted = Strings(ids)
        rows = arrow.positions(wanted.arrow, self.ids.arrow)
        if len(rows) and rows.min() < 0:
            raise AlignmentError(
                f"id {wanted[int(rows.argmin())]!r} is not in the data", where=self.name
            )
        return rows

    def write(self, path: Path) -> None:
        """Write one Parquet file that pandas reads as it is; the task's info is its metadata."""
        meta = json.dumps({"info": asdict(self.info), "name": self.name})
        arrow.write_parquet(self.table.replace_schema_metadata({"w2s": meta}), path)

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Read what :meth:`write` wrote, each column when it is needed."""
        columns = FileColumns(path)
        meta = json.loads(columns.metadata[b"w2s"])
        info = TaskInfo(
            meta["info"]["kind"], tuple(meta["info"]["classes"]), meta["info"]["question"]
        )
        return cls._of(columns, info, meta["name"])


def _examples(batch: pa.RecordBatch) -> Iterator[Example]:
    """The rows of a batch; equal choices are one tuple."""
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    lists = batch.column("choices")
    texts, lengths = lists.flatten().to_pylist(), lists.value_lengths().to_pylist()
    plain = [batch.column(n).to_pylist() for n in EXAMPLE_SCHEMA.names if n != "choices"]
    end = 0
    for length, (example_id, prompt, gold, gold_text, group, evidence, meta) in zip(
        lengths, zip(*plain, strict=True), strict=True
    ):
        start, end = end, end + (length or 0)
        choices = tuple(texts[start:end])
        yield Example(
            example_id,
            prompt,
            known.setdefault(choices, choices),
            gold,
            gold_text,
            group or "",
            evidence,
            {} if meta is None or meta == "{}" else json.loads(meta),
        )
