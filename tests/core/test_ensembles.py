"""Members of an ensemble as stages: shared, resumed, run side by side, and kept as long as it is."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from events import ran

from w2s_toolkit import load_run

BAG = ["--set", "phases.first.ensemble={use: toy_bag, members: 4}"]


def members(stages: list[str]) -> list[str]:
    return sorted(s for s in stages if s.endswith("/fit") and "/member" in s)


def test_four_members_grow_to_eight_by_training_four(w2s: Any, toy_recipe: Path) -> None:
    first = ran(w2s, toy_recipe, *BAG)
    assert members(first) == [f"first/supervisor/member {i}/fit" for i in range(4)]
    assert ran(w2s, toy_recipe, *BAG) == []
    more = ran(w2s, toy_recipe, "--set", "phases.first.ensemble={use: toy_bag, members: 8}")
    assert members(more) == [f"first/supervisor/member {i}/fit" for i in range(4, 8)]
    assert "first/supervisor/build" in more


def test_the_plan_tells_how_many_members_are_there(
    w2s: Any, toy_recipe: Path, tmp_path: Path
) -> None:
    def told(*args: object) -> str:
        lines = w2s("plan", toy_recipe, *args).stdout.splitlines()
        return next(line for line in lines if line.strip().startswith("build "))

    more = ("--set", "phases.first.ensemble={use: toy_bag, members: 8}")
    assert "member" not in told(*BAG).partition("to run")[2]  # there is no data yet
    ran(w2s, toy_recipe, *BAG)
    before = sorted(path for path in tmp_path.rglob("*") if "lock" not in path.name)
    assert "4 of 8 members cached" in told(*more)
    assert sorted(path for path in tmp_path.rglob("*") if "lock" not in path.name) == before
    # Who asks for more once it has heard of the first is waited for.
    later = ("--set", "phases.first.ensemble={use: toy_bag, halves: true}")
    assert "2 of 2 members cached, more will be asked for" in told(*later)


def test_the_floor_is_one_supervisor_and_the_supervisor_the_ensemble(
    w2s: Any, toy_recipe: Path
) -> None:
    ran(w2s, toy_recipe)
    alone = load_run("last")
    ran(w2s, toy_recipe, *BAG)
    both = load_run("last")

    def labels(run: Any, role: str) -> pd.DataFrame:
        return run.predictions(role, "test").set_index("id")["p1"]

    assert labels(both, "weak_floor").equals(labels(alone, "weak_floor"))
    frames = [
        pd.read_parquet(both.stage(f"first/supervisor/member {i}/label test") / "labels.parquet")
        for i in range(4)
    ]
    mean = sum(f.set_index("id")["p1"] for f in frames) / 4
    got = labels(both, "supervisor")
    assert (mean.loc[got.index] - got).abs().max() < 1e-12
    assert not got.equals(labels(both, "weak_floor"))


def test_members_that_depend_on_others_are_asked_for_later(w2s: Any, toy_recipe: Path) -> None:
    stages = ran(w2s, toy_recipe, "--set", "phases.first.ensemble={use: toy_bag, halves: true}")
    assert members(stages) == [f"first/supervisor/member {i}/fit" for i in range(4)]
    order = [s for s in stages if "/member" in s]
    assert order.index("first/supervisor/member 1/label weak_train") < order.index(
        "first/supervisor/member 2/fit"
    )
    # What they are does not depend on when they were asked for.
    assert not members(ran(w2s, toy_recipe, *BAG))


@pytest.mark.parametrize("executor", ["inprocess", "workers"])
def test_a_member_that_fails_leaves_the_others_done(
    w2s: Any, toy_recipe: Path, executor: str
) -> None:
    jobs = ["--executor", executor, "--jobs", 1 if executor == "inprocess" else 2, "--threads", 2]
    broken = ["--set", "phases.first.supervisors.toy_bayes.fail=member 2"]
    done = w2s("run", toy_recipe, *BAG, *jobs, *broken)
    assert done.returncode == 1
    assert "stage first/supervisor/member 2/fit: supervisor 'toy_bayes'" in done.stderr
    assert "this member was told to fail" in done.stderr
    assert "Traceback" not in done.stderr
    again = members(ran(w2s, toy_recipe, *BAG, *jobs))
    assert "first/supervisor/member 2/fit" in again
    assert not {"first/supervisor/member 0/fit", "first/supervisor/member 1/fit"} & set(again)


def test_side_by_side_gives_the_same_bytes(w2s: Any, toy_recipe: Path, tmp_path: Path) -> None:
    results = []
    for jobs in (1, 2):
        place = ["--store", tmp_path / f"s{jobs}", "--runs", tmp_path / f"r{jobs}"]
        done = w2s("run", toy_recipe, *BAG, *place, "--jobs", jobs, "--threads", 2)
        assert done.returncode == 0, done.stderr
        results.append((load_run("last", tmp_path / f"r{jobs}").path / "results.json").read_bytes())
    assert results[0] == results[1]


def test_several_supervisors_take_turns_as_members(w2s: Any, toy_recipe: Path) -> None:
    two = (
        "phases.first.supervisors=[{use: toy_bayes, model: weak, train_on: weak_train}, "
        "{use: toy_bayes, model: strong, train_on: weak_train}]"
    )
    missing = w2s("validate", toy_recipe, "--set", two)
    assert missing.returncode == 2 and "nothing combines them" in missing.stderr
    stages = ran(w2s, toy_recipe, *BAG, "--set", two)
    run = load_run("last")
    models = [
        list(json.loads((run.stage(s) / "manifest.json").read_text())["parts"]["models"].values())
        for s in members(stages)
    ]
    prints = [m[0]["fingerprint"] for m in models]
    assert prints[0] == prints[2] != prints[1] == prints[3]


def test_an_ensemble_of_what_is_not_trained_is_refused(w2s: Any, toy_recipe: Path) -> None:
    untrained = ["--set", "phases.first.supervisors.toy_bayes.train_on=null"]
    done = w2s("validate", toy_recipe, *BAG, *untrained)
    assert done.returncode == 2
    assert "it trains its members" in done.stderr


def test_what_is_chosen_on_gold_needs_a_split(w2s: Any, toy_recipe: Path) -> None:
    gate = "phases.first.ensemble={use: bagging, combine: gate}"
    done = w2s("validate", toy_recipe, "--set", gate)
    assert done.returncode == 2
    assert "'bagging' chooses on gold labels, but no split is named for it" in done.stderr
    assert (
        w2s("validate", toy_recipe, "--set", gate.replace("}", ", choose_on: val}")).returncode == 0
    )
    measured = ["--set", "phases.first.evaluate=[{use: accuracy, on: val}]"]
    done = w2s("validate", toy_recipe, "--set", gate.replace("}", ", choose_on: val}"), *measured)
    assert "it chooses size and weights of the ensemble" in done.stderr


def test_usage_and_cleaning_know_the_members(w2s: Any, toy_recipe: Path) -> None:
    ran(w2s, toy_recipe, *BAG)
    first = load_run("last").path
    ran(w2s, toy_recipe, *BAG)
    second = load_run("last").path
    old, new = (json.loads((p / "usage.json").read_text())["stages"] for p in (first, second))
    assert set(old) == set(new)
    assert len(members(list(new))) == 4
    (first / "plan.json").unlink()
    dry = json.loads(w2s("cache", "gc", "--dry-run", "--json").stdout)
    assert dry["objects"] == []
    (second / "plan.json").unlink()
    assert len(json.loads(w2s("cache", "gc", "--dry-run", "--json").stdout)["objects"]) > 20


def test_a_member_that_was_lost_is_made_again(w2s: Any, toy_recipe: Path) -> None:
    ran(w2s, toy_recipe, *BAG)
    run = load_run("last")
    (run.stage("first/supervisor/member 1/fit").resolve() / "manifest.json").unlink()
    stages = ran(
        w2s, toy_recipe, *BAG, "--set", "phases.first.evaluate=[accuracy, {use: accuracy, on: val}]"
    )
    assert members(stages) == ["first/supervisor/member 1/fit"]


def _keep_at_once(root: str, barrier: Any, failed: Any) -> None:
    """Store the same samples as another process, at the same moments."""
    from w2s_toolkit.stages.members import Members, Sample
    from w2s_toolkit.store import Store

    members = Members([], {}, Store(Path(root)), [], {}, "bag", "")
    for number in range(40):
        barrier.wait()
        try:
            members._keep(Sample(np.arange(number + 1)))
        except Exception as error:
            failed.put(str(error))


def test_two_ensembles_may_ask_for_the_same_sample_at_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, failed = spawn.Barrier(2), spawn.Queue()
    asking = [
        spawn.Process(target=_keep_at_once, args=(str(tmp_path), barrier, failed)) for _ in range(2)
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join(60)
    assert [one.exitcode for one in asking] == [0, 0]
    assert failed.empty()
