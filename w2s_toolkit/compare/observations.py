"""Prediction tables of a run directory -> what evaluators measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from w2s_toolkit.arrow import read_parquet, to_numpy
from w2s_toolkit.compare.side import Side
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, LabelSet, TaskInfo
from w2s_toolkit.digest import canonical

Place = tuple[str, str, str]
"""Phase, role and split."""


def group_name(axes: Mapping[str, Any]) -> str:
    """One text for the axes of a cell, whatever its seed."""
    return canonical({k: v for k, v in axes.items() if k != "seed"})


class Predictions:
    """Prediction tables of one run, each read once.

    Args:
        side: the run.
    """

    def __init__(self, side: Side) -> None:
        self._side = side
        self._tables: dict[str, pa.Table] = {}

    @cached_property
    def _files(self) -> dict[tuple[str, Place], dict[int, str]]:
        """Group and place -> seed -> file."""
        found: dict[tuple[str, Place], dict[int, str]] = {}
        for row in self._side.predictions:
            place = (str(row["phase"]), str(row["role"]), str(row["split"]))
            files = found.setdefault((group_name(row["axes"]), place), {})
            files[int(row["seed"])] = str(row["file"])
        return found

    def tables(self, group: str, place: Place) -> dict[int, pa.Table]:
        """Seed -> table; empty where there are none.

        Raises:
            OSError, ValueError: a table cannot be read.
        """
        return {s: self._table(f) for s, f in sorted(self._files.get((group, place), {}).items())}

    def observations(
        self, group: str, place: Place, references: Iterable[str]
    ) -> list[Observation]:
        """One observation a seed, with those references that were written."""
        phase, role, split = place
        others = {
            name: self.tables(group, (phase, name, split)) for name in references if name != role
        }
        found = []
        for seed, table in self.tables(group, place).items():
            data = self._data(table, split)
            near = {n: self._labels(t[seed]) for n, t in others.items() if seed in t}
            found.append(Observation(seed, data, self._labels(table), near))
        return found

    def _table(self, file: str) -> pa.Table:
        if file not in self._tables:
            self._tables[file] = read_parquet(self._side.path / "predictions" / file)
        return self._tables[file]

    @property
    def _classes(self) -> tuple[str, ...]:
        return tuple((self._side.results.get("task") or {}).get("classes") or ())

    def _data(self, table: pa.Table, split: str) -> Dataset:
        """Ids, groups and gold; where there is no column of groups, each row is one of its own."""
        n, classes = table.num_rows, self._classes
        names = classes or tuple(map(str, range(len(_probability_columns(table)))))
        groups = table["group"] if "group" in table.column_names else table["id"]
        nothing = pa.nulls(n, pa.string())
        columns = {
            "id": table["id"],
            "prompt": pa.array([""] * n, pa.string()),
            "choices": pa.array([list(names)] * n, pa.list_(pa.string())),
            "gold": table["gold"],
            "gold_text": nothing,
            "group": groups,
            "evidence": nothing,
            "meta": pa.array(["{}"] * n, pa.string()),
        }
        kind = str((self._side.results.get("task") or {}).get("kind"))
        return Dataset(pa.table(columns), TaskInfo(kind, classes), split)  # type: ignore[arg-type]

    def _labels(self, table: pa.Table) -> LabelSet:
        columns = [to_numpy(table[name]) for name in _probability_columns(table)]
        probs = np.stack(columns, 1) if columns else np.zeros((table.num_rows, 0))
        abstain = to_numpy(table["abstain"].cast(pa.uint8())).astype(bool)
        return LabelSet(tuple(table["id"].to_pylist()), probs, self._classes, abstain)


def unlike_rows(a: Mapping[int, pa.Table], b: Mapping[int, pa.Table]) -> str:
    """Why two runs' rows cannot be paired; empty when they can.

    Equal seeds must have the same rows; where the seeds differ, all must.
    """
    if not a or not b:
        names = [name for name, tables in (("A", a), ("B", b)) if not tables]
        return f"{' and '.join(names)} kept no predictions"
    if sorted(a) == sorted(b):
        couples = [(a[seed], b[seed]) for seed in a]
    else:
        first = next(iter(a.values()))
        couples = [(first, table) for table in (*a.values(), *b.values())]
    for one, two in couples:
        if reason := _unlike(one, two):
            return reason
    return ""


def _unlike(one: pa.Table, two: pa.Table) -> str:
    gold = [dict(zip(t["id"].to_pylist(), t["gold"].to_pylist(), strict=True)) for t in (one, two)]
    common = gold[0].keys() & gold[1].keys()
    if len(common) < max(len(gold[0]), len(gold[1])):
        sizes = f"{len(gold[0])} in A, {len(gold[1])} in B"
        return f"they were scored on different rows ({sizes}, {len(common)} in common)"
    changed = sum(gold[0][i] != gold[1][i] for i in common)
    return f"the gold labels of {changed} rows differ" if changed else ""


def _probability_columns(table: pa.Table) -> list[str]:
    return [n for n in table.column_names if n[0] == "p" and n[1:].isdigit()]
