"""Stages in a process of their own: ``python -m w2s_toolkit.worker [job.json]``.

Without a file, jobs come on standard input, a JSON object a line: ``{"job": …}`` runs a stage,
``{"release": […]}`` forgets what no later stage needs. Events go to standard output, a JSON object
a line, the last one of a job being its outcome. Standard input is also the leash: when it closes,
the process that asked for stages is gone, and so is this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.executors.config import ExecutorConfig
from w2s_toolkit.executors.inprocess import InProcess


class Worker:
    """Runs jobs one after the other; what they load stays for the next."""

    def __init__(self) -> None:
        # Libraries that print must not disturb the events: what they say goes to the log.
        self._events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        self._sending = threading.Lock()
        self._executor = InProcess(ExecutorConfig())

    def send(self, event: Mapping[str, Any]) -> None:
        """Report one event."""
        with self._sending:
            self._events.write(json.dumps(event) + "\n")

    def run(self, raw: Mapping[str, Any]) -> int:
        """Run a job and report; returns the exit code a process of its own would end with."""
        job = StageJob(**{**raw, "component": tuple(raw["component"])})
        outcome = self._executor.run(job, self.send)
        self.send({"event": "outcome", **asdict(outcome)})
        return 1 if outcome.error else 0

    def serve(self, inbox: queue.SimpleQueue[Any]) -> int:
        """Do what messages ask until the leash is let go."""
        while True:
            message = inbox.get()
            if "job" in message:
                self.run(message["job"])
            self._executor.release(message.get("release", ()))


def main(arguments: list[str]) -> int:
    """Run one job from a file, or jobs as they come."""
    worker = Worker()
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    if arguments:
        return worker.run(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    return worker.serve(inbox)


def _listen(inbox: queue.SimpleQueue[Any]) -> None:
    with open(0, encoding="utf-8", closefd=False) as lines, contextlib.suppress(ValueError):
        for line in lines:
            inbox.put(json.loads(line))  # the last line may be half of one
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(2.0)
    os._exit(1)  # native code that does not come back to Python in time


def _stop(*_: Any) -> None:
    # Asked once is enough: a second request must not interrupt the tidying up after the first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    if len(sys.argv) > 2 or not all(Path(path).is_file() for path in sys.argv[1:]):
        sys.exit("usage: python -m w2s_toolkit.worker [JOB.json]")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
