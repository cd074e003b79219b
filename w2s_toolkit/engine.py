"""Walks a plan's graph: skips what exists, runs the rest, reports events.

Resume is nothing special: what was committed is found again under its key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from w2s_toolkit.contracts import Executor, StageJob
from w2s_toolkit.errors import StageError, StoreError
from w2s_toolkit.plan.graph import Graph, Stage
from w2s_toolkit.store import Store

OnEvent = Callable[[Mapping[str, Any]], None]


@dataclass
class Tally:
    """What happened to the stages: ids in order."""

    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)


@dataclass
class Engine:
    """Runs graphs against a store.

    Attributes:
        store: where artefacts are.
        executor: how a stage's process is started.
        threads: CPU threads of a stage.
        on_event: receives ``stage_started``, ``stage_finished``, ``waiting`` and what stages report.
    """

    store: Store
    executor: Executor
    threads: int
    on_event: OnEvent
    tally: Tally = field(default_factory=Tally)

    def run(self, graph: Graph) -> Tally:
        """Make every artefact of the graph; decision stages may add to it on the way.

        Raises:
            StageError: a stage ended with an error. All finished stages are kept.
            KeyboardInterrupt: the user stopped the run. Likewise.
        """
        done: set[str] = set()
        while True:
            waiting = [s for s in graph if s.key not in done]
            if not waiting:
                return self.tally
            for stage in waiting:
                self._make(graph, stage)
                done.add(stage.key)
                if stage.expand:
                    for new in stage.expand(self.store.open(stage.key).path):
                        graph.add(new, stage.cells)

    def _make(self, graph: Graph, stage: Stage) -> None:
        if self.store.has(stage.key):
            self._finished(stage, "cached", 0.0)
            return
        self._check_inputs(graph, stage)
        with self.store.lock(stage.key, lambda holder: self._waiting(stage, holder)):
            # Another run may have made it while this one waited for the lock.
            if self.store.has(stage.key):
                self._finished(stage, "cached", 0.0)
                return
            self._run(stage)

    def _check_inputs(self, graph: Graph, stage: Stage) -> None:
        """Make an input again if its object was damaged or deleted since it was planned."""
        for key in stage.inputs.values():
            if self.store.get(key) is not None:
                continue
            if key not in graph.stages:
                raise StoreError(f"input {key[:12]} of {stage.id} is missing")
            self._make(graph, graph[key])

    def _run(self, stage: Stage) -> None:
        self.on_event({"event": "stage_started", **_describe(stage)})
        started = time.perf_counter()
        try:
            outcome = self.executor.run(self._job(stage), self.on_event)
        except BaseException:
            self._finished(stage, "stopped", time.perf_counter() - started)
            raise
        seconds = time.perf_counter() - started
        if outcome.error:
            self._finished(stage, "failed", seconds, outcome.error, outcome.details)
            raise StageError(outcome.error, where=f"stage {stage.id}")
        self._finished(stage, "ran", seconds)

    def _job(self, stage: Stage) -> StageJob:
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
            threads=self.threads,
            store=str(self.store.root),
        )

    def _finished(
        self, stage: Stage, status: str, seconds: float, error: str = "", details: str = ""
    ) -> None:
        event = {"event": "stage_finished", **_describe(stage), "status": status}
        event["seconds"] = round(seconds, 3)
        if error:
            event |= {"error": error, "details": details}
        if status == "ran":
            self.tally.ran.append(stage.id)
        elif status == "cached":
            self.tally.cached.append(stage.id)
        self.on_event(event)

    def _waiting(self, stage: Stage, holder: str) -> None:
        self.on_event({"event": "waiting", "stage": stage.id, "holder": holder})


def _describe(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.id,
        "kind": stage.kind,
        "component": "/".join(c for c in stage.component if c),
        "key": stage.key,
    }
