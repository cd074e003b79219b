"""Every figure of docs/results/oversight.md: what each kind of help is worth to one weak judge.

The shipped recipe oversight_comparison with seeds 0 to 4 and longer debates beside its own, then
open_questions/assistant_task, which shares its rows and judges. Differences and the PGR of the assistant's own labels come from the runs' predictions, by the
toolkit's hierarchical bootstrap: seeds first, then groups of test rows, the same for both sides.

    python benchmarks/oversight.py [--write docs/results/oversight.md] [--seeds 0 1 …] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _machine import describe
from _tables import cell, one_by_one, ran, write_between

from w2s_metrics.bootstrap import Counts, count_by_group, percentiles, replicate
from w2s_toolkit.loading import Run
from w2s_toolkit.recipe.tree import read_tree

ROOT = Path(__file__).parents[1]
START, END = "<!-- figures: benchmarks/oversight.py -->", "<!-- end of figures -->"
AXIS = "phases.judged.oversight"
REPLICATES = 2000
DIRECT = {
    "direct": "the assistant's labels themselves",
    "direct_calibrated": "the same, calibrated on 100 gold labels",
}
DIFFERENCES = (
    ("judge", "interaction", "blind"),
    ("judge", "interaction, shuffled", "blind"),
    ("judge", "debate", "blind"),
    ("judge", "debate, shuffled", "blind"),
    ("judge", "debate, 2 rounds", "debate"),
    ("judge", "debate, sequential", "debate"),
    ("judge", "interaction", "debate"),
    ("judge", "interaction", "debate, 2 rounds"),
    ("judge", "interaction", "answer only"),
    ("student", "interaction", "blind"),
    ("student", "interaction", "debate"),
    ("student", "interaction", "debate, 2 rounds"),
    ("student", "interaction", "answer only"),
    ("student", "interaction", DIRECT["direct_calibrated"]),
)
"""Whose accuracy is compared: the first kind of help less the second."""

LONGER: tuple[dict[str, Any], ...] = (
    {"rounds": 2, "prompts": "lab/debate"},
    {"turns": "sequential", "prompts": "lab/debate_sequential"},
)
"""Debates that the recipe leaves out, since each costs twice as much: what is other about them."""

QUOTES = """\
schema: 1
name: quotes
models:
  weak: {{use: lab, id: lab-xs}}
  greedy: {{use: lab, id: lab-l}}
  searching: {{use: lab, id: lab-l, beams: 4}}
task:
  use: lab_claims
  difficulty: [4]
  plain: 0.2
  splits: {{pool: 4, test: 100}}
phases:
  - name: debates
    pool: pool
    oversight: []
    supervisors: [{{use: judge, model: weak}}]
    student: null
    evaluate: [oversight]
matrix:
  phases.debates.oversight:
    - [{{use: debate, debater: greedy, {debate}}}]
    - [{{use: debate, debater: greedy, best_of: 4, temperature: 0.5, scorer: quotes, {debate}}}]
    - [{{use: debate, debater: searching, {debate}}}]
"""
WAYS = (
    "greedily",
    "the best of 4 by verified quotes, drawn at temperature 0.5",
    "searched for with 4 beams",
)


def main() -> None:
    """Take all figures; print them, or put them into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        work = options.work or Path(fresh)
        compared = ran("oversight_comparison", work, {"matrix": _matrix(options.seeds)})
        parts = [_comparison(compared), _differences(compared)]
        kinds = ran("open_questions/assistant_task", work, {"matrix.seed": options.seeds})
        parts.append(_kinds(kinds))
        parts.append(_quotes(work))
    parts.append(f"Taken on {describe().replace(chr(10), '; ')}.")
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_between(options.write, START, END, text)


def _matrix(seeds: Sequence[int]) -> str:
    """The recipe's own matrix and longer debates after its debate, as JSON."""
    recipe = read_tree(ROOT / "recipes" / "oversight_comparison.yaml").value
    helps: list[list[Any]] = recipe["matrix"][AXIS]
    at = next(n for n, one in enumerate(helps) if _name(json.dumps(one)) == "debate")
    longer = [[helps[at][0] | other] for other in LONGER]
    return json.dumps({"seed": list(seeds), AXIS: [*helps[: at + 1], *longer, *helps[at + 1 :]]})


def _name(axis: str) -> str:
    """What a list of protocols, as JSON, is called in a table."""
    words = []
    for one in json.loads(axis):
        given: Mapping[str, Any] = {"use": one} if isinstance(one, str) else one
        words.append(given["use"].replace("_", " "))
        if given.get("rounds", 1) > 1:
            words.append(f"{given['rounds']} rounds")
        if given.get("turns", "simultaneous") != "simultaneous":
            words.append(given["turns"])
        if given.get("side"):
            words.append(given["side"])
        if "facts" in given.get("prompts", ""):
            words.append("facts")
    return ", ".join(words)


def _comparison(run: Run) -> str:
    table = run.summary.query("split == 'test'")
    each = run.results.query("metric == 'pgr' and split == 'test' and phase == 'judged'")
    judged = table[table["phase"] == "judged"]
    seeds = ", ".join(map(str, sorted(set(run.results["seed"]))))
    lines = [
        f"### Every protocol before the same judge (`w2s run oversight_comparison` and longer debates, seeds {seeds})",
        "",
        "| evidence | judge (lab-xs) | student (lab-m) | PGR | PGR of each seed | tokens a row | quotes verified |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for axis in dict.fromkeys(judged[AXIS]):
        rows = judged[judged[AXIS] == axis]
        cells = [cell(rows, "supervisor", "accuracy"), cell(rows, "student", "accuracy")]
        cells += [cell(rows, "student", "pgr"), one_by_one(each[each[AXIS] == axis])]
        cells += [_plain(rows, "tokens_per_row", 0), _plain(rows, "quotes_verified", 3)]
        lines.append(f"| {_name(axis)} | {' | '.join(cells)} |")
    blind = next(axis for axis in judged[AXIS] if _name(axis) == "blind")
    for phase, called in DIRECT.items():
        rows = table[(table["phase"] == phase) & (table[AXIS] == blind)]
        own = cell(rows, "supervisor", "accuracy") if phase == "direct" else ""
        students = [
            _Side(phase, "student"),
            _Side("judged", "weak_floor"),
            _Side("judged", "strong_ceiling"),
        ]
        pgr = _measured(run, students, _pgr)
        lines.append(f"| {called} | {own} | {cell(rows, 'student', 'accuracy')} | {pgr} | | | |")
    rows = judged[judged[AXIS] == blind]
    floor, ceiling = (cell(rows, role, "accuracy") for role in ("weak_floor", "strong_ceiling"))
    return "\n".join([*lines, "", f"Weak floor {floor}, ceiling {ceiling}."])


def _plain(table: Any, metric: str, digits: int) -> str:
    found = table[(table["role"] == "supervisor") & (table["metric"] == metric)]["value"].dropna()
    return f"{found.iloc[0]:.{digits}f}" if len(found) else ""


class _Side:
    """One role of one phase, under one kind of help."""

    def __init__(self, phase: str, role: str, called: str = "blind") -> None:
        self.phase, self.role, self.called = phase, role, called

    def rows(self, run: Run) -> Any:
        """Seed, id, group and whether each test row is right."""
        found = run.predictions(self.role, "test", phase=self.phase)
        found = found[[_name(axis) == self.called for axis in found[AXIS]]]
        return found.assign(right=found["predicted"] == found["gold"])


def _measured(
    run: Run, sides: Sequence[_Side], measure: Callable[[Any], Any], digits: int = 2
) -> str:
    """A measure of the sides' accuracies (…, C) on the same rows, with its 95% interval over seeds and rows."""
    counts = _counts(run, sides)
    value = measure(np.mean([one.values for one in counts], axis=0))
    draws = replicate(counts, shared=True, replicates=REPLICATES, bootstrap_seed=0)
    low, high = percentiles(measure(draws))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _counts(run: Run, sides: Sequence[_Side]) -> list[Counts]:
    found = []
    tables = [side.rows(run) for side in sides]
    for seed in sorted(set(tables[0]["seed"])):
        rows = [t[t["seed"] == seed].set_index("id") for t in tables]
        first = rows[0].sort_index()
        hits = np.column_stack([one["right"].loc[first.index].to_numpy(bool) for one in rows])
        groups = pd.factorize(first["group"])[0].astype(np.int64)
        found.append(count_by_group(hits, np.ones_like(hits), groups))
    return found


def _pgr(accuracy: Any) -> Any:
    """Of accuracies (…, 3) of student, floor and ceiling; Burns et al. 2023, section 3."""
    return (accuracy[..., 0] - accuracy[..., 1]) / (accuracy[..., 2] - accuracy[..., 1])


def _points(accuracy: Any) -> Any:
    return 100 * (accuracy[..., 0] - accuracy[..., 1])


def _differences(run: Run) -> str:
    lines = [
        "### Differences on the same rows, in points of accuracy",
        "",
        "| of the | first | second | first less second |",
        "| --- | --- | --- | --- |",
    ]
    phases = {called: phase for phase, called in DIRECT.items()}
    for role, first, second in DIFFERENCES:
        sides = [
            _Side(
                phases.get(called, "judged"),
                "student" if role == "student" else "supervisor",
                "blind" if called in phases else called,
            )
            for called in (first, second)
        ]
        lines.append(f"| {role} | {first} | {second} | {_measured(run, sides, _points, 1)} |")
    return "\n".join(lines)


def _kinds(run: Run) -> str:
    table = run.summary.query("split == 'test' and phase == 'judged'")
    lines = [
        "### Which kind of help helps (`w2s run open_questions/assistant_task`, the same seeds)",
        "",
        "| evidence | judge (lab-xs) | AUROC | tokens a row |",
        "| --- | --- | --- | --- |",
    ]
    for axis in dict.fromkeys(table[AXIS]):
        rows = table[table[AXIS] == axis]
        cells = [cell(rows, "supervisor", metric) for metric in ("accuracy", "auroc")]
        lines.append(
            f"| {_name(axis)} | {' | '.join(cells)} | {_plain(rows, 'tokens_per_row', 0)} |"
        )
    return "\n".join(lines)


def _quotes(work: Path) -> str:
    prompts = json.dumps(str(ROOT / "recipes" / "lab" / "debate"))
    debate = f"prompts: {prompts}, text: 'Text: (.*)\\nClaim:', max_tokens: 80, quotes: drop"
    work.mkdir(parents=True, exist_ok=True)
    recipe = work / "quotes.yaml"
    recipe.write_text(QUOTES.format(debate=debate), encoding="utf-8")
    table = ran(recipe, work).summary.query("metric == 'quotes_verified' and split == 'test'")
    lines = [
        "### Quotes that are real",
        "",
        "lab-l's debates of one round about 100 rows, seed 0.",
        "",
        "| how turns are written | quotes verified |",
        "| --- | --- |",
    ]
    found = table[table["role"] == "supervisor"]["value"]
    lines += [f"| {way} | {value:.3f} |" for way, value in zip(WAYS, found, strict=True)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
