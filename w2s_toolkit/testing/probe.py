"""Stages in a process of their own, which then kills itself: ``python -m w2s_toolkit.testing.probe REQUEST.json``.

Every use a component makes of its context, and the commit of every artefact, is a tick. Ticks do
not depend on time, so a stage can be killed at a point in its middle that is found again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.data import ModelRef
from w2s_toolkit.stages.context import ProgressEvents, StageContext
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.store import Object, Store
from w2s_toolkit.testing.standins import registry_with_standins

T = TypeVar("T")


class Ticks:
    """Counts ticks and ends the process at one of them."""

    def __init__(self) -> None:
        self.number, self.kill_at = 0, 0

    def tick(self) -> None:
        """One more."""
        self.number += 1
        if self.number == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def order(jobs: Sequence[StageJob], store: Path) -> dict[str, Any]:
    """One list of stages to run against a store, as JSON."""
    return {"store": str(store), "jobs": [asdict(job) for job in jobs]}


def main(path: Path) -> None:
    """Run the orders of a file, write what came of them to its ``out``, and be killed in ``kill``.

    ``kill`` is an order whose one stage also came first in the last of ``orders``, which tells
    how many ticks it has; ``luck`` chooses one of the last three quarters of them.
    """
    raw = json.loads(path.read_text(encoding="utf-8"))
    ticks = Ticks()
    run: Any = import_module("w2s_toolkit.stages.run")
    run.StageContext = _watched(ticks)
    registry = registry_with_standins()

    def carry_out(wanted: Any) -> list[dict[str, Any]]:
        store, shared = _WatchedStore(Path(wanted["store"]), ticks), SharedObjects()
        outcomes = []
        for item in wanted["jobs"]:
            job = StageJob(**{**item, "component": tuple(item["component"])})
            job = replace(job, store=wanted["store"])
            ticks.number = 0
            outcome = run.run_job(job, registry, store, shared, lambda event: None)
            outcomes.append({**asdict(outcome), "ticks": ticks.number})
        return outcomes

    answers = [carry_out(wanted) for wanted in raw["orders"]]
    total = int(answers[-1][0]["ticks"])
    ticks.kill_at = total - raw["luck"] % max(1, total * 3 // 4)
    answer = {"outcomes": answers, "kill_at": ticks.kill_at, "ticks": total}
    Path(raw["out"]).write_text(json.dumps(answer), encoding="utf-8")
    if not any(outcome["error"] for outcomes in answers for outcome in outcomes):
        carry_out(raw["kill"])


class _WatchedStore(Store):
    def __init__(self, root: Path, ticks: Ticks) -> None:
        super().__init__(root)
        self._ticks = ticks

    def commit(self, key: str, workspace: Path, manifest: Mapping[str, Any]) -> Object:
        self._ticks.tick()
        return super().commit(key, workspace, manifest)


class _WatchedProgress:
    def __init__(self, handle: ProgressEvents, ticks: Ticks) -> None:
        self._handle, self._ticks = handle, ticks

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._ticks.tick()
        self._handle.advance(steps, note)


def _watched(ticks: Ticks) -> type[StageContext]:
    class Watched(StageContext):
        """A context that ticks whenever it is used."""

        def model(self, name: str) -> Any:
            ticks.tick()
            return super().model(name)

        def path(self, ref: ModelRef) -> Path:
            ticks.tick()
            return super().path(ref)

        def shared(
            self, key: str, build: Callable[[], T], *, nbytes: int = 0, needs: Collection[str] = ()
        ) -> T:
            ticks.tick()
            return super().shared(key, build, nbytes=nbytes, needs=needs)

        @contextmanager
        def progress(self, total: int, label: str) -> Iterator[Any]:
            ticks.tick()
            with super().progress(total, label) as handle:
                yield _WatchedProgress(handle, ticks)

        def warn(self, code: str, message: str) -> None:
            ticks.tick()
            super().warn(code, message)

        def count(self, name: str, number: int = 1) -> None:
            ticks.tick()
            super().count(name, number)

    return Watched


if __name__ == "__main__":
    main(Path(sys.argv[1]))
