"""Tables of the recipes that ask what becomes of chains of students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _tables import cell, one_by_one, ran

from w2s_toolkit.loading import Run

LOOP = "phases.recursive"


@dataclass(frozen=True)
class Question:
    """One recipe.

    Attributes:
        recipe: its name.
        title: of its table.
        first: the phase whose student begins the rounds.
        phases: what is compared, by how it is called.
        axes: axes of its matrix -> what their values are called, in the words of a reader.
        seeds: how many; chains of many generations take long.
    """

    recipe: str
    title: str
    first: str
    phases: Mapping[str, str]
    axes: Mapping[str, Callable[[Any], str]]
    seeds: int = 2


QUESTIONS = (
    Question(
        "recursion_drift",
        "Twelve generations of lab-s, with wrong labels in every round",
        "bootstrap",
        {"recursive": ""},
        {
            f"{LOOP}.refine.label_noise.rate": lambda value: f"{float(value):.0%} wrong",
            f"{LOOP}.repeat.promote.enforce": lambda value: (
                "tested" if str(value).lower() == "true" else "all promoted"
            ),
        },
    ),
    Question(
        "open_questions/drift",
        "Eight generations of lab-s, all promoted: calibration, and asking all generations",
        "bootstrap",
        {"recursive": ""},
        {f"{LOOP}.supervisors": lambda value: _aligner(str(value))},
    ),
    Question(
        "open_questions/extreme_gap",
        "lab-xs to lab-l, at once or in steps",
        "bootstrap",
        {
            "direct": "lab-xs teaches lab-l",
            "one_step": "by way of lab-s",
            "two_steps": "lab-s, lab-m",
            "three_steps": "lab-s twice, lab-m",
        },
        {},
        seeds=5,
    ),
    Question(
        "open_questions/distribution_shift",
        "Rows that are harder than those the teacher learned from",
        "bootstrap",
        {"recursive": ""},
        {"task.easy": lambda value: f"easy: {', '.join(_names(str(value)))}"},
    ),
)


def _aligner(value: str) -> str:
    method = next((m for m in ("temperature", "platt") if m in value), "not calibrated")
    return f"{method}, all generations" if '"all"' in value else method


def _names(value: str) -> list[str]:
    return [name.strip(' "') for name in value.strip("[]").split(",")]


def table(question: Question, work: Path) -> str:
    """Run a recipe and show what its chains came to."""
    run = ran(question.recipe, work, {"matrix.seed": list(range(question.seeds))})
    lines = [
        f"### {question.title} (`w2s run {question.recipe}`)",
        "",
        "| | first student | last promoted | each seed | PGR | promoted | kept | ECE |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    axes = list(question.axes)
    groups = run.summary[axes].drop_duplicates().to_dict("records") if axes else [{}]
    for group in groups:
        chosen = _where(run.summary, group), _where(run.results, group)
        words = [question.axes[axis](group[axis]) for axis in axes]
        for phase, called in question.phases.items():
            lines.append(_row(run, question, *chosen, group, phase, ", ".join([*words, called])))
    seeds = sorted({c["seed"] for c in run.raw["cells"]})
    return "\n".join([*lines, "", f"Seeds {', '.join(map(str, seeds))}."])


def _where(table: Any, group: Mapping[str, Any]) -> Any:
    for axis, value in group.items():
        table = table[table[axis] == value]
    return table


def _row(
    run: Run, question: Question, summary: Any, results: Any, group: Any, phase: str, called: str
) -> str:
    test = summary[summary["split"] == "test"]
    last = test[test["phase"] == phase]
    each = results.query(
        f"phase == '{phase}' and split == 'test' and role == 'student' and metric == 'accuracy'"
    )
    anchor = summary.query(f"phase == '{phase}' and split == 'anchor.test' and role == 'student'")
    promoted = _promoted(run, results, phase)
    cells = [
        called.removesuffix(", "),
        cell(test[test["phase"] == question.first], "student", "accuracy") if promoted else "",
        cell(last, "student", "accuracy"),
        one_by_one(each),
        _if_there(last, "pgr"),
        promoted,
        _if_there(anchor, "kept"),
        _if_there(anchor, "ece"),
    ]
    return f"| {' | '.join(cells)} |"


def _if_there(rows: Any, metric: str) -> str:
    found = rows[(rows["metric"] == metric) & (rows["role"] == "student")]
    if not len(found):
        return ""
    value, low = found.iloc[0]["value"], found.iloc[0]["low"]
    if value is None or value != value:
        return "none"
    return cell(found, "student", metric) if low is not None and low == low else f"{value:.3f}"


def _promoted(run: Run, results: Any, phase: str) -> str:
    cells = set(results["cell"])
    rounds = [
        row
        for row in run.raw["rounds"]
        if row["cell"] in cells and row["phase"] == phase and row["round"]
    ]
    return f"{sum(row['promoted'] for row in rounds)} of {len(rounds)}" if rounds else ""
