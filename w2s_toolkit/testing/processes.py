"""Starts the processes that contract tests look into."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s_toolkit.testing.breach import breach

HASH_SEED = "4711"
LIMIT = 240
"""Seconds after which a process is given up."""


def start(module: str, request: Mapping[str, Any], folder: Path) -> tuple[int, Any, str]:
    """Run ``python -m w2s_toolkit.testing.MODULE`` on a request.

    Strings hash in another way there, and it sees the modules that this process sees.

    Returns:
        Exit code (negative: the signal that ended it), answer (None when there is none), errors.
    """
    out = folder / "answer.json"
    (folder / "request.json").write_text(json.dumps({**request, "out": str(out)}))
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-m", f"w2s_toolkit.testing.{module}", str(folder / "request.json")],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": HASH_SEED, "OMP_NUM_THREADS": "1"},
    )
    answer = json.loads(out.read_text()) if out.exists() else None
    return done.returncode, answer, done.stderr


def probe(
    orders: Sequence[Mapping[str, Any]], kill: Mapping[str, Any], luck: int, folder: Path
) -> dict[str, Any]:
    """Run orders in one new process that is killed in the last of them.

    See :func:`w2s_toolkit.testing.probe.main`. The answer holds ``kill_at`` and ``ticks``, and
    ``killed``, whether the process came to its end.
    """
    code, answer, errors = start("probe", {"orders": orders, "kill": kill, "luck": luck}, folder)
    if answer is None:
        breach(
            "the stages run in a process of their own",
            f"exit code {code}\n{errors}",
            "keep nothing in globals that another process does not have",
        )
    for outcome in (o for outcomes in answer["outcomes"] for o in outcomes):
        if outcome["error"]:
            breach(
                "the stages run in a process of their own as they do here",
                f"{outcome['error']}\n{outcome['details']}",
                "keep all that is needed in the files below ctx.out and in the reference",
            )
    return {**answer, "killed": code == -signal.SIGKILL}
