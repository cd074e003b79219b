"""One stage in one process: ``python -m w2s_toolkit.worker job.json``.

Events go to standard output, a JSON object a line, the last one being the outcome. Standard input
is the leash: when it closes, the process that asked for the stage is gone, and so is this one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.run import run_job
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.store import Store


def read_job(path: Path) -> StageJob:
    """Read a job file."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return StageJob(**{**raw, "component": tuple(raw["component"])})


def main(path: str) -> int:
    """Run the job and report; returns the exit code."""
    # Libraries that print must not disturb the events: what they say goes to the log.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(event: Mapping[str, Any]) -> None:
        with lock:
            events.write(json.dumps(event) + "\n")

    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_leash, daemon=True).start()
    job = read_job(Path(path))
    outcome = run_job(job, Registry(), Store(Path(job.store)), SharedObjects(), send)
    send({"event": "outcome", "error": outcome.error, "details": outcome.details})
    return 1 if outcome.error else 0


def _leash() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(2.0)
    os._exit(1)  # native code that does not come back to Python in time


def _stop(*_: Any) -> None:
    # Asked once is enough: a second request must not interrupt the tidying up after the first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python -m w2s_toolkit.worker JOB.json")
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
