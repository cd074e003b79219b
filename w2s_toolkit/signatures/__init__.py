"""Failure signatures: patterns in the results that a reader must not overlook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_toolkit.signatures.compared import comparisons

Row = Mapping[str, Any]

COLLAPSED = 0.35
"""Of two classes that are equally frequent, a student gives 85% of the rows the same one."""


def failure_signatures(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Named warnings about results, from the summary over seeds.

    ``student_below_supervisor``, ``ceiling_below_floor``, ``student_above_ceiling``,
    ``gap_too_small_for_pgr``, ``over_imitation``, ``drift_out_of_bounds``, ``answers_collapsed``,
    ``imitation``, and those of :mod:`w2s_toolkit.signatures.compared`. docs/report.md says what each means.
    """
    found: list[dict[str, Any]] = []
    refused = _refused(results)
    for group, phase in _phases(results["summary"]):
        rows = [r for r in results["summary"] if r["group"] == group and r["phase"] == phase]
        for name, message in _of_phase(rows):
            if name == "student_below_supervisor" and (group, phase) in refused:
                continue  # found out already: it supervises nobody
            found.append({"name": name, "group": group, "phase": phase, "message": message})
    return found + comparisons(results) + _imitations(results) + _of_rounds(results)


def _imitations(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Students that came to repeat more of their supervisor's errors while they became worse."""
    found = []
    for curve in results.get("curves") or []:
        points = [p for p in curve["points"] if p.get("agreement_weak_wrong") is not None]
        if not points:
            continue
        best, last = max(points, key=lambda p: p["accuracy"]), points[-1]
        independent = min(1.0, best["groups"] / max(1, best["n"]))  # rows of a group are alike
        fell = best["accuracy"] - last["accuracy"]
        rose = last["agreement_weak_wrong"] - best["agreement_weak_wrong"]
        if fell > _doubt(best["accuracy"], best["n"] * independent) and rose > _doubt(
            best["agreement_weak_wrong"], best["n_weak_wrong"] * independent
        ):
            message = (
                f"while it learned, the student fell from {best['accuracy']:.3f} to "
                f"{last['accuracy']:.3f} and repeats {last['agreement_weak_wrong']:.0%} of its "
                f"supervisor's errors in place of {best['agreement_weak_wrong']:.0%}: fewer steps may "
                "be better"
            )
            group = _group(results, curve["cells"][0])
            head = {"name": "over_imitation", "group": group, "phase": curve["phase"]}
            found.append({**head, "message": message})
    return found


def _doubt(share: float, rows: float) -> float:
    """Two standard errors of a share of rows."""
    return 2 * float((share * (1 - share) / max(1.0, rows)) ** 0.5)


def _of_rounds(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What goes wrong over the rounds of a repeated phase."""
    found: list[dict[str, Any]] = []
    for row in results.get("rounds", ()):
        place = {"group": _group(results, row["cell"]), "phase": row["phase"]}
        for test in row["tests"]:
            if test["low"] is None and not test["passed"]:
                value = "none" if test["value"] is None else f"{test['value']:.3f}"
                message = f"round {row['round']}: {test['name']} is {value}, out of its bounds"
                found.append({"name": "drift_out_of_bounds", **place, "message": message})
        shift = (row.get("metrics") or {}).get("prior_shift") or 0.0
        if shift >= COLLAPSED:
            message = (
                f"round {row['round']}: the shares of classes in the student's answers are {shift:.2f} away "
                "from gold's, so that at least so many answers are wrong: it hardly looks at the rows"
            )
            found.append({"name": "answers_collapsed", **place, "message": message})
    for group, phase in _phases(results["summary"]):
        rounds = _rounds_of(results["summary"], group, phase)
        agreement, accuracy = ([r[name] for r in rounds] for name in ("agreement", "accuracy"))
        if len(rounds) > 1 and agreement[-1] > agreement[0] and accuracy[-1] < accuracy[0] - 0.01:
            message = (
                f"from round 1 to {len(rounds)} agreement with the supervisor rises from "
                f"{agreement[0]:.3f} to {agreement[-1]:.3f} while accuracy falls from {accuracy[0]:.3f} "
                f"to {accuracy[-1]:.3f}: students imitate errors"
            )
            found.append({"name": "imitation", "group": group, "phase": phase, "message": message})
    return found


def _group(results: Mapping[str, Any], cell: int) -> dict[str, Any]:
    """The combination of axes of a cell, whatever its seed."""
    return {a: v for a, v in results["cells"][cell]["axes"].items() if a != "seed"}


def _refused(results: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Rounds, as group and phase, whose students were promoted with no seed."""
    promoted: dict[str, tuple[tuple[Any, str], bool]] = {}
    for row in results.get("rounds", ()):
        place = (_group(results, row["cell"]), f"{row['phase']}/{row['round']}")
        before = promoted.get(repr(place), (place, False))[1]
        promoted[repr(place)] = (place, before or bool(row.get("promoted")))
    return [place for place, once in promoted.values() if not once]


def _rounds_of(rows: Sequence[Row], group: Any, phase: str) -> list[dict[str, float]]:
    """Agreement and accuracy of the student in each round of a phase, as far as there are both."""
    out: list[dict[str, float]] = []
    while True:
        name = f"{phase}/{len(out) + 1}"
        own = [r for r in rows if (r["group"], r["phase"]) == (group, name)]
        agreement, student = _find(own, "student", "agreement"), _find(own, "student", "accuracy")
        if not agreement or not student or None in (agreement["value"], student["value"]):
            return out
        out.append({"agreement": float(agreement["value"]), "accuracy": float(student["value"])})


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
    if pgr is not None and pgr["value"] is None and None not in (floor, ceiling):
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
