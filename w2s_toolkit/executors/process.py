"""A worker process: started, given jobs one after the other, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.threads import calm_openmp

GRACE = 3.0
"""Seconds between asking a worker to stop and killing it."""

LOG = 64 * 1024
"""Bytes of a worker's standard error that are kept with a failed stage."""


class WorkerProcess:
    """``python -m w2s_toolkit.worker``, fed with jobs on its standard input.

    Args:
        threads: CPU threads its libraries start with.
        environment: more variables, such as the GPU it may see.
    """

    def __init__(self, threads: int, environment: Mapping[str, str] | None = None) -> None:
        count = str(threads)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._sending = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "w2s_toolkit.worker"],
            # The worker ends when its standard input does, so it cannot outlive this process.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                **calm_openmp(os.environ),
                "OMP_NUM_THREADS": count,
                "MKL_NUM_THREADS": count,
                **(environment or {}),
            },
            start_new_session=True,  # Ctrl-C reaches this process, which then stops the worker
        )

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.poll() is None

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Run one stage to its end and pass on what it reports."""
        assert self._process.stdout is not None
        log_from = os.fstat(self._log.fileno()).st_size
        outcome: StageOutcome | None = None
        self._send({"job": asdict(job)})
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "outcome":
                pending = tuple(event["pending"])
                said = (event["error"], event["details"], pending, event["partial"])
                outcome = StageOutcome(job.key, *said)
                break
            on_event(event)
        if outcome is None:
            outcome = StageOutcome(job.key, _how_it_ended(self._process.wait()), "")
        log = self._log_since(log_from) if outcome.error and not outcome.partial else ""
        if log and log not in outcome.details:
            return StageOutcome(job.key, outcome.error, f"{outcome.details}\n{log}".strip())
        return outcome

    def release(self, names: Collection[str]) -> None:
        """See :meth:`Executor.release`; it takes effect after the job that is running."""
        self._send({"release": sorted(names)})

    def close(self) -> None:
        """Stop it, kindly first; callable from another thread than the one that runs a job."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()

    def _send(self, message: Mapping[str, Any]) -> None:
        # A worker that died or was stopped is noticed where its reports end.
        with self._sending, contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _log_since(self, start: int) -> str:
        size = os.fstat(self._log.fileno()).st_size
        start = max(start, size - LOG)
        return os.pread(self._log.fileno(), size - start, start).decode("utf-8", "replace").strip()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return (
            "the worker process was killed, most often because memory ran out\n"
            "  next: use smaller batches or models, or a machine with more memory, and run again"
        )
    if code < 0:
        return (
            f"the worker process died of signal {signal.Signals(-code).name}\n"
            "  next: the fault is in native code; see the log, or try other versions of torch and "
            "of the packages beside it"
        )
    return (
        f"the worker process ended with exit code {code} and no outcome\n"
        "  next: the log holds what it printed"
    )
