"""Generations and training curves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import repeated, results_of

from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.report.blocks import blocks
from w2s_toolkit.report.curves import curves
from w2s_toolkit.report.generations import (
    compared_blocks,
    folds,
    generations,
    round_of,
    without_rounds,
)
from w2s_toolkit.report.html import write_report
from w2s_toolkit.report.sizes import sizes
from w2s_toolkit.signatures import failure_signatures
from w2s_toolkit.stages.watch import GoldWatch

MakeRun = Callable[[dict[str, Any]], Path]


def test_rounds_are_told_with_their_promotions() -> None:
    results = repeated(((True, True), (False, True), (False, False)))
    plot = generations(blocks(results), results)
    assert plot is not None
    said = str(plot.svg)
    for expected in ("loop 1: 0.700, promoted in 2 of 2 runs", "loop 2: 0.700, promoted in 1 of 2",
                     "loop 3: 0.700, promoted in 0 of 2", ">kept of first</text>", ">flips</text>"):  # fmt: skip
        assert expected in said
    assert "prior shift" not in said  # it has no value in any round


def test_a_column_names_the_round_as_a_phase_does() -> None:
    results = results_of(phases=("loop",))
    for row in results["summary"]:
        row["round"] = 7
    (block,) = blocks(results)
    assert round_of(block) == ("loop", 7)
    assert round_of(blocks(results_of(phases=("loop/12",)))[0]) == ("loop", 12)
    assert round_of(blocks(results_of())[0]) is None


def test_one_round_or_none_is_no_picture() -> None:
    for results in (results_of(), repeated(((True,),))):
        assert generations(blocks(results), results) is None


def _watch(tmp_path: Path, points: int = 3) -> tuple[GoldWatch, Dataset, Callable[..., LabelSet]]:
    info = TaskInfo("classification", ("no", "yes"))
    gold = (0, 0, 0, 1, 1, 1)
    examples = [Example(f"e{n}", f"t{n}", info.classes, g, group=f"g{n // 2}") for n, g in enumerate(gold)]  # fmt: skip
    data = Dataset.from_examples(examples, info, "val")

    def labels(*answers: int, abstain: tuple[int, ...] = ()) -> LabelSet:
        gone = np.isin(np.arange(len(gold)), abstain)
        return LabelSet(data.ids, np.eye(2)[list(answers)], info.classes, abstain=gone)

    weak = labels(0, 0, 1, 1, 0, 0, abstain=(5,))
    return GoldWatch(data, weak, points, tmp_path / "scratch/curve.json"), data, labels


def test_a_look_counts_right_alike_and_repeated_errors(tmp_path: Path) -> None:
    watch, data, labels = _watch(tmp_path)
    assert not watch.data.has_gold and data.has_gold
    watch.record(2, 4, labels(0, 1, 1, 1, 1, 0))
    (look,) = watch._looks.values()
    assert look == {
        "step": 2,
        "part": 0.5,
        "accuracy": 3 / 6,
        "agreement": 3 / 5,  # of the rows that have a weak label
        "agreement_weak_wrong": 1 / 2,
        "weak_accuracy": 3 / 5,
        "n": 6,
        "n_weak_wrong": 2,
        "groups": 3,
    }


def test_looks_are_at_equal_distances_and_at_the_end(tmp_path: Path) -> None:
    watch, *_ = _watch(tmp_path, points=3)
    assert [s for s in range(1, 11) if watch.due(s, 10)] == [4, 7, 10]
    assert [s for s in range(1, 3) if watch.due(s, 2)] == [1, 2]


def test_looks_survive_a_kill(tmp_path: Path) -> None:
    first, _, labels = _watch(tmp_path)
    first.record(1, 4, labels(0, 0, 0, 0, 0, 0))
    first.record(2, 4, labels(1, 1, 1, 1, 1, 1))
    again, _, labels = _watch(tmp_path)
    again.record(2, 4, labels(1, 1, 1, 1, 1, 1))
    assert again.text == first.text


def _curve(*points: tuple[float, float]) -> dict[str, Any]:
    results = results_of()
    results["curves"] = [
        {
            "stage": "bootstrap/student/train",
            "phase": "bootstrap",
            "role": "student",
            "cells": [0],
            "chosen": None,
            "points": [
                {"step": n, "part": n / len(points), "accuracy": right, "agreement": 0.7,
                 "agreement_weak_wrong": repeats, "weak_accuracy": 0.7, "n": 1000,
                 "n_weak_wrong": 300, "groups": 1000}
                for n, (right, repeats) in enumerate(points, 1)
            ],
        }
    ]  # fmt: skip
    return results


def test_the_page_says_what_was_decided_in_each_round_and_why(make_run: MakeRun) -> None:
    page = write_report(make_run(repeated())).read_text()
    rows = re.findall(r"<tr><td>(seed=\d)</td>.*?</tr>", page, flags=re.S)
    assert rows == ["seed=0", "seed=1"] * 3
    assert page.count("✓ promoted</strong>") == 3
    assert page.count("✗ not promoted</strong>") == 3
    assert page.count("worse than its supervisor") == 3
    many = write_report(make_run(repeated([[True, False, True]] * 5))).read_text()
    assert "Round 1: 2 of 3 promoted; round 2: 2 of 3 promoted" in " ".join(many.split())


def test_drift_on_another_split_stands_below_the_scores_of_its_round() -> None:
    results = repeated()
    for row in results["summary"]:
        if row["evaluator"] == "drift":
            row["split"] = "anchor"
    found = blocks(results)
    assert {block.split for block in found} == {"test"}
    plot = generations(found, results)
    assert plot is not None
    svg = str(plot.svg)
    assert svg.count(">round</text>") == 2
    assert ">kept of first</text>" in svg


def test_many_rounds_leave_the_comparison_to_what_their_phase_came_to() -> None:
    results = repeated([[True, True]] * 12)
    assert len(compared_blocks(blocks(results))) == 12
    results["summary"] += [r | {"phase": "loop"} for r in results_of()["summary"]]
    assert [b.phase for b in compared_blocks(blocks(results))] == ["loop"]
    few = repeated()
    few["summary"] += [r | {"phase": "loop"} for r in results_of()["summary"]]
    assert len(compared_blocks(blocks(few))) == 4


def test_the_rounds_of_a_loop_fold_into_one_and_loops_are_named_by_what_differs(
    make_run: MakeRun,
) -> None:
    axis = "phases.loop.refine.label_noise.rate"
    results = repeated([[True], [True], [True]])
    other = [r | {"group": {axis: 0.4}} for r in results["summary"]]
    results["summary"] = [r | {"group": {axis: 0.0}} for r in results["summary"]] + other
    found = blocks(results)
    shown = folds([(title, block, None) for title, block in zip("abcdef", found, strict=True)])
    assert [[title for title, *_ in members] for _, members in shown] == [list("abc"), list("def")]
    plot = generations(found, results)
    assert plot is not None
    svg = str(plot.svg)
    assert ">label_noise.rate=0.0</text>" in svg and ">label_noise.rate=0.4</text>" in svg
    page = write_report(make_run(results)).read_text()
    assert page.count("<summary>loop, rounds, label_noise.rate=0.") == 2


def test_a_student_that_was_sent_back_is_no_failure_of_the_loop() -> None:
    results = repeated(((True, True), (False, True), (False, False)))
    for row in results["summary"]:
        if row["role"] == "supervisor" and row["metric"] == "accuracy":
            row["value"] = 0.9
    found = [s for s in failure_signatures(results) if s["name"] == "student_below_supervisor"]
    assert [s["phase"] for s in found] == ["loop/1", "loop/2"]


def test_many_warnings_of_one_kind_are_folded_away(make_run: MakeRun) -> None:
    results = results_of(
        phases=[f"phase{n}" for n in range(9)], levels={"student": 0.6, "supervisor": 0.62}
    )
    for number, row in enumerate(results["summary"]):
        if row["role"] == "student" and row["metric"] == "accuracy":
            row["value"] = 0.6 - number / 1e4
    results["signatures"] = failure_signatures(results)
    page = " ".join(write_report(make_run(results)).read_text().split())
    assert "<summary>4 more of these</summary>" in page
    assert page.count("is below its weak supervisor") == 9


def test_students_without_rounds_stand_beside_those_with() -> None:
    results = repeated()
    results["summary"] += [r | {"phase": "one_jump"} for r in results_of()["summary"]]
    found = blocks(results)
    plot = generations(found, results)
    assert plot is not None and ">one_jump</text>" in str(plot.svg)
    assert [b.phase for b in without_rounds(found)] == ["one_jump"]


def _names(results: dict[str, Any]) -> list[str]:
    return [s["name"] for s in failure_signatures(results)]


@pytest.mark.parametrize(
    ("points", "imitates"),
    [
        (((0.80, 0.30), (0.90, 0.20), (0.80, 0.45)), True),
        (((0.80, 0.30), (0.90, 0.20), (0.89, 0.45)), False),  # not surely worse
        (((0.80, 0.30), (0.90, 0.20), (0.80, 0.22)), False),  # worse, but not by imitating
        (((0.80, 0.45), (0.85, 0.30), (0.90, 0.20)), False),
    ],
)
def test_over_imitation_is_a_signature(points: Any, imitates: bool) -> None:
    assert ("over_imitation" in _names(_curve(*points))) == imitates


def test_a_curve_is_drawn_for_students_that_were_looked_at() -> None:
    results = _curve((0.8, 0.3), (0.9, 0.2))
    plot = curves(blocks(results), results)
    assert plot is not None
    assert "student: 0.900 at the end" in str(plot.svg)
    assert ">errors repeated</text>" in str(plot.svg)
    # A curve over epochs, from which a supervisor's was chosen, is none of these.
    results["curves"][0]["points"] = [{"epoch": 1, "accuracy": 0.7, "loss": 0.5}]
    assert curves(blocks(results), results) is None


def _sizes(by: str = "accuracy", kept: int = 2) -> dict[str, Any]:
    results = results_of()
    values = (0.61, 0.68, 0.683)
    results["sizes"] = [
        {
            "stage": "bootstrap/supervisor/build",
            "phase": "bootstrap",
            "by": by,
            "cells": [0],
            "points": [{"size": n, by: v, f"{by}_se": 0.01} for n, v in enumerate(values, 1)],
            "size": kept,
        }
    ]
    return results


@pytest.mark.parametrize("by", ["accuracy", "log_loss"])
def test_the_size_of_an_ensemble_is_drawn_with_what_it_was_chosen_by(by: str) -> None:
    results = _sizes(by)
    plot = sizes(blocks(results), results)
    assert plot is not None
    said = "accuracy" if by == "accuracy" else "log loss"
    assert f"2 of 3 kept ({said} 0.680)" in str(plot.svg)
    assert ">members</text>" in str(plot.svg)
    assert sizes(blocks(results_of()), results_of()) is None


def test_several_seeds_of_an_ensemble_share_a_panel(make_run: MakeRun) -> None:
    results = _sizes()
    results["sizes"].append({**results["sizes"][0], "size": 3})
    plot = sizes(blocks(results), results)
    assert plot is not None
    assert "2 of 3 kept (accuracy 0.680), 3 of 3 kept (accuracy 0.683)" in str(plot.svg)
    folder = make_run(results)
    assert "Size of the ensemble" in write_report(folder).read_text()
    assert (folder / "figures" / "sizes.svg").exists()


def test_where_no_evaluator_has_one_score_the_comparison_shows_all_it_measures(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    from w2s_toolkit.report.table import print_summary

    results = results_of([{"task.things": n} for n in (4, 16)])
    scores = [r for r in results["summary"] if r["metric"] == "accuracy"]
    results["summary"] = [
        row | {"evaluator": "long_answers", "metric": metric}
        for row in scores
        for metric in ("completion", "coherence")
    ]
    print_summary(results)
    shown = capsys.readouterr().out
    assert "2 combinations, supervisor → student" in shown
    assert shown.count(" → 0.") >= 4 and "completion" in shown and "coherence" in shown
    page = write_report(make_run(results)).read_text()
    assert "supervisor → student" in page and page.count(" → 0.") >= 4
