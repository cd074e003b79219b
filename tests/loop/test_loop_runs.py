"""Rounds: promotion, rollback, the promoted student as supervisor, stopping, going on."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from looping import rounds_of, stages

from w2s_toolkit.data import Dataset
from w2s_toolkit.hookspecs import hookimpl
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import Outcome

Run = Callable[..., Outcome]
NOISE = "phases.recursive.refine=[{use: label_noise, rate: 0.5, rounds: [2]}]"
SMALL = "task.splits={weak_train: 40, pool: 300, pool_2: 600, val: 40, anchor: 600, test: 200}"


def _value(outcome: Outcome, phase: str, role: str, metric: str, split: str = "test") -> Any:
    assert outcome.results is not None
    wanted = {"phase": phase, "role": role, "metric": metric, "split": split}
    rows = [r for r in outcome.results["rows"] if all(r[k] == v for k, v in wanted.items())]
    assert len(rows) == 1
    return rows[0]["value"]


def test_students_that_are_as_good_supervise_the_next_round(run: Run) -> None:
    first = run()
    found = rounds_of(first)
    assert [row["promoted"] for row in found] == [True, True, True]
    assert [row["supervisor"] for row in found] == ["bootstrap", "recursive/1", "recursive/2"]
    assert found[-1]["stop"] == "all 3 rounds are done"
    last = _value(first, "recursive/3", "student", "accuracy")
    assert _value(first, "recursive", "student", "accuracy") == last
    assert _value(first, "recursive/2", "supervisor", "accuracy") == _value(
        first, "recursive/1", "student", "accuracy"
    ), "calibration moved no answer here"
    floors = {
        _value(first, phase, "weak_floor", "accuracy")
        for phase in ("bootstrap", "recursive/1", "recursive/3", "recursive")
    }
    assert len(floors) == 1, "the floor is the weak teacher of the first phase"
    again = run()
    assert again.ran == 0
    results = [(one.folder / "results.json").read_bytes() for one in (first, again)]
    assert results[0] == results[1]


def test_a_bad_round_is_rolled_back_and_the_one_before_goes_on_supervising(run: Run) -> None:
    outcome = run(NOISE)
    found = rounds_of(outcome)
    assert [row["promoted"] for row in found] == [True, False, True]
    assert "accuracy minus that of its supervisor: -0." in found[1]["reason"]
    assert found[2]["supervisor"] == "recursive/1"
    made = stages(outcome)
    asked = made["recursive/3/supervisor/label/pool_2.3"]["inputs"]["generation:1"]
    label = next(stage for stage in made.values() if stage["key"] == asked)
    assert label["inputs"]["ref"] == made["recursive/1/student/train"]["key"]


@pytest.mark.slow(seconds=5)
def test_over_seeds_bad_generations_are_rolled_back_and_sound_ones_are_not(run: Run) -> None:
    """As ``benchmarks/promotion.py``, on fewer seeds."""
    sets = ["seed=[10, 11, 12, 13]", "phases.recursive.repeat.max_rounds=2"]
    sets += ["phases.bootstrap.evaluate=[accuracy]", "phases.recursive.evaluate=[accuracy]"]
    sets += ["baselines=[]", "task.splits.pool_2=1200"]
    for noise, promoted in (([], True), ([NOISE.replace("0.5", "0.4")], False)):
        found = [row for row in rounds_of(run(*sets, *noise)) if row["round"] == 2]
        assert [row["promoted"] for row in found] == [promoted] * 4


def test_a_supervisor_at_chance_labels_nothing(run: Run) -> None:
    outcome = run("models.mid.letters=0", SMALL)  # a student that reads no letter of any word
    assert outcome.results is not None
    (gate,) = outcome.results["rounds"]
    assert gate["round"] == 0
    assert gate["stop"].startswith("the first supervisor labels nothing: accuracy")
    assert not [name for name in stages(outcome) if name.startswith("recursive/1")]
    assert _value(outcome, "recursive", "student", "accuracy") == _value(
        outcome, "bootstrap", "student", "accuracy"
    )


def test_without_enforcing_bad_students_supervise_and_the_test_is_still_recorded(run: Run) -> None:
    found = rounds_of(run(NOISE, "phases.recursive.repeat.promote.enforce=false"))
    assert [row["promoted"] for row in found] == [True, True, True]
    assert found[1]["reason"] and found[2]["supervisor"] == "recursive/2"


def test_without_promote_every_student_supervises_the_next(run: Run) -> None:
    sets = ["phases.recursive.repeat.promote=null", "phases.recursive.evaluate=[accuracy]"]
    sets += [NOISE, SMALL]
    found = rounds_of(run(*sets))
    assert [row["supervisor"] for row in found] == ["bootstrap", "recursive/1", "recursive/2"]
    assert [row["tests"] for row in found] == [[], [], []]


def test_patience_ends_the_loop(run: Run) -> None:
    always = "phases.recursive.refine=[{use: label_noise, rate: 0.5}]"
    found = rounds_of(run(always, "phases.recursive.repeat.patience=2", SMALL))
    assert [row["promoted"] for row in found] == [False, False]
    assert found[-1]["stop"] == "2 students in a row were not promoted"


def test_bounds_of_any_metric_roll_back(run: Run) -> None:
    limit = "phases.recursive.repeat.promote.bounds={flips: {max: 0.0}}"
    found = rounds_of(run(limit, SMALL))
    assert not any(row["promoted"] for row in found)
    assert "flips is 0." in found[0]["reason"] and "not at most 0" in found[0]["reason"]


def test_another_rule_with_the_same_outcome_runs_no_training_again(run: Run) -> None:
    first = run()
    again = run("phases.recursive.repeat.promote.delta=0.03")
    assert [r["promoted"] for r in rounds_of(again)] == [r["promoted"] for r in rounds_of(first)]
    lines = map(json.loads, (again.folder / "events.jsonl").read_text().splitlines())
    assert {e["kind"] for e in lines if e.get("status") == "ran"} == {"decide"}


def test_runs_diff_tells_which_rounds_were_decided_otherwise(run: Run) -> None:
    from w2s_toolkit.compare.runs import compare_runs
    from w2s_toolkit.compare.show import plain_lines

    limit = "phases.recursive.repeat.promote.bounds={flips: {max: 0.0}}"
    free, bound = run(SMALL), run(SMALL, limit)
    found = compare_runs(free.folder, bound.folder, Registry())
    changed = [(r["round"], r["a"]["promoted"], r["b"]["promoted"]) for r in found["decisions"]]
    promoted = [r["round"] for r in rounds_of(free) if r["promoted"]]
    assert changed == [(number, 1, 0) for number in promoted] and changed
    assert f"  recursive: round {promoted[0]} promoted: A 1 of 1, B 0 of 1" in plain_lines(found)
    assert compare_runs(free.folder, free.folder, Registry())["decisions"] == []


def test_a_plugin_may_stop_the_loop_and_watch_its_rounds(run: Run) -> None:
    seen: list[Any] = []

    def w2s_should_stop(history: Any, phase: str) -> bool | None:
        seen.append((phase, [row["round"] for row in history], history[-1]["metrics"]))
        return True if len(history) == 2 else None

    def w2s_round_finished(round: Any) -> None:
        seen.append((round["phase"], round["index"], round["promoted"]))

    module = types.ModuleType("stopper")
    for hook in (w2s_should_stop, w2s_round_finished):
        setattr(module, hook.__name__, hookimpl(hook))
    registry = Registry()
    registry._manager.register(module, name="stopper")
    found = rounds_of(run(SMALL, registry=registry))
    assert len(found) == 2 and found[-1]["stop"] == "plugin 'stopper' said so"
    assert [one[1] for one in seen] == [1, [1], 2, [1, 2]]
    assert 0 <= seen[1][2]["kept"] <= 1, "metrics of the anchor set"


def test_a_plugin_that_fails_when_asked_is_named(run: Run) -> None:
    def w2s_should_stop(history: Any) -> bool | None:
        raise ZeroDivisionError("oh")

    module = types.ModuleType("broken")
    module.w2s_should_stop = hookimpl(w2s_should_stop)  # type: ignore[attr-defined]
    registry = Registry()
    registry._manager.register(module, name="broken")
    with pytest.raises(AssertionError) as failed:
        run(SMALL, registry=registry)
    assert "w2s_should_stop of plugin 'broken': ZeroDivisionError: oh" in str(failed.value)


@pytest.mark.slow(seconds=8)
def test_seeds_side_by_side_give_the_bytes_of_one_after_the_other(run: Run) -> None:
    sets = ["seed=[0, 1]", "task.split_seed=1", SMALL]
    alone = run(*sets, store=Path("one"), jobs=1, threads=2)
    beside = run(*sets, store=Path("two"), jobs=2, threads=2)
    results = [(one.folder / "results.json").read_bytes() for one in (alone, beside)]
    assert results[0] == results[1]
    assert alone.results is not None
    joined = [r for r in alone.results["summary"] if r["phase"] == "recursive"]
    assert joined and all(row["seeds"] == [0, 1] for row in joined)
    rounds = {(r["phase"], tuple(r["seeds"])) for r in alone.results["summary"]}
    assert ("recursive/1", (0, 1)) in rounds


def test_cells_that_share_decisions_each_get_their_results(run: Run) -> None:
    axis = "matrix.phases.recursive.evaluate=[[accuracy], [accuracy, toy_mean]]"
    first = run(axis, SMALL)
    assert first.results is not None
    decided = [s for s in stages(first).values() if s["kind"] == "decide"]
    assert all(stage["cells"] == [0, 1] for stage in decided) and len(decided) == 4
    per_cell = [[r for r in first.results["rounds"] if r["cell"] == cell] for cell in (0, 1)]
    assert len(per_cell[0]) == len(per_cell[1]) == 4
    means = [r for r in first.results["rows"] if r["metric"] == "mean_p"]
    assert {r["cell"] for r in means} == {1} and {r["phase"] for r in means} >= {"recursive/3"}
    again = run(axis, SMALL)
    results = [(one.folder / "results.json").read_bytes() for one in (first, again)]
    assert again.ran == 0 and results[0] == results[1]


TRAINS = ("fit", "member", "train", "refine", "build")
"""Stages that learn from rows: teachers, members, students and ceilings, calibration, ensembles."""


def _rows_of(outcome: Outcome, *names: str) -> tuple[set[str], set[str]]:
    """Ids and groups of splits, or of their parts."""
    found = [
        Dataset.read(outcome.folder / "stages" / f"split/{name}" / "data.parquet") for name in names
    ]
    return {i for data in found for i in data.ids}, {g for data in found for g in data.groups}


def _ids_read(outcome: Outcome) -> dict[str, set[str]]:
    """Stage -> ids of all rows whose data or labels it was handed, for every stage that learns.

    Everything in the folders of its inputs counts, but the models it starts from. Of a split of
    which a member is trained on a sample, the rows of the sample do.
    """
    made = {stage["key"]: stage for stage in stages(outcome).values()}
    read: dict[str, set[str]] = {}
    for stage in made.values():
        if stage["kind"] not in TRAINS:
            continue
        found = read.setdefault(stage["id"], set())
        for parent in stage["inputs"].values():
            folder = outcome.folder.parent.parent / "store" / "objects" / parent[:2] / parent
            for name in ("data.parquet", "labels.parquet"):
                if (folder / name).exists():
                    found |= set(pq.read_table(folder / name, columns=["id"])["id"].to_pylist())
    return read


def test_anchor_and_test_rows_reach_no_training(run: Run) -> None:
    sets = ["phases.bootstrap.ensemble={use: toy_bag, members: 3}", NOISE, SMALL]
    sets += ["phases.bootstrap.refine=[{use: calibrate, on: val}]"]
    sets += ["phases.bootstrap.oversight=[{use: toy_hint}]"]
    outcome = run(*sets, "phases.bootstrap.supervisors.toy_bayes.choose_on=val")
    kept, kept_groups = _rows_of(outcome, "test", "anchor.test")
    calibrating, calibrating_groups = _rows_of(outcome, "anchor.cal")
    anchor, _ = _rows_of(outcome, "anchor")
    assert kept and calibrating and calibrating <= anchor and not kept & calibrating
    assert not kept_groups & calibrating_groups, "groups are never cut"
    folds = [_rows_of(outcome, f"pool_2.{number}") for number in (1, 2, 3)]
    assert sum(len(ids) for ids, _ in folds) == len(set.union(*(ids for ids, _ in folds))) == 600
    assert sum(len(g) for _, g in folds) == len(set.union(*(g for _, g in folds)))
    read = _ids_read(outcome)
    made = stages(outcome)
    assert {made[name]["kind"] for name in read} == set(TRAINS)
    assert len([name for name in read if made[name]["kind"] == "member"]) == 3
    for name, seen in read.items():
        assert seen and not seen & kept, name
        if seen & calibrating:
            assert made[name]["component"] == "supervisors/auto_aligner", name


def test_protocols_have_the_promoted_student_as_judge_and_may_hear_the_next(run: Run) -> None:
    hint = "phases.recursive.oversight=[{use: toy_hint, debater: '@next.student'}]"
    outcome = run(hint, SMALL, "phases.recursive.repeat.promote.enforce=false")
    made = stages(outcome)
    judges = {
        "recursive/1": "bootstrap",
        "recursive/2": "recursive/1",
        "recursive/3": "recursive/2",
    }
    for number, judge in enumerate(judges.values(), 1):
        stage = made[f"recursive/{number}/oversight/0/toy_hint/pool_2.{number}"]
        trained = made[f"{judge}/student/train"]["key"]
        assert stage["inputs"]["judge"] == trained and list(stage["models"]) == ["strong"]
        folder = outcome.folder / "stages" / stage["id"]
        shown = next(iter(Dataset.read(folder / "data.parquet"))).evidence
        assert shown is not None and f"students/toy_linear {trained} None" in shown
    labelled = made["recursive/2/supervisor/generation 1/label/pool_2.2"]["inputs"]["data"]
    assert labelled == made["recursive/2/oversight/0/toy_hint/pool_2.2"]["key"]


def test_all_generations_may_supervise_together(run: Run) -> None:
    aligner = "phases.recursive.supervisors=[{use: auto_aligner, generations: all, method: platt}]"
    outcome = run(aligner, SMALL, "phases.recursive.repeat.promote.enforce=false")
    inputs = stages(outcome)["recursive/3/supervisor/label/pool_2.3"]["inputs"]
    assert sorted(slot for slot in inputs if slot.startswith("generation")) == [
        "generation:0", "generation:1", "generation:2",
    ]  # fmt: skip


def test_a_phase_after_the_loop_begins_with_what_it_came_to(run: Run, recipe: Path) -> None:
    more = """\
  - name: after
    pool: spare
    supervisors: [{use: auto_aligner, model: "@phase.recursive.student", train_on: val}]
    student: {use: toy_linear, model: strong}
    evaluate: [accuracy]
"""
    recipe.write_text(recipe.read_text() + more)
    outcome = run(f"{SMALL[:-1]}, spare: 200}}", NOISE.replace("[2]", "[3]"))
    made = stages(outcome)
    last = [row for row in rounds_of(outcome) if row["promoted"]][-1]["round"]
    asked = made["after/supervisor/label/spare"]["inputs"]
    (generation,) = [key for slot, key in asked.items() if slot.startswith("generation")]
    label = next(stage for stage in made.values() if stage["key"] == generation)
    assert label["inputs"]["ref"] == made[f"recursive/{last}/student/train"]["key"]


def test_signatures_tell_of_drift_and_of_imitation() -> None:
    from w2s_toolkit.signatures import failure_signatures

    def row(phase: str, metric: str, value: float) -> dict[str, Any]:
        head = {"group": {}, "phase": phase, "role": "student", "split": "test"}
        return {**head, "metric": metric, "value": value}

    summary = [row("loop", "accuracy", 0.7)]
    for number, agreement, accuracy in ((1, 0.8, 0.8), (2, 0.9, 0.75), (3, 0.95, 0.7)):
        summary += [row(f"loop/{number}", "accuracy", accuracy)]
        summary += [row(f"loop/{number}", "agreement", agreement)]
    bad = {"name": "kept", "value": 0.5, "low": None, "passed": False}
    rounds = [
        {"cell": 0, "phase": "loop", "round": 1, "tests": [], "metrics": {"prior_shift": 0.1}},
        {"cell": 0, "phase": "loop", "round": 2, "tests": [bad], "metrics": {"prior_shift": 0.5}},
    ]
    results = {"summary": summary, "rounds": rounds, "cells": [{"axes": {"seed": 0}}]}
    found = {one["name"]: one["message"] for one in failure_signatures(results)}
    assert found["drift_out_of_bounds"] == "round 2: kept is 0.500, out of its bounds"
    assert "rises from 0.800 to 0.950" in found["imitation"]
    assert "round 2: the shares of classes" in found["answers_collapsed"]
    calm = {**results, "summary": [r | {"value": 0.8} for r in summary], "rounds": []}
    assert not [one for one in failure_signatures(calm) if one["name"] == "imitation"]
