"""Label sets: soft labels, predictions and generated answers, keyed by example id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s_toolkit import arrow
from w2s_toolkit.arrow import Strings
from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.jagged import Jagged

if TYPE_CHECKING:
    from w2s_toolkit.data import Dataset

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


_BY_TOKEN: dict[str, npt.DTypeLike] = {"token_log_probs": np.float64, "token_hits": np.bool_}
"""Fields with one value a token of an answer."""


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Soft labels or predictions, keyed by example id.

    Ids and texts are kept as Arrow columns, whatever sequence or column they are given as.

    Attributes:
        ids: n example ids, unique.
        probs: (n, K) probabilities that sum to one; (n, 0) for generation.
        classes: K class names in the order of the columns.
        abstain: (n,) rows without an answer; their probabilities are ignored.
        weight: (n,) non-negative weight of each row in training.
        texts: n generated answers; None for classification.
        token_log_probs: log-probability in nats of each token of n answers: of the generated ones,
            or of the gold ones where these were scored; None where nobody measured it.
        token_hits: whether each token of n gold answers is the most probable one at its place, given
            the gold tokens before it.
        data_digest: :attr:`Dataset.digest` of the data that was labelled.
        provenance: component, version, model fingerprint, parents, usage.

    Raises:
        DataError: an id is not text or repeats, shapes differ, a probability is not finite, or a
            row does not sum to one within 1e-3.
    """

    ids: Sequence[str]
    probs: FloatArray
    classes: tuple[str, ...] = ()
    abstain: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    weight: FloatArray = field(default_factory=lambda: np.zeros(0))
    texts: Sequence[str] | None = None
    token_log_probs: Jagged | None = None
    token_hits: Jagged | None = None
    data_digest: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _strings(self.ids))
        if self.texts is not None:
            object.__setattr__(self, "texts", _strings(self.texts))
        n = len(self.ids)
        if len(self.abstain) == 0 < n:
            object.__setattr__(self, "abstain", np.zeros(n, dtype=bool))
        if len(self.weight) == 0 < n:
            object.__setattr__(self, "weight", np.ones(n))
        object.__setattr__(self, "probs", np.asarray(self.probs, dtype=np.float64))
        self._check(n)

    @classmethod
    def of_gold(cls, data: Dataset) -> LabelSet:
        """One-hot labels from the gold of a classification task; the gold texts of one of generation.

        Raises:
            DataError: the data has none.
        """
        if data.info.kind == "generation":
            nothing = np.zeros((len(data), 0))
            return cls(data.ids, nothing, texts=data.gold_texts, data_digest=data.digest)
        probs = np.eye(data.num_classes)[data.gold]
        return cls(data.ids, probs, data.info.classes, data_digest=data.digest)

    @classmethod
    def concat(cls, parts: Iterable[LabelSet]) -> LabelSet:
        """One label set of several over different ids, such as one for each batch of a large pool.

        Each part is let go of as soon as it is read, so ``parts`` may be a generator:
        ``LabelSet.concat(label(batch) for batch in data.batches())``. Classes, digest and
        provenance are those of the first part.

        Raises:
            DataError: there is no part, or the parts have different classes or columns.
            AlignmentError: an id is in two parts.
        """
        joined = _Joined()
        for part in parts:
            joined.add(part)
        return joined.labels()

    def _check(self, n: int) -> None:
        if self.probs.ndim != 2 or len(self.probs) != n or len(self.abstain) != n:
            raise DataError(f"labels for {n} ids have shape {self.probs.shape}")
        if len(self.weight) != n or not np.all(np.isfinite(self.weight) & (self.weight >= 0)):
            raise DataError("label weights must be finite, non-negative and one per id")
        if self.texts is not None and len(self.texts) != n:
            raise DataError(f"{len(self.texts)} texts for {n} ids")
        for name in _BY_TOKEN:
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise DataError(f"{name} of {len(values)} answers for {n} ids")
        if self.classes and len(self.classes) != self.probs.shape[1]:
            raise DataError(f"{len(self.classes)} classes but {self.probs.shape[1]} columns")
        if not self.id_column.unique:
            raise AlignmentError(f"id {arrow.first_repeated(self.ids)!r} is labelled twice")
        given = self.probs[~self.abstain]
        if given.size and not np.all(np.isfinite(given)):
            raise DataError("a label is not a finite number")
        if given.size and (given.min() < -1e-9 or np.abs(given.sum(1) - 1).max() > 1e-3):
            raise DataError("label probabilities must lie in [0, 1] and sum to one in every row")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def id_column(self) -> Strings:
        """:attr:`ids` as what it is."""
        assert isinstance(self.ids, Strings)
        return self.ids

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
        ours, theirs = self.id_column.arrow, data.ids.arrow
        aligned = self
        if not ours.equals(theirs):
            rows = arrow.positions(theirs, ours)
            missing = int((rows < 0).sum())
            if missing or len(ours) != len(rows):
                extra = len(ours) - (len(rows) - missing)
                raise AlignmentError(
                    f"labels and data differ: {missing} of {len(rows)} rows have no label, "
                    f"{extra} of {len(ours)} labels have no row",
                    where=data.name,
                    next_step="label exactly the rows that are joined; labels go by id, not position",
                )
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
        rows = np.asarray(rows)
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        return replace(
            self,
            ids=Strings(arrow.take(self.id_column.arrow, rows)),
            probs=self.probs[rows],
            abstain=self.abstain[rows],
            weight=self.weight[rows],
            texts=None if self.texts is None else Strings(arrow.take(_column(self.texts), rows)),
            token_log_probs=_taken(self.token_log_probs, rows),
            token_hits=_taken(self.token_hits, rows),
        )

    def write(self, path: Path) -> None:
        """Write one Parquet file: id, p0 … p(K−1), abstain, weight; text and tokens where there are any."""
        columns: dict[str, Any] = {"id": self.id_column.arrow}
        columns |= {f"p{k}": self.probs[:, k] for k in range(self.probs.shape[1])}
        columns |= {"abstain": self.abstain, "weight": self.weight}
        if self.texts is not None:
            columns["text"] = _column(self.texts)
        for name in _BY_TOKEN:
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name).arrow
        meta = json.dumps(
            {
                "classes": list(self.classes),
                "data_digest": self.data_digest,
                "provenance": dict(self.provenance),
            },
            sort_keys=True,
        )
        arrow.write_parquet(arrow.table(columns).replace_schema_metadata({"w2s": meta}), path)

    @classmethod
    def read(cls, path: Path) -> LabelSet:
        """Read what :meth:`write` wrote."""
        table = arrow.read_parquet(path)
        meta = json.loads((table.schema.metadata or {})[b"w2s"])
        names = [n for n in table.column_names if n[0] == "p" and n[1:].isdigit()]
        probs = [arrow.to_numpy(table[n]) for n in names]
        return cls(
            ids=Strings(table["id"]),
            probs=np.stack(probs, 1) if probs else np.zeros((table.num_rows, 0)),
            classes=tuple(meta["classes"]),
            abstain=arrow.to_numpy(table["abstain"].cast(pa.uint8())).astype(bool),
            weight=arrow.to_numpy(table["weight"]),
            texts=Strings(table["text"]) if "text" in table.column_names else None,
            **{
                name: Jagged.from_arrow(table[name], dtype)
                for name, dtype in _BY_TOKEN.items()
                if name in table.column_names
            },
            data_digest=meta["data_digest"],
            provenance=meta["provenance"],
        )


class _Joined:
    """Label sets one after the other, as columns."""

    def __init__(self) -> None:
        self._first: LabelSet | None = None
        self._ids: list[pa.Array] = []
        self._texts: list[pa.Array] = []
        self._numbers: dict[str, list[npt.NDArray[Any]]] = {
            "probs": [],
            "abstain": [],
            "weight": [],
        }
        self._by_token: dict[str, list[Jagged]] = {name: [] for name in _BY_TOKEN}

    def add(self, part: LabelSet) -> None:
        """Take over the rows of a part; what it holds otherwise can go."""
        first = self._first
        if first is None:
            # Everything but the rows: keeping the first part itself would keep its rows twice.
            self._first = first = replace(part.take(np.zeros(0, np.int64)), ids=())
        if part.classes != first.classes or part.probs.shape[1] != first.probs.shape[1]:
            raise DataError(
                f"label sets over {list(first.classes)} ({first.probs.shape[1]} columns) and "
                f"{list(part.classes)} ({part.probs.shape[1]} columns) cannot be joined"
            )
        for name in ("texts", *_BY_TOKEN):
            if (getattr(part, name) is None) != (getattr(first, name) is None):
                raise DataError(f"label sets with and without {name} cannot be joined")
        self._ids += part.id_column.arrow.chunks
        if part.texts is not None:
            self._texts += _column(part.texts).chunks
        for name, parts in self._numbers.items():
            parts.append(getattr(part, name))
        for name, rows in self._by_token.items():
            if getattr(part, name) is not None:
                rows.append(getattr(part, name))

    def labels(self) -> LabelSet:
        """All of them as one."""
        if self._first is None:
            raise DataError("there are no labels to join")
        numbers: dict[str, Any] = {n: np.concatenate(p) for n, p in self._numbers.items()}
        numbers |= {n: Jagged.concat(rows) if rows else None for n, rows in self._by_token.items()}
        texts = None if self._first.texts is None else _chunked(self._texts)
        return replace(self._first, ids=_chunked(self._ids), texts=texts, **numbers)


def _chunked(chunks: list[pa.Array]) -> Strings:
    return Strings(pa.chunked_array(chunks, pa.string()))


def _strings(values: Any) -> Strings:
    return values if isinstance(values, Strings) else Strings(values)


def _column(texts: Sequence[str]) -> pa.ChunkedArray:
    assert isinstance(texts, Strings)
    return texts.arrow


def _taken(values: Jagged | None, rows: npt.NDArray[Any]) -> Jagged | None:
    return None if values is None else values.take(rows)
