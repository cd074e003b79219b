"""Answers column by column, as the page's browser of examples reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s_toolkit import arrow

FEW_CLASSES = 6
"""Up to this many classes every probability is kept; of more, that of the answer alone."""


class Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, new if it is."""
        found = self._numbers.setdefault(text, len(self.values))
        if found == len(self.values):
            self.values.append(text)
        return found

    def size(self, most: int) -> int:
        """Characters of all texts, each at most ``most`` long."""
        return sum(min(len(text), most) for text in self.values)

    def cut(self, most: int) -> list[str]:
        """All texts by number; longer ones end in ``…`` after ``most`` characters."""
        return [t if len(t) <= most else f"{t[:most]}…" for t in self.values]


class Answers:
    """Columns by number; equal columns are one, since cells of a matrix share most of theirs.

    A column has ``a``, the answer of each row (class index, number of a text, −1 for none), and
    for classes ``p``, probabilities in thousandths: of class 1 where there are two, of each of a
    few, or of the answer.
    """

    def __init__(self, texts: Texts) -> None:
        self.columns: list[dict[str, Any]] = []
        self.cells = 0
        self._texts = texts
        self._numbers: dict[str, int] = {}

    def classes(
        self, answers: npt.NDArray[np.int64], probs: npt.NDArray[np.float64] | None = None
    ) -> int:
        """Number of a column of classes, (n,), −1 for none, with probabilities (n, K) or without."""
        column: dict[str, Any] = {"a": answers.tolist()}
        if probs is not None and probs.shape[1]:
            thousandths = np.rint(np.nan_to_num(probs) * 1000).astype(int)
            if probs.shape[1] == 2:
                column["p"] = [thousandths[:, 1].tolist()]
            elif probs.shape[1] <= FEW_CLASSES:
                column["p"] = thousandths.T.tolist()
            else:
                own = thousandths[np.arange(len(answers)), np.maximum(answers, 0)]
                column["p"] = [own.tolist()]
        return self._add(column)

    def texts(self, answers: Iterable[str | None]) -> int:
        """Number of a column of written answers."""
        return self._add({"a": [-1 if t is None else self._texts.number(t) for t in answers]})

    def _add(self, column: dict[str, Any]) -> int:
        name = json.dumps(column)
        found = self._numbers.setdefault(name, len(self.columns))
        if found == len(self.columns):
            self.columns.append(column)
            self.cells += len(column["a"])
        return found


class Table:
    """A table of predictions, or a label set, of its first rows.

    Args:
        path: Parquet with ``id`` and a row an example.
        most: rows that are read.
    """

    def __init__(self, path: Path, most: int) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            self.rows = file.metadata.num_rows
            batches, read = [], 0
            for batch in file.iter_batches(batch_size=8192):
                batches.append(batch.slice(0, most - read))
                read += len(batches[-1])
                if read >= most:
                    break
            self._table = pa.Table.from_batches(batches, file.schema_arrow)

    def __contains__(self, name: str) -> bool:
        return name in self._table.column_names

    def strings(self, name: str) -> list[str | None]:
        """A column of texts, None for null."""
        return self._table[name].to_pylist()  # type: ignore[no-any-return]

    @property
    def ids(self) -> pa.ChunkedArray:
        """Example ids."""
        return self._table["id"].cast(pa.string())

    def add(self, answers: Answers, answer: str, prob: str = "") -> int:
        """Put a column of answers into ``answers``; its number.

        Args:
            answer: name of the column, such as ``predicted``.
            prob: its probabilities are the columns of this name and the class; "" for none.
        """
        column = self._table[answer]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return answers.texts(column.to_pylist())
        given = _integers(column)
        names = [f"{prob}{k}" for k in range(len(self._table.column_names))] if prob else []
        return answers.classes(given, self._probs([n for n in names if n in self]))

    def add_labels(self, answers: Answers, rows: npt.NDArray[np.int64] | None = None) -> int:
        """Put a label set (p0 …, abstain, text) into ``answers``; its number.

        Args:
            rows: position of each wanted row, −1 for a row that it has not; None: all as they are.
        """
        missing = np.zeros(self._table.num_rows, bool)
        if "abstain" in self:
            missing = _integers(self._table["abstain"]).astype(bool)
        if rows is None:
            rows = np.arange(self._table.num_rows)
        absent = (rows < 0) | missing[rows] if len(missing) else np.ones(len(rows), bool)
        if "text" in self:
            said = self.strings("text")
            return answers.texts(
                None if gone else said[r] for r, gone in zip(rows, absent, strict=True)
            )
        probs = self._probs(
            [f"p{k}" for k in range(len(self._table.column_names)) if f"p{k}" in self]
        )
        if probs is None:
            return answers.classes(np.full(len(rows), -1, np.int64))
        wanted = probs[rows] if len(probs) else np.zeros((len(rows), probs.shape[1]))
        return answers.classes(np.where(absent, -1, wanted.argmax(1)), wanted)

    def _probs(self, names: Sequence[str]) -> npt.NDArray[np.float64] | None:
        if not names:
            return None
        return np.stack([_floats(self._table[name]) for name in names], 1)


def _integers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Numbers with −1 for null."""
    import pyarrow.compute as pc

    return arrow.to_numpy(pc.fill_null(column.cast(pa.int64()), arrow.scalar(-1))).astype(np.int64)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Numbers with NaN for null."""
    if column.null_count:
        return np.array(column.to_pylist(), dtype=np.float64)
    return np.asarray(arrow.to_numpy(column.cast(pa.float64())), dtype=np.float64)
