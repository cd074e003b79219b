"""Walks a plan's graph: skips what exists, runs the rest side by side, reports events.

Resume is nothing special: what was committed is found again under its key.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from w2s_toolkit.contracts import Executor, StageJob, StageOutcome
from w2s_toolkit.errors import StageError, StoreError
from w2s_toolkit.plan.graph import Graph, Stage
from w2s_toolkit.store import KeyLock, Store
from w2s_toolkit.threads import HEAVY

OnEvent = Callable[[Mapping[str, Any]], None]

POLL = 0.1
"""Seconds between two looks at a key that another run holds."""

MEMORY_KEPT = 0.2
"""Share of the memory that must be free before one more stage starts beside others."""


@dataclass
class Tally:
    """What happened to the stages: ids in order.

    ``partial`` stopped at the budget, with what to do about it; ``left`` would need one of them.
    """

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    partial: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


@dataclass
class _Running:
    stage: Stage
    lock: KeyLock
    started: float
    thread: threading.Thread | None = None


@dataclass
class Engine:
    """Runs graphs against a store.

    Attributes:
        store: where artefacts are.
        executor: how a stage's process is started.
        threads: CPU threads of all running stages together.
        on_event: receives ``stage_started``, ``stage_finished``, ``waiting`` and what stages
            report, always in the thread that called :meth:`run`.
        jobs: stages that run side by side; more than one only with an executor that can.
        calls: budget and prices of hosted models, handed to every stage.
    """

    store: Store
    executor: Executor
    threads: int
    on_event: OnEvent
    jobs: int = 1
    calls: Mapping[str, Any] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def run(self, graph: Graph) -> Tally:
        """Make every artefact of the graph; decision stages may add to it on the way.

        A failed stage ends the run when those beside it are finished. One that stopped at the budget
        ends nothing: all that does not depend on it is made.

        Raises:
            StageError: a stage ended with an error. All finished stages are kept.
            KeyboardInterrupt: the user stopped the run. Likewise.
        """
        walk = _Walk(self, graph)
        try:
            walk.to_the_end()
        finally:
            walk.abandon()
        return self.tally


class _Walk:
    """One pass over a graph."""

    def __init__(self, engine: Engine, graph: Graph) -> None:
        self._engine, self._graph = engine, graph
        self._store, self._say = engine.store, engine.on_event
        self._todo = {s.key: s for s in graph}
        self._running: dict[str, _Running] = {}
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._told_waiting: set[str] = set()
        self._users = Counter(name for s in graph for name in _needs(s))
        self._awaited: dict[str, set[str]] = {}
        self._failed: StageError | None = None

    def to_the_end(self) -> None:
        """Start what can be started, take in what is finished, until nothing is left."""
        while self._todo or self._running:
            if self._failed and not self._running:
                raise self._failed
            moved = False if self._failed else self._start_what_can_be()
            if self._running:
                self._take_in(wait=not moved)
            elif not moved:
                time.sleep(POLL)  # all that could be started is in the hands of another run

    def abandon(self) -> None:
        """Stop what is still running; nothing to do after an orderly end."""
        if not self._running:
            return
        self._engine.executor.close()
        for running in list(self._running.values()):
            if running.thread:
                running.thread.join()
            self._release(running, "stopped")

    # --- starting ------------------------------------------------------------------------------

    def _start_what_can_be(self) -> bool:
        """Whether anything changed: a stage started, found in the store or made to be redone."""
        moved = False
        for stage in list(self._todo.values()):
            if stage.key in self._running or stage.key not in self._todo:
                continue
            if self._store.has(stage.key):
                self._found(stage)
                moved = True
            elif self._ready(stage) and self._room_for(stage):
                moved |= self._begin(stage)
                if self._failed:
                    break
        return moved

    def _ready(self, stage: Stage) -> bool:
        awaited = self._awaited.get(stage.key, ())
        return not any(key in self._todo for key in (*stage.inputs.values(), *awaited))

    def _room_for(self, stage: Stage) -> bool:
        if not self._running:
            return True
        if len(self._running) >= self._engine.jobs:
            return False
        taken = sum(r.stage.threads for r in self._running.values())
        if taken + stage.threads > self._engine.threads:
            return False
        memory = psutil.virtual_memory()
        return bool(memory.available > MEMORY_KEPT * memory.total)

    def _begin(self, stage: Stage) -> bool:
        """Run a stage, unless an input has to be made again first or another run is making it."""
        if self._lost_inputs(stage):
            return True
        lock = self._store.try_lock(stage.key)
        if lock is None:
            if stage.key not in self._told_waiting:
                self._told_waiting.add(stage.key)
                holder = self._store.holder(stage.key)
                self._say({"event": "waiting", "stage": stage.id, "holder": holder})
            return False
        # Another run may have made it just before this one got the lock.
        if self._store.has(stage.key):
            lock.release()
            self._found(stage)
            return True
        # A stage goes on with the threads it was begun with: its sums must not change midway.
        stage.threads = self._store.begun_with(stage.key) or stage.threads
        self._say({"event": "stage_started", **_describe(stage), "threads": stage.threads})
        running = _Running(stage, lock, time.perf_counter())
        self._running[stage.key] = running
        job = job_of(stage, self._store, self._engine.calls)
        if self._engine.jobs == 1:
            self._finish(running, self._engine.executor.run(job, self._say))
        else:
            running.thread = threading.Thread(target=self._work, args=(job,), daemon=True)
            running.thread.start()
        return True

    def _work(self, job: StageJob) -> None:
        def say(event: Mapping[str, Any]) -> None:
            self._inbox.put((job.key, event))

        try:
            outcome = self._engine.executor.run(job, say)
        except BaseException as error:  # must reach the thread that waits, whatever it is
            what = f"{type(error).__name__}: {error}"
            outcome = StageOutcome(job.key, what, traceback.format_exc())
        self._inbox.put((job.key, outcome))

    def _lost_inputs(self, stage: Stage) -> bool:
        """Put inputs back on the list whose object was damaged or deleted since they were done."""
        lost = [key for key in stage.inputs.values() if self._store.get(key) is None]
        for key in lost:
            if key not in self._graph.stages:
                raise StoreError(f"input {key[:12]} of {stage.id} is missing")
            self._todo[key] = self._graph[key]
        return bool(lost)

    # --- finishing -----------------------------------------------------------------------------

    def _take_in(self, *, wait: bool) -> None:
        """Pass on what the threads report until a stage ends, or until it is time to look again."""
        timeout = POLL if self._told_waiting else 1.0
        while True:
            try:
                key, found = self._inbox.get(block=wait, timeout=timeout)
            except queue.Empty:
                return
            if isinstance(found, StageOutcome):
                self._finish(self._running[key], found)
                wait = False
            else:
                self._say(found)

    def _finish(self, running: _Running, outcome: StageOutcome) -> None:
        said = outcome.error.removeprefix(f"{running.stage.id}: ")
        if outcome.partial:
            self._engine.tally.partial[running.stage.id] = said
            self._release(running, "partial", said)
            self._give_up(running.stage)
            return
        if outcome.error:
            self._release(running, "failed", outcome.error, outcome.details)
            error = StageError(said, where=f"stage {running.stage.id}")
            self._failed = self._failed or error
            return
        if outcome.pending:
            self._wait_for(running, [Stage.from_json(values) for values in outcome.pending])
            return
        self._engine.tally.ran.append(running.stage.id)
        self._release(running, "ran")
        self._done(running.stage)

    def _give_up(self, stage: Stage) -> None:
        """Take a stage and all that need it off the list."""
        del self._todo[stage.key]
        for other in list(self._todo.values()):
            needed = (*other.inputs.values(), *self._awaited.get(other.key, ()))
            if stage.key in needed and other.key in self._todo:
                self._engine.tally.left.append(other.id)
                self._give_up(other)

    def _wait_for(self, running: _Running, asked: list[Stage]) -> None:
        """A stage needs others, such as members of an ensemble: make those, then run it again."""
        parent = running.stage
        self._running.pop(parent.key)
        running.lock.release()
        # What another run has made since is not made again, nor what another stage asked for.
        new = [s for s in asked if s.key not in self._todo and not self._store.has(s.key)]
        for stage in new:
            stage.threads = parent.threads
            added = self._graph.add(stage, parent.cells)
            self._todo[added.key] = added
            self._users.update(_needs(added))
        self._awaited[parent.key] = {stage.key for stage in asked}
        self._say({"event": "stage_waits", **_describe(parent), "added": len(new)})

    def _found(self, stage: Stage) -> None:
        self._engine.tally.cached.append(stage.id)
        self._say(
            {"event": "stage_finished", **_describe(stage), "status": "cached", "seconds": 0.0}
        )
        self._done(stage)

    def _release(self, running: _Running, status: str, error: str = "", details: str = "") -> None:
        self._running.pop(running.stage.key)
        running.lock.release()
        seconds = round(time.perf_counter() - running.started, 3)
        event = {**_describe(running.stage), "status": status, "seconds": seconds}
        if error:
            event |= {"error": error, "details": details}
        self._say({"event": "stage_finished", **event})

    def _done(self, stage: Stage) -> None:
        del self._todo[stage.key]
        if self._graph.is_pending(stage.key):
            self._go_on(stage)
        self._users.subtract(_needs(stage))
        unused = [name for name in _needs(stage) if not self._users[name]]
        release = getattr(self._engine.executor, "release", None)
        if unused and release:
            release(unused)

    def _go_on(self, decision: Stage) -> None:
        """Add the stages that follow from a decision."""
        new = self._graph.decide(decision.key, self._store.open(decision.key).path)
        for stage in new:
            # Those of the decision, fixed when the run was planned: what is cached must not matter.
            stage.threads = decision.threads if stage.kind in HEAVY or stage.expand else 1
            self._todo[stage.key] = stage
            self._users.update(_needs(stage))
        self._say({"event": "decided", **_describe(decision), "added": len(new)})


def _needs(stage: Stage) -> set[str]:
    """What a stage may keep in memory for others: its models, its inputs, what it makes."""
    models = {str(m["fingerprint"]) for m in stage.models.values() if m.get("fingerprint")}
    members = [m for t in stage.args.get("members", ()) for m in t["models"].values()]
    models |= {str(m["fingerprint"]) for m in members if m.get("fingerprint")}
    return {stage.key, *stage.inputs.values(), *models}


def job_of(stage: Stage, store: Store, calls: Mapping[str, Any] | None = None) -> StageJob:
    """A stage as an executor is handed it."""
    return StageJob(
        key=stage.key,
        parts=stage.parts,
        kind=stage.kind,
        label=stage.id,
        component=stage.component,
        config=stage.config,
        models=stage.models,
        inputs=stage.inputs,
        args=stage.args,
        seed=stage.seed,
        threads=stage.threads,
        store=str(store.root),
        calls=dict(calls or {}),
    )


def _describe(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.id,
        "kind": stage.kind,
        "component": "/".join(c for c in stage.component if c),
        "key": stage.key,
    }
