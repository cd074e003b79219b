"""Every figure of docs/results/two_phase.md: phase 1 with and without help, the rounds of phase 2, one jump.

The shipped recipe two_phase with seeds 0 to 4, and beside its phases the same teachers without oversight,
without an ensemble and without both, and the rounds and the jump once more from where nobody helped, so that
there is room to climb. What they have in common runs once. With --questions it is the recipes on chains of
students instead, which are figures of their own in the page.

    python benchmarks/two_phase.py [--questions] [--write docs/results/two_phase.md] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from _machine import describe
from _recursion import QUESTIONS, table
from _tables import cell, one_by_one, ran, write_between

from w2s_toolkit.loading import Run

ROOT = Path(__file__).parents[1]
SEEDS = [0, 1, 2, 3, 4]
START, END = "<!-- figures: benchmarks/two_phase.py -->", "<!-- end of figures -->"
QUESTIONS_START = "<!-- figures: benchmarks/two_phase.py --questions -->"

HELP = {
    "neither": "neither",
    "ensembles": "an ensemble",
    "oversight": "oversight",
    "bootstrap": "both",
}
"""Phases that differ in what helps the teacher, and how they are called."""

ALIKE = ("neither", "alone_jump")
"""Phases whose supervisor is the weak floor itself, so that there is no second PGR."""

T_95 = 2.776
"""Two-sided 95% quantile of Student's t with four degrees of freedom."""

CHAINS = {
    "both": ("bootstrap", "recursive", "unchecked", "one_jump"),
    "neither": ("neither", "alone", "alone_unchecked", "alone_jump"),
}
"""Phase 1, rounds, rounds without tests, one jump."""


def main() -> None:
    """Take all figures; print them, or put them into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    parser.add_argument(
        "--questions", action="store_true", help="the recipes on chains of students"
    )
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        work = options.work or Path(fresh)
        if options.questions:
            parts = [table(question, work) for question in QUESTIONS]
        else:
            run = ran(_recipe(work), work)
            parts = [_first_phase(run)]
            parts += [_rounds(run, name, *phases) for name, phases in CHAINS.items()]
    parts.append(f"Taken on {describe().replace(chr(10), '; ')}.")
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_between(options.write, QUESTIONS_START if options.questions else START, END, text)


def _recipe(work: Path) -> Path:
    """The shipped recipe with more phases and seeds."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    recipe = yaml.load((ROOT / "recipes" / "two_phase.yaml").read_text(encoding="utf-8"))
    phases = {phase["name"]: phase for phase in recipe["phases"]}

    def like(name: str, called: str, **changes: Any) -> Mapping[str, Any]:
        copied: dict[str, Any] = deepcopy(phases[name])
        return copied | {"name": called, **changes}

    alone: dict[str, Any] = {"oversight": [], "ensemble": None}
    for name, called in (("recursive", "alone"), ("unchecked", "alone_unchecked")):
        repeat = phases[name]["repeat"] | {"start": "@phase.neither.student"}
        phases[called] = like(name, called, repeat=repeat)
    recipe["phases"] = [
        like("bootstrap", "neither", **alone),
        like("bootstrap", "ensembles", oversight=[]),
        like("bootstrap", "oversight", ensemble=None),
        *(phases[name] for name in ("bootstrap", "recursive", "one_jump", "unchecked")),
        phases["alone"],
        like("one_jump", "alone_jump", **alone),
        phases["alone_unchecked"],
    ]
    recipe["matrix"] = {"seed": SEEDS}
    for phase in recipe["phases"]:  # prompt files are named from where the recipe lies
        for protocol in phase.get("oversight") or ():
            protocol["prompts"] = str(ROOT / "recipes" / protocol["prompts"])
    work.mkdir(parents=True, exist_ok=True)
    path = work / "two_phase_benchmark.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(recipe, file)
    return path


def _first_phase(run: Run) -> str:
    lines = [
        "### Phase 1: what helps the weak teacher",
        "",
        "lab-xs teaches lab-s. Supervision is what the teacher, as helped, gets right on test rows.",
        "",
        "| help | supervision | student | PGR | PGR of each seed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for phase, called in HELP.items():
        rows = _of(run, phase)
        cells = [cell(rows, role, "accuracy") for role in ("supervisor", "student")]
        each = one_by_one(_each(run, phase, "pgr"))
        lines.append(
            f"| {called} | {' | '.join(cells)} | {cell(rows, 'student', 'pgr')} | {each} |"
        )
    rows = _of(run, "bootstrap")
    floor, ceiling = (cell(rows, role, "accuracy") for role in ("weak_floor", "strong_ceiling"))
    compared = (
        ("ensembles", "neither", "an ensemble against neither"),
        ("oversight", "neither", "oversight against neither"),
        ("bootstrap", "oversight", "both against oversight"),
        ("bootstrap", "ensembles", "both against an ensemble"),
    )
    return "\n".join(
        [
            *lines,
            "",
            f"Weak floor {floor}; lab-s on gold {ceiling}.",
            "",
            "| accuracy, one minus the other | supervision | student |",
            "| --- | --- | --- |",
            *(
                f"| {called} | {_difference(run, one, other, 'supervisor')} "
                f"| {_difference(run, one, other)} |"
                for one, other, called in compared
            ),
        ]
    )


def _rounds(run: Run, name: str, first: str, loop: str, unchecked: str, jump: str) -> str:
    helped = "oversight and an ensemble" if name == "both" else "nothing"
    lines = [
        f"### Phase 2, after {helped} in phase 1",
        "",
        "| generation | student | promoted | accuracy | on gold | PGR | PGR against its supervisor "
        "| minus its supervisor | kept | flips | ECE |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        _generation(run, first, "0, of phase 1", "lab-s", "", drift=False),
    ]
    students = ("lab-s", "lab-m", "lab-l")
    for number, student in enumerate(students, 1):
        phase = f"{loop}/{number}"
        lines.append(_generation(run, phase, str(number), student, _promoted(run, loop, number)))
    lines += [
        _generation(run, loop, "last promoted", "", ""),
        _generation(run, unchecked, "last, without tests", "lab-l", ""),
        _generation(run, jump, "one jump", "lab-l", "", drift=False),
    ]
    lines += [
        "",
        "| the last promoted, accuracy minus that of | mean | each seed |",
        "| --- | --- | --- |",
    ]
    for other, called in (
        (jump, "one jump"),
        (unchecked, "recursion without tests"),
        (first, "the student of phase 1"),
    ):
        lines.append(
            f"| {called} | {_difference(run, loop, other)} | {_listed(run, loop, other)} |"
        )
    refused = [
        f"seed {SEEDS[row['cell']]}, round {row['round']}: {row['reason']}"
        for row in run.raw["rounds"]
        if row["phase"] == loop and row["round"] and not row["promoted"]
    ]
    return "\n".join([*lines, "", f"Rolled back: {'; '.join(refused) or 'nobody'}."])


def _generation(
    run: Run, phase: str, called: str, student: str, promoted: str, *, drift: bool = True
) -> str:
    rows = _of(run, phase)
    anchor = run.summary.query(f"phase == '{phase}' and split == 'anchor.test'")
    cells = [
        called,
        student,
        promoted,
        cell(rows, "student", "accuracy"),
        cell(rows, "strong_ceiling", "accuracy"),
        cell(rows, "student", "pgr"),
        cell(rows, "student", "pgr_assisted") if phase not in ALIKE else "",
    ]
    names = ("over_supervisor", "kept", "flips")
    cells += [cell(anchor, "student", name) if drift else "" for name in names]
    ece = anchor.query("role == 'student' and metric == 'ece'")["value"]
    cells.append(f"{ece.iloc[0]:.3f}" if drift and len(ece) else "")
    return f"| {' | '.join(cells)} |"


def _promoted(run: Run, loop: str, number: int) -> str:
    rows = [r for r in run.raw["rounds"] if (r["phase"], r["round"]) == (loop, number)]
    return f"{sum(r['promoted'] for r in rows)} of {len(rows)}"


def _of(run: Run, phase: str) -> Any:
    return run.summary.query(f"phase == '{phase}' and split == 'test'")


def _each(run: Run, phase: str, metric: str, role: str = "student") -> Any:
    where = f"phase == '{phase}' and split == 'test' and metric == '{metric}' and role == '{role}'"
    return run.results.query(where).sort_values("seed")


def _differences(run: Run, one: str, other: str, role: str) -> Any:
    values = [_each(run, phase, "accuracy", role)["value"].to_numpy() for phase in (one, other)]
    return values[0] - values[1]


def _difference(run: Run, one: str, other: str, role: str = "student") -> str:
    found = _differences(run, one, other, role)
    half = T_95 * np.std(found, ddof=1) / len(found) ** 0.5
    return f"{np.mean(found):+.3f} ± {half:.3f}"


def _listed(run: Run, one: str, other: str) -> str:
    return ", ".join(f"{value:+.3f}" for value in _differences(run, one, other, "student"))


if __name__ == "__main__":
    main()
