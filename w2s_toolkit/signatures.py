"""Failure signatures: patterns in the results that a reader must not overlook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def failure_signatures(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Named warnings about results, from the summary over seeds."""
    found: list[dict[str, Any]] = []
    for group, phase in _phases(results["summary"]):
        rows = [r for r in results["summary"] if r["group"] == group and r["phase"] == phase]
        for name, message in _of_phase(rows):
            found.append({"name": name, "group": group, "phase": phase, "message": message})
    return found


def _phases(rows: Sequence[Row]) -> list[tuple[Any, str]]:
    out: list[tuple[Any, str]] = []
    for row in rows:
        if (row["group"], row["phase"]) not in out:
            out.append((row["group"], row["phase"]))
    return out


def _of_phase(rows: Sequence[Row]) -> list[tuple[str, str]]:
    student_row = _find(rows, "student", "accuracy")
    split = student_row["split"] if student_row else "test"
    accuracy = {role: _accuracy(rows, role, split) for role in _ROLES}
    student, weak = accuracy["student"], accuracy["supervisor"]
    floor, ceiling = accuracy["weak_floor"], accuracy["strong_ceiling"]
    found = []
    if student is not None and weak is not None and student < weak:
        message = f"the student ({student:.3f}) is below its weak supervisor ({weak:.3f})"
        found.append(("student_below_supervisor", message))
    if ceiling is not None and floor is not None and ceiling < floor:
        message = f"the strong ceiling ({ceiling:.3f}) is below the weak floor ({floor:.3f}): its training failed, or the task is not learnt"
        found.append(("ceiling_below_floor", message))
    if student is not None and ceiling is not None and student > ceiling + 0.02:
        message = f"the student ({student:.3f}) is above its ceiling ({ceiling:.3f}): the ceiling is under-trained, so PGR means little"
        found.append(("student_above_ceiling", message))
    pgr = _find(rows, "student", "pgr")
    if pgr is not None and pgr["value"] is None:
        found.append(("gap_too_small_for_pgr", str(pgr["reason"])))
    return found


_ROLES = ("student", "supervisor", "weak_floor", "strong_ceiling")


def _accuracy(rows: Sequence[Row], role: str, split: str) -> float | None:
    row = _find([r for r in rows if r["split"] == split], role, "accuracy")
    value = None if row is None else row["value"]
    return None if value is None else float(value)


def _find(rows: Sequence[Row], role: str, metric: str) -> Row | None:
    for row in rows:
        if row["role"] == role and row["metric"] == metric:
            return row
    return None
