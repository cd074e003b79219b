"""Every failure signature is provoked, and is silent where nothing fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import LOSS, Results, metric, results_of
from walked import run_toy

from w2s_toolkit.signatures import failure_signatures

PROTOCOLS = "phases.bootstrap.oversight"


def said(results: Results) -> dict[str, str]:
    """Names of the signatures, with their messages."""
    return {one["name"]: one["message"] for one in failure_signatures(results)}


def settings(results: Results, **used: Any) -> Results:
    """With what every combination and phase used."""
    plain = {"loss": "xent", "oversight": [], "ensemble": ""}
    places = {(repr(r["group"]), r["phase"]): r for r in results["summary"]}
    rows = [{"group": r["group"], "phase": r["phase"], **plain} for r in places.values()]
    for row in rows:
        row |= {k: v(row) if callable(v) else v for k, v in used.items()}
    return {**results, "settings": rows}


def levels(**more: float) -> dict[str, float]:
    return {"weak_floor": 0.62, "supervisor": 0.62, "student": 0.70, "strong_ceiling": 0.85} | more


def sizes(accuracies: dict[str, float]) -> Results:
    """One supervisor and a phase a student, in this order."""
    results = results_of(phases=list(accuracies))
    for row in results["summary"]:
        if row["model"] == "strong":
            row["model"] = row["phase"]
        if row["role"] == "student" and row["metric"] == "accuracy":
            row |= metric(accuracies[row["phase"]])
    return settings(results)


def test_a_sound_run_has_none() -> None:
    sound = settings(
        results_of([{LOSS: "xent"}, {LOSS: "logconf"}]), loss=lambda r: r["group"][LOSS]
    )
    assert said(sound) == {}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("student_below_supervisor", levels(student=0.61)),
        ("ceiling_below_floor", levels(strong_ceiling=0.6)),
        ("student_above_ceiling", levels(student=0.9)),
    ],
)
def test_roles_in_the_wrong_order(name: str, found: dict[str, float]) -> None:
    assert name in said(results_of(levels=found))
    assert name not in said(results_of(levels=levels()))


def test_a_gap_too_small_for_pgr() -> None:
    reason = "the gap between ceiling and floor is 0.0040, below 0.0100"
    assert said(results_of(pgr=metric(None, reason=reason)))["gap_too_small_for_pgr"] == reason


def test_larger_students_that_learn_no_more() -> None:
    message = said(sizes({"s": 0.70, "m": 0.72, "l": 0.71}))["no_gain_from_size"]
    assert "under weak: s 0.700, m 0.720, l 0.710; the largest learns no more than m" in message
    assert "no_gain_from_size" not in said(sizes({"s": 0.70, "m": 0.72, "l": 0.75}))
    # One that is at its ceiling has nothing left to gain.
    assert "no_gain_from_size" not in said(sizes({"s": 0.86, "l": 0.85}))
    # A recipe may name the larger one first.
    turned = sizes({"l": 0.72, "s": 0.70})
    assert "no_gain_from_size" not in said({**turned, "models": ["weak", "s", "l"]})
    assert "no_gain_from_size" in said({**turned, "models": ["weak", "l", "s"]})
    for row in turned["summary"]:
        if row["role"] == "strong_ceiling" and row["metric"] == "accuracy":
            row |= metric(0.85 if row["phase"] == "l" else 0.75)
    assert "no_gain_from_size" not in said(turned)
    # Students of rounds have other supervisors each.
    assert "no_gain_from_size" not in said(sizes({"loop/1": 0.72, "loop/2": 0.70}))


def test_a_confidence_loss_that_does_worse() -> None:
    # The second combination scores 0.01 more than the first.
    worse = settings(
        results_of([{LOSS: "logconf"}, {LOSS: "xent"}]), loss=lambda r: r["group"][LOSS]
    )
    assert said(worse)["logconf_below_xent"] == (
        "logconf (0.700) does worse than xent (0.710); their intervals overlap"
    )
    # Phases that differ in the loss alone are compared too, but not where something else differs.
    phases = results_of(phases=("a", "b"))
    for row in phases["summary"]:
        if row["phase"] == "b" and row["role"] == "student" and row["metric"] == "accuracy":
            row |= metric(0.8)
    by_phase = settings(phases, loss=lambda r: {"a": "logconf", "b": "xent"}[r["phase"]])
    assert "logconf_below_xent" in said(by_phase)
    other = settings(phases, loss=lambda r: {"a": "logconf", "b": "xent"}[r["phase"]],
                     ensemble=lambda r: {"a": "", "b": "bagging"}[r["phase"]])  # fmt: skip
    assert "logconf_below_xent" not in said(other)


def test_oversight_that_lowers_accuracy() -> None:
    worse = results_of(levels=levels(supervisor=0.55))
    message = said(settings(worse, oversight=["debate"]))["oversight_lowers_accuracy"]
    assert message == "with debate the judge is right on 0.550, without it on 0.620"
    assert "oversight_lowers_accuracy" not in said(settings(worse))
    better = results_of(levels=levels(supervisor=0.66))
    assert "oversight_lowers_accuracy" not in said(settings(better, oversight=["debate"]))


@pytest.mark.parametrize(("whole", "warns"), [(0.70, True), (0.72, True), (0.75, False)])
def test_an_ensemble_no_better_than_its_best_member(whole: float, warns: bool) -> None:
    results = results_of(seeds=(0, 1))
    head = {"phase": "bootstrap", "split": "test", "component": "ensemblers/bagging"}
    results["ensembles"] = [
        {**head, "cell": cell, "accuracy": whole, "members": [0.6, 0.74, 0.7], "best": 0.72}
        for cell in (0, 1)
    ]
    assert ("ensemble_no_better" in said(results)) == warns
    results["ensembles"][0] |= {"split": "anchor"}  # nobody else is scored there
    results["ensembles"][1] |= {"split": "anchor"}
    assert "ensemble_no_better" not in said(results)


def test_members_of_a_real_ensemble_are_scored(toy_recipe: Path) -> None:
    run = run_toy(toy_recipe, "phases.first.ensemble={use: toy_bag, members: 4}")
    results = json.loads((run / "results.json").read_text())
    (found,) = results["ensembles"]
    gold = pd.read_parquet(run / "predictions/first/supervisor-test.parquet").set_index("id")[
        "gold"
    ]
    for number, accuracy in enumerate(found["members"]):
        stage = run / f"stages/first/supervisor/member {number}/label test/labels.parquet"
        labels = pd.read_parquet(stage).set_index("id")
        right = (labels["p1"] > labels["p0"]).astype(int).loc[gold.index] == gold
        assert accuracy == pytest.approx(right.mean())
    assert len(found["members"]) == 4
    assert min(found["members"]) <= found["best"] <= max(found["members"])
    assert results["settings"] == [
        {"group": {}, "phase": "first", "loss": "", "oversight": [], "ensemble": "toy_bag"}
    ]


def test_boosting_of_a_learner_at_chance_collapses(toy_recipe: Path) -> None:
    run = run_toy(
        toy_recipe,
        "phases.first.ensemble={use: adaboost, rounds: 3, cross_fit: 2}",
        "phases.first.supervisors.toy_bayes.choose_on=val",
    )
    found = said(json.loads((run / "results.json").read_text()))
    assert found["boosting_collapsed"].startswith("boosting came to a single member: ")
    assert "Boosting collapsed." in (run / "report.html").read_text()
