"""A process a stage: memory is returned to the system, a crash of native code hits one stage only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.executors.config import ExecutorConfig

GRACE = 3.0
"""Seconds between asking a worker to stop and killing it."""


class Subprocess:
    """See :class:`~w2s_toolkit.contracts.Executor`."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Start ``python -m w2s_toolkit.worker`` and follow its events."""
        with tempfile.TemporaryDirectory(prefix="w2s-job-") as folder:
            path = Path(folder) / "job.json"
            path.write_text(json.dumps(asdict(job)), encoding="utf-8")
            with (Path(folder) / "stderr").open("w+", encoding="utf-8") as errors:
                outcome = self._follow(job, path, errors, on_event)
                errors.seek(0)
                log = errors.read()
        if outcome.error and log.strip() and log not in outcome.details:
            return StageOutcome(job.key, outcome.error, f"{outcome.details}\n{log}".strip())
        return outcome

    def _follow(self, job: StageJob, path: Path, errors: Any, on_event: EventSink) -> StageOutcome:
        threads = str(job.threads)
        process = subprocess.Popen(
            [sys.executable, "-m", "w2s_toolkit.worker", str(path)],
            # The worker ends when its standard input does, so it cannot outlive this process.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            start_new_session=True,  # Ctrl-C reaches this process, which then stops the worker
        )
        self._process = process
        outcome: StageOutcome | None = None
        try:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "outcome":
                    outcome = StageOutcome(job.key, event["error"], event["details"])
                else:
                    on_event(event)
            code = process.wait()
        finally:
            self.close()
        return outcome or StageOutcome(job.key, _how_it_ended(code), "")

    def close(self) -> None:
        """Stop a worker that is still running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        if process.stdout:
            process.stdout.close()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


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
