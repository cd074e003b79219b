"""Stages in the coordinating process: no start-up cost, loaded models are shared."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.executors.config import ExecutorConfig
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.store import Store


class InProcess:
    """See :class:`~w2s_toolkit.contracts.Executor`."""

    side_by_side = False

    def __init__(self, config: ExecutorConfig) -> None:
        self._registry = Registry()
        self._shared = SharedObjects()
        self._stores: dict[str, Store] = {}  # each remembers what it has verified

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Run the stage here."""
        from w2s_toolkit.stages.run import run_job

        store = self._stores.setdefault(job.store, Store(Path(job.store)))
        return run_job(job, self._registry, store, self._shared, on_event)

    def release(self, names: Collection[str]) -> None:
        """Let go of models no later stage needs."""
        self._shared.release(names)

    def close(self) -> None:
        """Let go of all loaded models."""
        self._shared.clear()
