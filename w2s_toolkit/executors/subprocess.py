"""A process a stage: memory is returned to the system, a crash of native code hits one stage only."""

from __future__ import annotations

import threading
from collections.abc import Collection

from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.executors.config import ExecutorConfig
from w2s_toolkit.executors.process import WorkerProcess


class Subprocess:
    """See :class:`~w2s_toolkit.contracts.Executor`."""

    side_by_side = True

    def __init__(self, config: ExecutorConfig) -> None:
        self._running: set[WorkerProcess] = set()
        self._lock = threading.Lock()

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Start a worker for this stage and follow its events."""
        worker = WorkerProcess(job.threads)
        with self._lock:
            self._running.add(worker)
        try:
            return worker.run(job, on_event)
        finally:
            worker.close()
            with self._lock:
                self._running.discard(worker)

    def release(self, names: Collection[str]) -> None:
        """Nothing outlives a stage."""

    def close(self) -> None:
        """Stop workers that are still running."""
        with self._lock:
            running = list(self._running)
        for worker in running:
            worker.close()
