"""Examples, data sets, label sets, model references and metrics: what stages hand each other.

Everything here is plain data. Tables live in Arrow memory and on disk as Parquet, so that a pool
of a million rows never becomes a million Python objects; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from w2s_toolkit.errors import AlignmentError, DataError

Kind: TypeAlias = Literal["classification", "preference", "generation"]
FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

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
                f"ids are not unique: {_first_repeated(self.ids)!r} occurs more than once",
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
        return np.asarray(self.table["gold"].to_numpy(), dtype=np.int64)

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
        table = pq.read_table(path, memory_map=False)
        meta = json.loads((table.schema.metadata or {})[b"w2s"])
        info = meta["info"]
        return cls(
            table.replace_schema_metadata(None),
            TaskInfo(info["kind"], tuple(info["classes"]), info["question"]),
            meta["name"],
        )


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Soft labels or predictions, keyed by example id.

    Attributes:
        ids: n example ids, unique.
        probs: (n, K) probabilities that sum to one; (n, 0) for generation.
        classes: K class names in the order of the columns.
        abstain: (n,) rows without an answer; their probabilities are ignored.
        weight: (n,) non-negative weight of each row in training.
        texts: n generated answers; None for classification.
        data_digest: :attr:`Dataset.digest` of the data that was labelled.
        provenance: component, version, model fingerprint, parents, usage.

    Raises:
        DataError: shapes differ, an id repeats, a probability is not finite, or a row does not
            sum to one within 1e-3.
    """

    ids: tuple[str, ...]
    probs: FloatArray
    classes: tuple[str, ...] = ()
    abstain: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    weight: FloatArray = field(default_factory=lambda: np.zeros(0))
    texts: tuple[str, ...] | None = None
    data_digest: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(self.abstain) == 0 < n:
            object.__setattr__(self, "abstain", np.zeros(n, dtype=bool))
        if len(self.weight) == 0 < n:
            object.__setattr__(self, "weight", np.ones(n))
        object.__setattr__(self, "probs", np.asarray(self.probs, dtype=np.float64))
        self._check(n)

    def _check(self, n: int) -> None:
        if self.probs.ndim != 2 or len(self.probs) != n or len(self.abstain) != n:
            raise DataError(f"labels for {n} ids have shape {self.probs.shape}")
        if len(self.weight) != n or not np.all(np.isfinite(self.weight) & (self.weight >= 0)):
            raise DataError("label weights must be finite, non-negative and one per id")
        if self.texts is not None and len(self.texts) != n:
            raise DataError(f"{len(self.texts)} texts for {n} ids")
        if self.classes and len(self.classes) != self.probs.shape[1]:
            raise DataError(f"{len(self.classes)} classes but {self.probs.shape[1]} columns")
        if len(set(self.ids)) != n:
            raise AlignmentError(f"id {_first_repeated(self.ids)!r} is labelled twice")
        given = self.probs[~self.abstain]
        if given.size and not np.all(np.isfinite(given)):
            raise DataError("a label is not a finite number")
        if given.size and (given.min() < -1e-9 or np.abs(given.sum(1) - 1).max() > 1e-3):
            raise DataError("label probabilities must lie in [0, 1] and sum to one in every row")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """Most probable class of each row, shape (n,); the first one on a tie."""
        return np.asarray(self.probs.argmax(1), dtype=np.int64)

    def align(self, data: Dataset) -> LabelSet:
        """The same labels in the row order and class order of ``data``.

        Raises:
            AlignmentError: an id of ``data`` has no label, or a label has no row, or the class
                names differ.
        """
        where = {example_id: row for row, example_id in enumerate(self.ids)}
        missing = [i for i in data.ids if i not in where]
        if missing or len(where) != len(data):
            extra = set(where).difference(data.ids)
            raise AlignmentError(
                f"labels and data differ: {len(missing)} of {len(data)} rows have no label, "
                f"{len(extra)} of {len(where)} labels have no row",
                where=data.name,
                next_step="label exactly the rows that are joined; labels go by id, not position",
            )
        rows = np.fromiter((where[i] for i in data.ids), dtype=np.int64, count=len(data))
        aligned = self.take(rows)
        wanted = data.info.classes
        if not wanted or not self.classes or self.classes == wanted:
            return aligned
        if sorted(self.classes) != sorted(wanted):
            raise AlignmentError(
                f"labels are over classes {list(self.classes)}, data over {list(wanted)}",
                where=data.name,
            )
        columns = [self.classes.index(c) for c in wanted]
        return replace(aligned, probs=aligned.probs[:, columns], classes=wanted)

    def take(self, rows: npt.NDArray[Any]) -> LabelSet:
        """The rows at these positions, in this order."""
        return replace(
            self,
            ids=tuple(self.ids[int(r)] for r in rows),
            probs=self.probs[rows],
            abstain=self.abstain[rows],
            weight=self.weight[rows],
            texts=None if self.texts is None else tuple(self.texts[int(r)] for r in rows),
        )

    def write(self, path: Path) -> None:
        """Write one Parquet file: id, p0 … p(K−1), abstain, weight, text when there is one."""
        columns: dict[str, Any] = {"id": list(self.ids)}
        columns |= {f"p{k}": self.probs[:, k] for k in range(self.probs.shape[1])}
        columns |= {"abstain": self.abstain, "weight": self.weight}
        if self.texts is not None:
            columns["text"] = list(self.texts)
        meta = json.dumps(
            {
                "classes": list(self.classes),
                "data_digest": self.data_digest,
                "provenance": dict(self.provenance),
            },
            sort_keys=True,
        )
        pq.write_table(pa.table(columns).replace_schema_metadata({"w2s": meta}), path)

    @classmethod
    def read(cls, path: Path) -> LabelSet:
        """Read what :meth:`write` wrote."""
        table = pq.read_table(path, memory_map=False)
        meta = json.loads((table.schema.metadata or {})[b"w2s"])
        names = [n for n in table.column_names if n[0] == "p" and n[1:].isdigit()]
        probs = [table[n].to_numpy() for n in names]
        return cls(
            ids=tuple(table["id"].to_pylist()),
            probs=np.stack(probs, 1) if probs else np.zeros((table.num_rows, 0)),
            classes=tuple(meta["classes"]),
            abstain=table["abstain"].to_numpy(zero_copy_only=False),
            weight=table["weight"].to_numpy(),
            texts=tuple(table["text"].to_pylist()) if "text" in table.column_names else None,
            data_digest=meta["data_digest"],
            provenance=meta["provenance"],
        )


@dataclass(frozen=True)
class ModelRef:
    """A model as data: what made it, where its files are, what it can do.

    Attributes:
        component: ``"students/classifier"``: the component whose ``label`` reads it.
        key: store key of the artefact that holds its files; filled in when it is committed.
        folder: folder inside that artefact; empty when the reference has no files of its own.
        capabilities: of ``generate``, ``choice_probs``, ``train``.
        classes: class names in the order of its outputs.
        details: anything JSON-able its component wants back.
    """

    component: str
    key: str = ""
    folder: str = ""
    capabilities: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ModelRef:
        """Read what :meth:`to_json` gave."""
        return cls(
            **{
                **raw,
                "capabilities": tuple(raw["capabilities"]),
                "classes": tuple(raw["classes"]),
            }
        )


@dataclass(frozen=True)
class Metric:
    """One number with what is needed to trust it.

    Attributes:
        value: None where it cannot be given; then ``reason`` says why.
        low, high: 95% interval; None where there is none.
        n: number of scored items.
        reason: why there is no value, or a remark on it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise DataError(f"a metric's {name} is {number}; use None and a reason")


@dataclass(frozen=True)
class Metrics:
    """What an evaluator found: numbers by name, and tables (lists of flat rows) by name."""

    values: Mapping[str, Metric] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return {
            "values": {k: asdict(v) for k, v in self.values.items()},
            "tables": {k: [dict(r) for r in rows] for k, rows in self.tables.items()},
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Metrics:
        """Read what :meth:`to_json` gave."""
        values = {k: Metric(**v) for k, v in raw["values"].items()}
        return cls(values, {k: list(rows) for k, rows in raw["tables"].items()})


def _first_repeated(ids: Iterable[str]) -> str:
    seen: set[str] = set()
    for example_id in ids:
        if example_id in seen:
            return example_id
        seen.add(example_id)
    return ""


def _strings(column: Any) -> list[str]:
    values: list[str] = column.to_pylist()
    return values
