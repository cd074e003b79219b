"""Running: resume, sharing, failures, interruptions, damage, both executors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit import load_run
from w2s_toolkit.contracts import StageJob, StageOutcome
from w2s_toolkit.engine import Engine
from w2s_toolkit.errors import StageError
from w2s_toolkit.plan.export import plan_recipe
from w2s_toolkit.plan.graph import Graph, Stage
from w2s_toolkit.plan.why import Explainer
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import Outcome, run_recipe
from w2s_toolkit.store import Store

STORE, RUNS = Path("store"), Path("runs")


def _run(path: Path, *overrides: str, **more: Any) -> Outcome:
    registry = Registry()
    loaded = load_recipe(path, registry, overrides)
    return run_recipe(loaded, registry, store=STORE, runs=RUNS, quiet=True, **more)


def _events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["event"] == kind]


def test_a_run_leaves_a_whole_directory(toy_recipe: Path) -> None:
    outcome = _run(toy_recipe, "description=x")
    assert outcome.status == "done" and outcome.cached == 0
    names = {p.name for p in outcome.folder.iterdir()}
    assert {
        "recipe.yaml", "overrides.txt", "resolved.yaml", "plan.json", "env.json", "events.jsonl",
        "stages", "usage.json", "results.json", "report.html", "status", "predictions",
    } <= names  # fmt: skip
    assert (outcome.folder / "status").read_text() == "done\n"
    assert (outcome.folder / "recipe.yaml").read_text() == toy_recipe.read_text()
    assert (outcome.folder / "stages" / "first" / "student" / "train" / "ref.json").exists()
    text = (outcome.folder / "results.json").read_text()
    for word in (str(Path.cwd()), "seconds", "cached", os.uname().nodename):
        assert word not in text


def test_the_resolved_recipe_runs_nothing_new(toy_recipe: Path) -> None:
    first = _run(toy_recipe)
    again = _run(first.folder / "resolved.yaml")
    assert again.ran == 0


def test_the_second_run_runs_nothing_and_gives_the_same_bytes(toy_recipe: Path) -> None:
    first, second = _run(toy_recipe), _run(toy_recipe)
    assert second.ran == 0 and second.cached == first.ran
    assert (first.folder / "results.json").read_bytes() == (
        second.folder / "results.json"
    ).read_bytes()


@pytest.mark.slow(seconds=9)
def test_executors_give_the_same_bytes_and_share_keys(toy_recipe: Path) -> None:
    inside = _run(toy_recipe, "task.splits={weak_train: 20, pool: 40, test: 40}")
    again = _run(
        toy_recipe, "task.splits={weak_train: 20, pool: 40, test: 40}", executor="subprocess"
    )
    assert again.ran == 0
    STORE.rename("other")
    outside = _run(
        toy_recipe, "task.splits={weak_train: 20, pool: 40, test: 40}", executor="subprocess"
    )
    assert outside.cached == 0
    results = [(o.folder / "results.json").read_bytes() for o in (inside, outside)]
    assert results[0] == results[1]


def test_a_matrix_shares_stages_and_joins_seeds(toy_recipe: Path) -> None:
    outcome = _run(
        toy_recipe, "matrix.seed=[0, 1]", "matrix.phases.first.student.sharpen=[false, true]"
    )
    trained = [e["stage"] for e in _events(outcome.folder, "stage_finished")]
    assert sorted(s for s in trained if "ceiling/train" in s) == [
        "first/strong_ceiling/train[seed=0]",
        "first/strong_ceiling/train[seed=1]",
    ]
    assert len([s for s in trained if s.startswith("split/test")]) == 1
    assert len([s for s in trained if s.startswith("first/student/train")]) == 4
    assert outcome.results is not None
    pgr = [r for r in outcome.results["summary"] if r["metric"] == "pgr"]
    assert [r["seeds"] for r in pgr] == [[0, 1], [0, 1]]
    assert [r["group"]["phases.first.student.sharpen"] for r in pgr] == [False, True]


def test_evidence_reaches_the_supervisor_alone(toy_recipe: Path) -> None:
    outcome = _run(toy_recipe, "phases.first.oversight=[{use: toy_hint}]")
    graph = {s["id"]: s for s in json.loads((outcome.folder / "plan.json").read_text())["stages"]}
    assisted = {s["key"] for i, s in graph.items() if "/oversight/" in i}
    assert len(assisted) == 3, "weak_train, pool and test"
    readers = {i for i, s in graph.items() if assisted & set(s["inputs"].values())}
    assert readers == {
        "first/supervisor/fit",
        "first/supervisor/label/pool",
        "first/supervisor/label/test",
    }
    assert "first/weak_floor/fit" in graph, "the floor is always the naive weak model"


def test_refiners_change_what_the_student_learns_from(toy_recipe: Path) -> None:
    outcome = _run(toy_recipe, "phases.first.refine=[{use: toy_sharpen}]")
    graph = {s["id"]: s for s in json.loads((outcome.folder / "plan.json").read_text())["stages"]}
    refined = graph["first/refine/0/toy_sharpen"]["key"]
    assert graph["first/student/train"]["inputs"]["labels"] == refined
    assert outcome.results is not None
    gold = {g["stage"]: g["labels"] for g in outcome.results["gold_labels"]}
    assert gold["first/refine/0/toy_sharpen"] == 40 and gold["first/supervisor/fit"] == 40


def test_own_evaluators_without_aggregate_get_a_mean_over_seeds(toy_recipe: Path) -> None:
    outcome = _run(toy_recipe, "phases.first.evaluate=[toy_mean]", "seed=[0, 1]")
    assert outcome.results is not None
    rows = [r["value"] for r in outcome.results["rows"]]
    joined = next(r for r in outcome.results["summary"] if r["metric"] == "mean_p")
    assert joined["value"] == pytest.approx(sum(rows) / 2)


@pytest.mark.parametrize(("how", "said"), [("error", "told to fail"), ("bug", "ZeroDivisionError")])
def test_a_failing_stage_keeps_what_is_done_and_leaves_a_log(
    toy_recipe: Path, how: str, said: str
) -> None:
    failed = _run(toy_recipe, f"phases.first.student.fail={how}")
    assert failed.status == "failed" and said in str(failed.error)
    assert "stage first/student/train" in str(failed.error)
    logs = list((failed.folder / "logs").iterdir())
    assert "Traceback" in logs[0].read_text()
    fixed = _run(toy_recipe)
    assert fixed.status == "done" and fixed.cached == failed.ran


def test_a_crash_of_a_worker_process_is_one_failed_stage(toy_recipe: Path) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    from w2s_toolkit.executors.config import ExecutorConfig
    from w2s_toolkit.executors.subprocess import Subprocess

    executor = Subprocess(ExecutorConfig())
    job = StageJob("k", {}, "data", "data", ("", ""), {}, {}, {}, {}, 0, 1, "store")
    before = sys.executable
    try:
        script = Path("crash.sh")
        script.write_text(f"#!/bin/sh\nexec {before} -c '{code}'\n")
        script.chmod(0o755)
        sys.executable = str(script.absolute())
        outcome = executor.run(job, lambda event: None)
    finally:
        sys.executable = before
    assert "was killed" in outcome.error


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("executor", ["inprocess", "subprocess"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_stops_at_once_keeps_what_is_done_and_says_how_to_go_on(
    toy_recipe: Path, executor: str, number: signal.Signals
) -> None:
    command = [
        sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store",
        "--executor", executor,
    ]  # fmt: skip
    slow = ["--set", "phases.first.student.sleep=60"]
    process = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True)
    _wait_for('"stage_started", "stage": "first/student/train"')
    time.sleep(0.3)
    asked = time.monotonic()
    process.send_signal(number)
    _, shown = process.communicate(timeout=30)
    assert time.monotonic() - asked < 25, "the stage would have slept for a minute"
    assert process.returncode == 130
    assert "Stopped. 7 finished stages are kept" in shown
    assert "Go on with: w2s run" in shown
    assert "Traceback" not in shown
    assert not list(Path("store/tmp").iterdir())
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "7 cached" in done.stdout


def test_a_killed_run_leaves_no_worker_behind_and_goes_on(
    toy_recipe: Path, workers_here: Callable[[], list[int]]
) -> None:
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store"]
    slow = ["--executor", "subprocess", "--set", "phases.first.student.sleep=60"]
    process = subprocess.Popen([*command, *slow], stderr=subprocess.DEVNULL)
    _wait_for('"stage_started", "stage": "first/student/train"')
    time.sleep(1.0)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    run = load_run("last")
    assert run.status == "killed"
    while workers_here() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_here()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "7 cached" in done.stdout


def test_two_runs_at_once_make_each_stage_once(toy_recipe: Path) -> None:
    command = [
        sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store",
        "--set", "phases.first.student.sleep=1",
    ]  # fmt: skip
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [p.wait(timeout=120) for p in both] == [0, 0]
    ran = [
        e["stage"]
        for r in RUNS.iterdir()
        for e in _events(r, "stage_finished")
        if e["status"] == "ran"
    ]
    assert len(ran) == len(set(ran)) == 17


def test_a_damaged_artefact_is_made_again(toy_recipe: Path) -> None:
    first = _run(toy_recipe)
    model = first.folder / "stages" / "first" / "student" / "train" / "model" / "counts.json"
    model.write_text("{}")
    labels = first.folder / "stages" / "first" / "student" / "label" / "test"
    Store(STORE).remove(labels.resolve().name)
    again = _run(toy_recipe)
    ran = [e["stage"] for e in _events(again.folder, "stage_finished") if e["status"] == "ran"]
    assert ran == ["first/student/train", "first/student/label/test"]
    results = [(o.folder / "results.json").read_bytes() for o in (first, again)]
    assert results[0] == results[1]


def test_damage_found_only_when_results_are_read_is_mended(toy_recipe: Path) -> None:
    first = _run(toy_recipe)
    (first.folder / "stages/first/student/evaluate/pgr:test/metrics.json").write_text("{")
    again = _run(toy_recipe)
    assert again.status == "done" and again.ran == 1
    results = [(o.folder / "results.json").read_bytes() for o in (first, again)]
    assert results[0] == results[1]


def test_stages_of_one_process_share_objects() -> None:
    from w2s_toolkit.stages.context import StageContext
    from w2s_toolkit.stages.shared import SharedObjects

    shared = SharedObjects()
    built = []
    for _ in range(2):
        context = StageContext(out=Path("out"), scratch=Path("scratch"), shared=shared)
        context.shared("model", lambda: built.append(1))
    assert built == [1]


def test_usage_tells_what_each_stage_took(toy_recipe: Path) -> None:
    _run(toy_recipe)
    usage = json.loads((_run(toy_recipe).folder / "usage.json").read_text())
    assert usage["ran"] == {} and usage["seconds"] == 0
    assert usage["stages"]["first/supervisor/fit"]["counters"]["gold_labels"] == 40


def test_explanations_name_the_part_that_changed(toy_recipe: Path) -> None:
    _run(toy_recipe)
    loaded = load_recipe(toy_recipe, Registry(), ["phases.first.student.smoothing=3"])
    store = Store(STORE)
    graph = plan_recipe(loaded, store).graph
    explainer = Explainer(graph, store)
    by_name = {s.name: s for s in graph}
    assert explainer.why(by_name["first/student/train"]) == "config.smoothing: 1.0 → 3.0"
    assert "student/train ▸ config.smoothing: 1.0 → 3.0" in explainer.why(
        by_name["first/student/label/test"]
    )
    assert store.has(by_name["first/supervisor/fit"].key)


def test_an_observer_that_fails_is_logged_and_harmless(
    toy_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import types

    from w2s_toolkit.hookspecs import hookimpl

    seen = []

    def started(run: Any) -> None:
        raise RuntimeError("observer down")

    def finished(stage: Any) -> None:
        seen.append(stage["id"])

    module = types.ModuleType("watcher")
    module.w2s_run_started = hookimpl(started)  # type: ignore[attr-defined]
    module.w2s_stage_finished = hookimpl(finished)  # type: ignore[attr-defined]
    module.started, module.finished = started, finished  # type: ignore[attr-defined]
    registry = Registry()
    started.__name__, finished.__name__ = "w2s_run_started", "w2s_stage_finished"
    registry._manager.register(module, name="watcher")
    loaded = load_recipe(toy_recipe, registry)
    outcome = run_recipe(loaded, registry, store=STORE, runs=RUNS, quiet=True)
    assert outcome.status == "done" and len(seen) == outcome.ran
    assert _events(outcome.folder, "observer_error")[0]["error"] == "RuntimeError: observer down"


class _Recorder:
    """An executor that commits an empty artefact."""

    def __init__(self, store: Store) -> None:
        self.store, self.ran, self.released = store, list[str](), list[str]()

    def run(self, job: StageJob, on_event: Any) -> StageOutcome:
        work = self.store.workspace(job.key)
        (work / "decision.json").write_text("3")
        self.store.commit(job.key, work, {"kind": job.kind, "parts": dict(job.parts)})
        self.ran.append(job.label)
        return StageOutcome(job.key, "it broke" if job.label == "bad" else "")

    side_by_side = False

    def release(self, names: Collection[str]) -> None:
        self.released.extend(names)

    def close(self) -> None:
        return None


def test_a_decision_stage_adds_the_stages_that_follow_from_it() -> None:
    store = Store(STORE)
    executor = _Recorder(store)

    def members(folder: Path) -> list[Stage]:
        number = int((folder / "decision.json").read_text())
        return [Stage({"member": i}, f"member/{i}", "fit", "member") for i in range(number)]

    graph = Graph()
    graph.add(Stage({"d": 1}, "decide", "decide", "core", expand=members), {0})
    engine = Engine(store, executor, 1, lambda event: None)
    engine.run(graph)
    assert executor.ran == ["decide", "member/0", "member/1", "member/2"]
    again = Engine(store, executor, 1, lambda event: None)
    graph = Graph()
    graph.add(Stage({"d": 1}, "decide", "decide", "core", expand=members), {0})
    assert again.run(graph).cached == ["decide", "member/0", "member/1", "member/2"]


def test_an_outcome_with_an_error_ends_the_walk() -> None:
    graph = Graph()
    graph.add(Stage({"x": 1}, "bad", "fit", "core"), {0})
    graph.add(Stage({"x": 2}, "next", "fit", "core"), {0})
    executor = _Recorder(Store(STORE))
    with pytest.raises(StageError, match="stage bad: it broke"):
        Engine(Store(STORE), executor, 1, lambda event: None).run(graph)
    assert executor.ran == ["bad"]


def _wait_for(text: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for path in RUNS.glob("*/events.jsonl"):
            if text in path.read_text():
                return
        time.sleep(0.05)
    raise AssertionError(f"{text} never came")
