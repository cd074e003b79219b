"""What is refused before anything runs, and what a plan shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit.errors import RecipeError
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry

REPEAT = "phases.recursive.repeat"
WRONG = {
    "an unknown form": (f"{REPEAT}.start='@previous.student'", "'@previous.student' is no student"),
    "an unknown phase": (f"{REPEAT}.start='@phase.bootstrp.student'", "did you mean 'bootstrap'"),
    "its own phase": (f"{REPEAT}.start='@phase.recursive.student'", "comes no earlier than this one"),
    "a start elsewhere": (
        "phases.recursive.supervisors.auto_aligner.model='@phase.bootstrap.student'",
        "in a repeated phase the supervisor is @prev.student",
    ),
    "no student before": ("phases.bootstrap.student=null", "phase 'bootstrap' trains no student"),
    "no phase before": (
        "phases.bootstrap.supervisors=[{use: auto_aligner}]",
        "there is no phase before this one whose student could supervise",
    ),
    "a student as a model": (
        "phases.recursive.student.model='@prev.student'",
        "models: has no entry '@prev.student'",
    ),
    "a fitted teacher made of a student": (
        "phases.bootstrap.supervisors.toy_bayes.model='@prev.student'",
        "'toy_bayes' cannot use '@prev.student'",
    ),
    "an ensemble": (
        "phases.recursive.ensemble={use: toy_bag}",
        "'auto_aligner' is made of earlier students",
    ),
    "a short ladder": (
        "phases.recursive={name: recursive, pool: {split: pool_2, fold_by_round: true}, "
        "repeat: {max_rounds: 3}, supervisors: [{use: auto_aligner, train_on: val}], "
        "ladder: [{use: toy_linear, model: mid}], evaluate: [accuracy]}",
        "the ladder has 1 students for 3 rounds",
    ),
    "student and ladder": (
        "phases.recursive.ladder=[{use: toy_linear, model: mid}, {use: toy_linear, model: mid}, "
        "{use: toy_linear, model: mid}]",
        "either one student or a ladder",
    ),
    "a ladder without rounds": (
        "phases.bootstrap.ladder=[{use: toy_linear, model: mid}]",
        "a ladder has one student a round, but the phase is not repeated",
    ),
    "folds without rounds": (
        "phases.bootstrap.pool={split: pool, fold_by_round: true}",
        "folded by round, but the phase is not repeated",
    ),
    "no student": ("phases.recursive.student=null", "trains a student in every round"),
    "a pool too small": ("task.splits.pool_2=5", "too few to be cut into 3 folds"),
    "an unfolded pool": ("phases.recursive.pool=pool_2", "from round 2 on the supervisor would label"),
    "the pool of the phase before": (
        "phases.recursive.pool.split=pool",
        "on which it was trained in phase 'bootstrap'",
    ),
    "no such anchor": (f"{REPEAT}.promote.on=ancor", "did you mean 'anchor'"),
    "promotion on test": (f"{REPEAT}.promote.on=test", "on which results are measured"),
    "an anchor that trains a teacher": (
        "phases.bootstrap.supervisors.toy_bayes.train_on=anchor",
        "'anchor' is kept to test promotions in phase 'recursive', but here it trains",
    ),
    "an anchor that is a pool": ("phases.bootstrap.pool=anchor", "is labelled and trains a student"),
    "an anchor that calibrates elsewhere": (
        "phases.bootstrap.refine=[{use: calibrate, on: anchor}]",
        "but here it calibrates",
    ),
    "an anchor of which nothing calibrates": (
        f"{REPEAT}.promote.calibration_share=0",
        "calibration_share: 0 leaves no rows",
    ),
    "bounds of nothing": (
        "phases.recursive={name: recursive, pool: {split: pool_2, fold_by_round: true}, repeat: "
        "{max_rounds: 2, promote: {on: anchor, bounds: {ece: {max: 0.2}}}}, supervisors: "
        "[auto_aligner], student: {use: toy_linear, model: mid}, evaluate: [accuracy]}",
        "no evaluator of the phase measures the student on 'anchor'",
    ),
    "an anchor too small": (
        "task.splits.anchor=5",
        "'anchor' has 5 rows, too few to calibrate supervisors and to test promotions",
    ),
    "a bound without limits": (
        f"{REPEAT}.promote.bounds={{kept: {{}}}}",
        "a bound needs min, max or both",
    ),
    "bounds that nothing meets": (
        f"{REPEAT}.promote.bounds={{kept: {{min: 0.9, max: 0.2}}}}",
        "min 0.9 is above max 0.2",
    ),
    "rounds that do not exist": (
        "phases.recursive.refine=[{use: label_noise, rate: 0.1, rounds: [4]}]",
        "rounds are counted from 1 to 3",
    ),
    "an unknown key": (f"{REPEAT}.promote.deltaa=0.1", "did you mean 'delta'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_explained_before_anything_runs(recipe: Path, name: str) -> None:
    override, said = WRONG[name]
    with pytest.raises(RecipeError) as refused:
        load_recipe(recipe, Registry(), [override])
    assert said in str(refused.value), refused.value


def test_the_recipe_itself_is_right_and_its_resolved_form_as_well(
    run: Callable[..., Any], recipe: Path
) -> None:
    outcome = run(
        "task.splits={weak_train: 40, pool: 200, pool_2: 300, val: 40, anchor: 300, test: 60}"
    )
    resolved = load_recipe(outcome.folder / "resolved.yaml", Registry())
    assert resolved.cells[0].phases[1].folds == 3


def test_a_plan_shows_what_is_pending_and_later_everything(
    w2s: Callable[..., Any], run: Callable[..., Any], recipe: Path
) -> None:
    small = "task.splits={weak_train: 40, pool: 200, pool_2: 300, val: 40, anchor: 300, test: 60}"
    before = w2s("plan", recipe, "--set", small, "--store", "store").stdout
    assert "first supervisor" in before and "recursive/1" not in before
    assert "1 decision pending: more will follow" in before
    asked = ("explain", recipe, "recursive/2/decide", "--set", small, "--store", "store")
    refused = w2s(*asked).stderr
    assert "more follow once this is decided: recursive/first supervisor" in refused
    outcome = run(small)
    after = w2s("plan", recipe, "--set", small, "--store", "store").stdout
    assert "pending" not in after and " 0 to run" in after
    assert after.count("decide") == len([r for r in outcome.results["rounds"] if r["round"]])


def test_a_plan_tells_of_students_that_no_round_is_left_for(
    w2s: Callable[..., Any], recipe: Path
) -> None:
    one = "{use: toy_linear, model: mid}"
    recipe.write_text(
        recipe.read_text().replace(
            "student: {use: toy_linear, model: strong}", f"ladder: [{', '.join([one] * 5)}]"
        )
    )
    said = w2s("plan", recipe, "--store", "store").stdout
    assert "has 5 students for 3 rounds: the last 2 will not be trained" in said


def test_bounds_name_the_metrics_there_are(run: Callable[..., Any]) -> None:
    small = "task.splits={weak_train: 40, pool: 200, pool_2: 300, val: 40, anchor: 600, test: 60}"
    with pytest.raises(AssertionError) as failed:
        run(small, f"{REPEAT}.promote.bounds={{flip: {{max: 0.1}}}}")
    assert "there is no metric 'flip'" in str(failed.value) and "flips" in str(failed.value)
