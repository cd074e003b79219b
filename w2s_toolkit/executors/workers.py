"""Worker processes that stay: stages run side by side and share what their process has loaded."""

from __future__ import annotations

import threading
from collections.abc import Collection

from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.executors.config import ExecutorConfig
from w2s_toolkit.executors.process import WorkerProcess
from w2s_toolkit.threads import visible_gpus


class _Seat:
    """A worker with what its process knows already, and the GPU it has to itself."""

    def __init__(self, gpu: str | None) -> None:
        self.gpu = gpu
        self.busy = False
        self.known: set[str] = set()
        self.worker: WorkerProcess | None = None

    def take(self, job: StageJob) -> WorkerProcess:
        """The worker, started if there is none or the last one died."""
        if self.worker is None or not self.worker.alive:
            device = {"CUDA_VISIBLE_DEVICES": self.gpu} if self.gpu is not None else {}
            self.worker = WorkerProcess(job.threads, device)
            self.known = set()
        return self.worker


class Workers:
    """See :class:`~w2s_toolkit.contracts.Executor`. There are as many workers as jobs at once.

    With several GPUs each worker sees one of them. A stage goes where most of what it reads was
    made or loaded.
    """

    side_by_side = True

    def __init__(self, config: ExecutorConfig) -> None:
        self._seats: list[_Seat] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Run the stage in a worker that is free."""
        wanted = {*job.inputs.values(), *(str(m.get("fingerprint")) for m in job.models.values())}
        with self._lock:
            if self._closed:
                return StageOutcome(job.key, "the run was stopped")
            seat = self._choose(wanted)
            seat.busy = True
            worker = seat.take(job)
        try:
            outcome = worker.run(job, on_event)
        finally:
            seat.busy = False
        seat.known |= {*wanted, job.key}
        return outcome

    def release(self, names: Collection[str]) -> None:
        """Let every worker forget what no later stage needs."""
        for seat in self._seats:
            if seat.worker is not None and not seat.known.isdisjoint(names):
                seat.worker.release(names)
                seat.known -= set(names)

    def close(self) -> None:
        """Stop all workers."""
        with self._lock:
            self._closed = True
            seats, self._seats = self._seats, []
        for seat in seats:
            if seat.worker is not None:
                seat.worker.close()

    def _choose(self, wanted: set[str]) -> _Seat:
        free = [seat for seat in self._seats if not seat.busy]
        if not free:
            gpus = visible_gpus()
            gpu = gpus[len(self._seats) % len(gpus)] if len(gpus) > 1 else None
            self._seats.append(_Seat(gpu))
            return self._seats[-1]
        return max(free, key=lambda seat: len(wanted & seat.known))
