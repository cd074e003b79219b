"""Members that are trained on nothing: hosted or zero-shot models, labels from a file, beside trained ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from events import ran

from w2s_toolkit import load_run

TRAINED = "{use: toy_bayes, model: weak, train_on: weak_train}"


@pytest.fixture
def labels(tmp_path: Path, toy_recipe: Path) -> list[str]:
    """Two supervisors that are files of labels, of which the second is right more often."""
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for name, wrong in (("a", 3), ("b", 5)):
        rows = []
        for number, line in enumerate(lines):
            right = (line["opinion"] == "positive") ^ (number % wrong == 0)
            rows.append({"text": line["text"], "probs": [0.1, 0.9] if right else [0.8, 0.2]})
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return [f"{{use: labels_file, path: {name}.jsonl}}" for name in ("a", "b")]


def sets(supervisors: list[str], ensemble: str) -> list[str]:
    given = {"supervisors": f"[{', '.join(supervisors)}]", "ensemble": f"{{{ensemble}}}"}
    return [w for k, v in given.items() for w in ("--set", f"phases.first.{k}={v}")]


def probability(run: Any, role: str) -> Any:
    return run.predictions(role, "test").set_index("id")["p1"]


def of_member(run: Any, number: int) -> Any:
    import pandas as pd

    folder = run.stage(f"first/supervisor/member {number}/label test")
    return pd.read_parquet(folder / "labels.parquet").set_index("id")["p1"]


def test_a_file_and_a_trained_model_are_combined(
    w2s: Any, toy_recipe: Path, labels: list[str]
) -> None:
    bag = sets([labels[0], TRAINED], "use: bagging, members: 2, by: [models]")
    stages = ran(w2s, toy_recipe, *bag)
    assert [s for s in stages if s.endswith("/fit")] == ["first/supervisor/member 1/fit"]
    run = load_run("last")
    # The first is the naive floor as well, and asked once for both.
    assert "first/supervisor/member 0/label test" not in stages
    got = probability(run, "supervisor")
    mean = (probability(run, "weak_floor") + of_member(run, 1)) / 2
    assert (mean.loc[got.index] - got).abs().max() < 1e-12
    rows = json.loads((run.path / "results.json").read_text())["rows"]
    models = {row["role"]: row["model"] for row in rows}
    assert (models["supervisor"], models["weak_floor"]) == ("labels_file + weak", "labels_file")
    assert ran(w2s, toy_recipe, *bag) == []
    # Another file in its place: the trained member stays.
    changed = sets([labels[1], TRAINED], "use: bagging, members: 2, by: [models]")
    assert not [s for s in ran(w2s, toy_recipe, *changed) if "member 1" in s]


def test_what_is_never_trained_needs_no_gold(w2s: Any, toy_recipe: Path, labels: list[str]) -> None:
    no_ceiling = ["--set", "baselines=[weak_floor]", "--set", "phases.first.evaluate=[accuracy]"]
    bag = sets(labels, "use: bagging, members: 2, by: [models], combine: log_odds")
    ran(w2s, toy_recipe, *bag, *no_ceiling)
    assert not json.loads((load_run("last").path / "results.json").read_text())["gold_labels"]


def test_weights_are_learned_on_validation_data(
    w2s: Any, toy_recipe: Path, labels: list[str]
) -> None:
    ensemble = "use: bagging, members: 2, by: [models], combine: gate, choose_on: val"
    ran(w2s, toy_recipe, *sets(labels, ensemble))
    run = load_run("last")
    built = json.loads((run.stage("first/supervisor/build") / "ref.json").read_text())
    worse, better = built["details"]["combine"]["weights"]
    assert better > worse


@pytest.mark.parametrize(
    ("trained", "ensemble", "says"),
    [
        (False, "use: bagging, members: 3, by: [models]", "set members: 2"),
        (False, "use: bagging, members: 2", "set by: [models]"),
        (True, "use: bagging, members: 4", "set members: 2"),
        (True, "use: adaboost, rounds: 2", "it trains its members"),
        (True, "use: gradient_boosting, rounds: 2", "it trains its members"),
        (True, "use: toy_bag, members: 2", "it trains its members"),
        (True, "use: writers, members: 2", "trained to write"),
        (True, "use: bagging, members: 2, size: oob", "trained on none"),
    ],
)
def test_ensembles_that_would_train_them_are_refused_with_the_recipe(
    w2s: Any, toy_recipe: Path, labels: list[str], trained: bool, ensemble: str, says: str
) -> None:
    supervisors = [labels[0], TRAINED if trained else labels[1]]
    done = w2s("validate", toy_recipe, *sets(supervisors, ensemble))
    assert done.returncode == 2
    assert "'labels_file' here is trained on nothing" in done.stderr and says in done.stderr


def test_a_trained_member_behind_one_that_is_not_labels_no_rows_it_was_trained_on(
    w2s: Any, toy_recipe: Path, labels: list[str]
) -> None:
    bag = sets([labels[0], TRAINED], "use: bagging, members: 2, by: [models]")
    done = w2s("validate", toy_recipe, *bag, "--set", "phases.first.pool=weak_train")
    assert done.returncode == 2
    assert "would label 'weak_train', on which it was trained" in done.stderr


def test_what_cannot_be_a_member_is_refused_with_the_recipe(
    w2s: Any, toy_recipe: Path, labels: list[str]
) -> None:
    bag = "use: bagging, members: 2, by: [models]"

    def told(*supervisors: str) -> str:
        done = w2s("validate", toy_recipe, *sets(list(supervisors), bag))
        assert done.returncode == 2 and "Traceback" not in done.stderr
        return str(done.stderr)

    assert "says the same as another" in told(labels[0], labels[0])
    for split in ("null", "val"):
        aligner = f'{{use: auto_aligner, model: "@prev.student", train_on: {split}}}'
        assert "cannot be a member of an ensemble" in told(TRAINED, aligner)
    judge = "{use: judge, model: weak, train_on: weak_train, shots: 2}"
    assert "'judge' cannot be trained as a member" in told(TRAINED, judge)
    untrained = "{use: finetuned, model: weak, train_on: null}"
    assert "finetuned is trained on gold labels" in told(labels[0], untrained)


def test_the_plan_tells_of_an_ensemble_that_nothing_is_trained_for(
    w2s: Any, toy_recipe: Path, labels: list[str]
) -> None:
    bag = sets(labels, "use: bagging, members: 2, by: [models]")
    ran(w2s, toy_recipe, *bag)
    other = sets(labels, "use: bagging, members: 2, by: [models], combine: vote")
    lines = w2s("plan", toy_recipe, *other).stdout.splitlines()
    told = next(line for line in lines if "build " in line)
    assert "mean → vote" in told and "member" not in told
