"""Label sets: soft labels, predictions and generated answers, keyed by example id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2s_toolkit.errors import AlignmentError, DataError

if TYPE_CHECKING:
    from w2s_toolkit.data import Dataset

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


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
            raise AlignmentError(f"id {first_repeated(self.ids)!r} is labelled twice")
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
        table = read_parquet(path)
        meta = json.loads((table.schema.metadata or {})[b"w2s"])
        names = [n for n in table.column_names if n[0] == "p" and n[1:].isdigit()]
        probs = [to_numpy(table[n]) for n in names]
        return cls(
            ids=tuple(table["id"].to_pylist()),
            probs=np.stack(probs, 1) if probs else np.zeros((table.num_rows, 0)),
            classes=tuple(meta["classes"]),
            abstain=to_numpy(table["abstain"].cast(pa.uint8())).astype(bool),
            weight=to_numpy(table["weight"]),
            texts=tuple(table["text"].to_pylist()) if "text" in table.column_names else None,
            data_digest=meta["data_digest"],
            provenance=meta["provenance"],
        )


def first_repeated(ids: Iterable[str]) -> str:
    """The first id that occurs a second time; empty when none does."""
    seen: set[str] = set()
    for example_id in ids:
        if example_id in seen:
            return example_id
        seen.add(example_id)
    return ""


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file as a table. ``pq.read_table`` would do, but imports pandas on the way."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def to_numpy(column: Any) -> npt.NDArray[Any]:
    """A numeric column without nulls, copied. Arrow's own ``to_numpy`` imports pandas on the way."""
    return np.from_dlpack(pa.concat_arrays(column.chunks)).copy() if len(column) else np.zeros(0)
