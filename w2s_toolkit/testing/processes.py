"""Starts the processes that contract tests look into."""

from __future__ import annotations

import json
import os
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
    orders: Sequence[Mapping[str, Any]], folder: Path, kill_at: int | None = None
) -> list[list[dict[str, Any]]]:
    """Run orders in one new process; see :mod:`w2s_toolkit.testing.probe`.

    With ``kill_at`` the process must end by SIGKILL, and the answer is empty.
    """
    code, answer, errors = start("probe", {"orders": orders, "kill_at": kill_at}, folder)
    if kill_at is not None:
        if code != -9:
            breach(
                f"a stage takes the same steps every time, so step {kill_at} comes again",
                f"the process ended with exit code {code} before that step\n{errors}",
                "let what is done depend on config, data and ctx.seed alone",
            )
        return []
    if code != 0 or answer is None:
        breach(
            "the stages run in a process of their own",
            f"exit code {code}\n{errors}",
            "keep nothing in globals that another process does not have",
        )
    for outcome in (o for outcomes in answer for o in outcomes):
        if outcome["error"]:
            breach(
                "the stages run in a process of their own as they do here",
                f"{outcome['error']}\n{outcome['details']}",
                "keep all that is needed in the files below ctx.out and in the reference",
            )
    return answer  # type: ignore[no-any-return]
