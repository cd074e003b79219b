"""One block of results: a table that a person reads at once, and what stands below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from w2s_toolkit.report.wording import (
    ROLES,
    Row,
    count,
    estimate,
    metric_name,
    number,
    ordered_roles,
    role_name,
)

_FIRST = ("accuracy", "auroc", "ece")
COMPARING = ("pgr", "agreement", "drift")
"""Evaluators that compare roles: their values stand below the table, not in it."""

MISSING = "not given"


class Line(NamedTuple):
    """One row of a block's table: its metrics by name."""

    label: str
    model: str
    role: str
    values: Mapping[str, Row]


class Finding(NamedTuple):
    """A number that the reader came for, such as ("PGR", "0.35 [0.21, 0.48]", "over 3 seeds")."""

    name: str
    value: str
    explanation: str

    def __str__(self) -> str:
        joint = ": " if self.value == MISSING else " "
        return f"{self.name} {self.value}{joint}{self.explanation}"


@dataclass(frozen=True)
class Block:
    """What one phase gave with one combination of axes on one evaluation split.

    Attributes:
        group: the axes without the seed.
        seeds: all seeds that are summarised.
        size: rows of the split, where known.
        rows: summary rows of the split.
        pool: summary rows of the weak labels on the split that the student learns from.
        beside: summary rows of splits on which students are only compared, such as drift on anchor.
        per_seed: rows of single seeds on the split.
    """

    phase: str
    group: Mapping[str, Any]
    split: str
    seeds: tuple[int, ...]
    size: int | None
    rows: tuple[Row, ...]
    pool: tuple[Row, ...]
    beside: tuple[Row, ...]
    per_seed: tuple[Row, ...]

    def find(self, role: str, metric: str) -> Row | None:
        """The summary row of a metric."""
        return first(self.rows, role, metric)

    @property
    def columns(self) -> list[str]:
        """Metrics worth a column: the main one of every evaluator that scores single models."""
        main = dict.fromkeys(_main(name, found) for name, found in self._metrics().items())
        return [m for m in _FIRST if m in main] + [m for m in main if m and m not in _FIRST]

    @property
    def measures(self) -> list[tuple[str, dict[str, Row]]]:
        """Metrics of evaluators without a main one, such as ``oversight``, each with a row a role.

        Only those that have a value anywhere.
        """
        wanted = [name for name, found in self._metrics().items() if not _main(name, found)]
        out: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            if row["evaluator"] in wanted and row["value"] is not None:
                out.setdefault(row["metric"], {}).setdefault(row["role"], row)
        if any(role != "weak_floor" for rows in out.values() for role in rows):
            for rows in out.values():  # the naive teacher was not argued at
                rows.pop("weak_floor", None)
        return [(metric, rows) for metric, rows in out.items() if rows]

    def _metrics(self) -> dict[str, list[str]]:
        """Metrics by evaluator, of those that score single models."""
        found: dict[str, list[str]] = {}
        for row in (*self.rows, *self.pool):
            if row["evaluator"] not in COMPARING and row["metric"] not in found.get(
                row["evaluator"], ()
            ):
                found.setdefault(row["evaluator"], []).append(row["metric"])
        return found

    @property
    def lines(self) -> list[Line]:
        """A line a role, floor first; floor and supervisor as one when nothing tells them apart."""
        lines = [self._line(role) for role in ordered({r["role"] for r in self._scores})]
        by_role = {line.role: line for line in lines}
        floor, weak = by_role.get("weak_floor"), by_role.get("supervisor")
        if floor and weak and floor.model == weak.model and _equal(floor.values, weak.values):
            lines.remove(weak)
            both = floor._replace(label=f"{floor.label} = {weak.label}")
            lines[lines.index(floor)] = both
        for split in dict.fromkeys(r["split"] for r in self.pool):
            rows = [r for r in self.pool if r["split"] == split]
            values = {r["metric"]: r for r in reversed(rows)}
            lines.append(Line(f"weak labels on {split}", rows[0]["model"], "pool", values))
        return lines

    def _line(self, role: str) -> Line:
        rows = [r for r in self._scores if r["role"] == role]
        values = {r["metric"]: r for r in reversed(rows)}
        return Line(role_name(role), str(rows[0]["model"]), role, values)

    @property
    def _scores(self) -> list[Row]:
        return [r for r in self.rows if r["evaluator"] not in COMPARING]

    @property
    def findings(self) -> list[Finding]:
        """PGR first, then what must stand beside it."""
        found = []
        over = f"over {count(len(self.seeds), 'seed')}"
        pgr, gain = self.find("student", "pgr"), self.find("student", "gain")
        if pgr is not None:
            found.append(_pgr("PGR", pgr, over))
        if gain is not None and gain["value"] is not None:
            value = estimate(gain, signed=True)
            found.append(Finding("gain", value, "student minus weak floor"))
        assisted = self.find("student", "pgr_assisted")
        if assisted is not None:
            name = "PGR against the supervisor as used"
            found.append(_pgr(name, assisted, over))
        if agreement := self._agreement():
            found.append(agreement)
        return found

    def _agreement(self) -> Finding | None:
        rows = {
            k: self.find("student", f"agreement{k}") for k in ("", "_weak_right", "_weak_wrong")
        }
        whole = rows[""]
        if whole is None or whole["value"] is None:
            return None
        parts = [
            f"{number(row['value'])} where {word}"
            for word, row in (("it is right", rows["_weak_right"]), ("wrong", rows["_weak_wrong"]))
            if row is not None
        ]
        said = ", ".join(parts)
        explanation = f"with supervisor: {said}" if said else "with supervisor"
        return Finding("agreement", number(whole["value"]), explanation)

    @property
    def seed_table(self) -> list[dict[str, Any]]:
        """One mapping a seed: ``seed``, the first column's metric by role, ``pgr`` and ``gain``."""
        metric = (self.columns or ["accuracy"])[0]
        table = []
        for seed in self.seeds:
            rows = [r for r in self.per_seed if r["seed"] == seed]
            line: dict[str, Any] = {"seed": seed}
            for role in ROLES:
                if found := first(rows, role, metric):
                    line[role] = found["value"]
            for name in ("pgr", "gain"):
                if found := first(rows, "student", name):
                    line[name] = found["value"]
            if len(line) > 1:
                table.append(line)
        return table

    @property
    def notes(self) -> list[str]:
        """Reasons for values that are missing or need a remark, equal ones together."""
        found: dict[str, list[Row]] = {}
        told = {r["evaluator"] for _, rows in self.measures for role, r in rows.items() if role != "weak_floor"}  # fmt: skip
        for row in (*self.rows, *self.pool, *self.beside):
            if row["role"] == "weak_floor" and row["evaluator"] in told:
                continue  # that nobody argued before the naive teacher is no news
            if row.get("reason") and _worth_a_note(row):
                found.setdefault(str(row["reason"]), []).append(row)
        return [f"{_who(rows)}: {reason}" for reason, rows in found.items()]


def ordered(roles: Iterable[str]) -> list[str]:
    """Roles as they are shown: floor, supervisor, student, ceiling, then unknown ones by name."""
    return sorted(roles, key=ordered_roles)


def first(rows: Iterable[Row], role: str, metric: str) -> Row | None:
    """The first row of a role and metric."""
    return next((r for r in rows if r["role"] == role and r["metric"] == metric), None)


def _main(evaluator: str, metrics: Sequence[str]) -> str:
    """The metric that stands for an evaluator; empty where it has several and none is that."""
    alone = metrics[0] if len(metrics) == 1 else ""
    return next((m for m in (evaluator, *_FIRST) if m in metrics), alone)


def _equal(a: Mapping[str, Row], b: Mapping[str, Row]) -> bool:
    return a.keys() == b.keys() and all(
        a[m][field] == b[m][field] for m in a for field in ("value", "low", "high")
    )


def _pgr(name: str, row: Row, over: str) -> Finding:
    if row["value"] is None:
        return Finding(name, MISSING, str(row.get("reason") or "no reason was recorded"))
    return Finding(name, estimate(row, 2), over)


def _worth_a_note(row: Row) -> bool:
    if row["value"] is None:
        # The headline says why there is no PGR.
        return row["metric"] not in ("pgr", "pgr_assisted")
    # A metric that by design has no interval says so every time: no news.
    return row["evaluator"] == "pgr" or row["low"] is not None or row["high"] is not None


def _who(rows: Sequence[Row]) -> str:
    metrics = ", ".join(dict.fromkeys(metric_name(r["metric"]) for r in rows))
    roles = ordered({r["role"] for r in rows})
    if roles == ["student"]:
        return metrics
    return f"{metrics} of {', '.join(role_name(r) for r in roles)}"
