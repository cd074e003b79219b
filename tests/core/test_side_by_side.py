"""Stages side by side: threads, processes, GPUs, what is let go, and how they are stopped."""

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
from w2s_toolkit.errors import StageError, UsageError
from w2s_toolkit.executors.config import ExecutorConfig
from w2s_toolkit.executors.workers import Workers
from w2s_toolkit.plan.graph import Graph, Stage
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import run_recipe
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.store import Store
from w2s_toolkit.threads import (
    assign_threads,
    calm_openmp,
    default_jobs,
    default_threads,
    visible_gpus,
)

SEEDS = "matrix.seed=[0, 1]"


def _stage(name: str, kind: str, *inputs: Stage, **models: str) -> Stage:
    named = {n: {"fingerprint": f} for n, f in models.items()}
    slots = {str(i): s.key for i, s in enumerate(inputs)}
    return Stage({"name": name, **slots}, name, kind, "core", inputs=slots, models=named)


def _graph(*stages: Stage) -> Graph:
    graph = Graph()
    for stage in stages:
        graph.add(stage, {0})
    return graph


def _two_chains() -> Graph:
    data = _stage("data", "data")
    fit = _stage("fit", "fit", data, weak="w")
    label = _stage("label", "label", data, fit, weak="w")
    student = _stage("student", "train", data, label, strong="s")
    ceiling = _stage("ceiling", "train", data, strong="s")
    return _graph(data, fit, label, student, ceiling, _stage("score", "evaluate", student, ceiling))


def test_threads_are_divided_among_stages_that_can_run_at_once() -> None:
    graph = _two_chains()
    assign_threads(graph, 8, 2)
    assert {s.name: s.threads for s in graph} == {
        "data": 1, "fit": 4, "label": 4, "student": 4, "ceiling": 4, "score": 1,
    }  # fmt: skip
    assign_threads(graph, 8, 1)
    assert {s.threads for s in graph if s.kind in ("fit", "train", "label")} == {8}
    chain = _graph(a := _stage("a", "fit"), b := _stage("b", "label", a), _stage("c", "train", b))
    assign_threads(chain, 8, 4)
    assert [s.threads for s in chain] == [8, 8, 8], "nothing else can run beside them"


def test_jobs_follow_from_the_machine_and_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("W2S_JOBS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert default_jobs(_two_chains(), 4) == 2
    assert default_jobs(_two_chains(), 64) == 4, "the ceiling beside one of three, and its like"
    assert default_jobs(_two_chains(), 3) == 1
    assert default_jobs(_graph(_stage("only", "fit")), 64) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-5")
    assert visible_gpus() == ["0", "GPU-5"] and default_jobs(_two_chains(), 2) == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
    monkeypatch.setenv("W2S_JOBS", "3")
    assert default_jobs(_two_chains(), 64) == 3


def test_threads_of_a_run_are_what_the_user_or_the_machine_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "none")
    assert 1 <= default_threads() <= len(os.sched_getaffinity(0))


def test_openmp_is_calmed_only_where_the_user_has_not_spoken() -> None:
    assert calm_openmp({}) and not calm_openmp({"OMP_WAIT_POLICY": "active"})


class _Slow:
    """Commits an empty artefact after a while; remembers what ran at the same time."""

    side_by_side = True

    def __init__(self, store: Store) -> None:
        self.store, self.now, self.together = store, set[str](), set[frozenset[str]]()
        self.released: list[str] = []
        self.threads: dict[str, int] = {}

    def run(self, job: StageJob, on_event: Any) -> StageOutcome:
        self.now.add(job.label)
        self.threads[job.label] = job.threads
        time.sleep(0.1)
        self.together.add(frozenset(self.now))
        self.now.discard(job.label)
        if job.label == "bad":
            return StageOutcome(job.key, "it broke")
        work = self.store.workspace(job.key)
        self.store.commit(job.key, work, {"kind": job.kind, "parts": dict(job.parts)})
        return StageOutcome(job.key)

    def release(self, names: Collection[str]) -> None:
        self.released += sorted(names)

    def close(self) -> None:
        return None


def _engine(executor: _Slow, jobs: int, threads: int = 4) -> Engine:
    return Engine(executor.store, executor, threads, lambda event: None, jobs)


def test_independent_stages_run_at_once_and_no_thread_is_used_twice() -> None:
    graph, executor = _two_chains(), _Slow(Store(Path("store")))
    assign_threads(graph, 4, 2)
    assert len(_engine(executor, 2).run(graph).ran) == 6
    assert frozenset({"fit", "ceiling"}) in executor.together
    assert max(map(len, executor.together)) == 2
    busy = _graph(*(_stage(f"s{i}", "fit") for i in range(4)))
    for stage in busy:
        stage.threads = 3
    executor.together.clear()
    _engine(executor, 4).run(busy)
    assert max(map(len, executor.together)) == 1, "two of them would need six threads of four"


def test_models_are_let_go_after_their_last_reader() -> None:
    graph, executor = _two_chains(), _Slow(Store(Path("store")))
    _engine(executor, 1).run(graph)
    at = executor.released.index
    keys = {s.name: s.key for s in graph}
    assert at("w") < at("s") and keys["fit"] in executor.released
    assert at(keys["fit"]) < at(keys["student"])
    assert executor.released.count("s") == 1


def test_an_object_goes_when_one_of_its_needs_is_released() -> None:
    shared = SharedObjects()
    shared.get("network", lambda: 1, needs=["key", "model"])
    shared.get("kept", lambda: 2)
    shared.release(["other"])
    assert "network" in shared
    shared.release(["model"])
    assert "network" not in shared and "kept" in shared


def test_after_a_failure_what_runs_is_finished_and_nothing_new_begins() -> None:
    good, bad = _stage("good", "fit"), _stage("bad", "fit")
    graph = _graph(bad, good, _stage("later", "label", good))
    executor = _Slow(Store(Path("store")))
    engine = _engine(executor, 2)
    with pytest.raises(StageError, match="it broke"):
        engine.run(graph)
    assert engine.tally.ran == ["good"]


def test_a_stage_goes_on_with_the_threads_it_was_begun_with() -> None:
    graph, executor = _two_chains(), _Slow(Store(Path("store")))
    assign_threads(graph, 8, 2)
    fit = next(s for s in graph if s.name == "fit")
    executor.store.scratch(fit.key, 3)
    _engine(executor, 2, threads=8).run(graph)
    assert executor.threads["fit"] == 3 and executor.threads["ceiling"] == 4


def test_a_stage_that_another_run_makes_does_not_hold_up_the_others() -> None:
    graph, executor = _two_chains(), _Slow(Store(Path("store")))
    fit = next(s for s in graph if s.name == "fit")
    events: list[Any] = []
    held = executor.store.try_lock(fit.key)
    assert held is not None and executor.store.try_lock(fit.key) is None

    def on_event(event: Any) -> None:
        events.append((event["event"], event["stage"]))
        if event == {**event, "event": "stage_finished", "stage": "ceiling"}:
            held.release()

    Engine(executor.store, executor, 4, on_event, 1).run(graph)
    assert ("waiting", "fit") in events
    assert events.index(("stage_finished", "ceiling")) < events.index(("stage_started", "fit"))


def _run(path: Path, *overrides: str, name: str, **more: Any) -> Any:
    registry = Registry()
    loaded = load_recipe(path, registry, overrides)
    return run_recipe(
        loaded, registry, store=Path(name), runs=Path("runs") / name, quiet=True, **more
    )


def test_side_by_side_gives_the_same_bytes_and_records_how(toy_recipe: Path) -> None:
    alone = _run(toy_recipe, SEEDS, name="alone")
    beside = _run(toy_recipe, SEEDS, name="beside", jobs=2, threads=4)
    assert (alone.folder / "results.json").read_bytes() == (
        beside.folder / "results.json"
    ).read_bytes()
    assert alone.ran == beside.ran
    how = json.loads((beside.folder / "schedule.json").read_text())
    assert how == {"executor": "workers", "jobs": 2, "threads": 4}
    planned = {s["id"]: s["threads"] for s in json.loads(
        (beside.folder / "plan.json").read_text())["stages"]}  # fmt: skip
    usage = json.loads((beside.folder / "usage.json").read_text())["stages"]
    assert {n: u["threads"] for n, u in usage.items()} == planned
    assert planned["first/student/train[seed=0]"] == 2


def test_more_jobs_than_threads_or_than_the_executor_can(toy_recipe: Path) -> None:
    with pytest.raises(UsageError, match="3 stages side by side need 3 threads"):
        _run(toy_recipe, name="a", jobs=3, threads=2)
    with pytest.raises(UsageError, match="one stage at a time"):
        _run(toy_recipe, name="a", jobs=2, threads=2, executor="inprocess")


def test_every_worker_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    executor = Workers(ExecutorConfig())
    seats = []
    for _ in range(3):
        seat = executor._choose(set())
        seat.busy = True
        seats.append(seat.gpu)
    assert seats == ["3", "1", "3"]
    executor.close()


def test_a_stage_goes_to_the_worker_that_knows_its_inputs() -> None:
    executor = Workers(ExecutorConfig())
    first, second = executor._choose(set()), None
    first.busy = True
    second = executor._choose(set())
    first.busy, second.known = False, {"model", "labels"}
    assert executor._choose({"labels"}) is second
    executor.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_two_running_stages_are_stopped_together(
    toy_recipe: Path, number: signal.Signals, workers_here: Callable[[], list[int]]
) -> None:
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store",
               "--set", SEEDS, "--jobs", "2", "--threads", "2"]  # fmt: skip
    slow = ["--set", "phases.first.student.sleep=60"]
    process = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    started = 0
    while started < 2 and time.monotonic() < deadline:
        logs = [p.read_text() for p in Path("runs").glob("*/events.jsonl")]
        started = sum(log.count('"stage_started", "stage": "first/str') for log in logs)
        started += sum(log.count('"stage_started", "stage": "first/stu') for log in logs)
        time.sleep(0.1)
    assert started >= 2
    process.send_signal(number)
    _, shown = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130 and "Stopped." in shown and "Traceback" not in shown
    else:
        assert load_run("last").status == "killed"
    while workers_here() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_here()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
