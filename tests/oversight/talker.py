"""Debates that are killed and go on: ``python talker.py FOLDER``; prints what became of each as JSON.

Each is held in a child that is forked before anything is computed, so that what is slow to import is imported once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
import transformers.models.llama.modeling_llama  # noqa: F401
from watched import SHARED, component, model, reviews

import w2s_hf.chat  # noqa: F401
import w2s_oversight.debate  # noqa: F401
from w2s_oversight import talk
from w2s_oversight.journal import FILE, Journal
from w2s_toolkit.testing import tiny_context

VALUES = {
    "debater": "strong", "opponent": "weak", "judge": "weak", "rounds": 2, "questions": True,
    "turns": "sequential", "temperature": 0.8, "max_tokens": 6,
}  # fmt: skip
ADD = Journal.add
MODELS = {"weak": model("lab-xs"), "strong": model("lab-s")}


def hold(folder: Path, kill_at: int, torn: bool) -> None:
    """Hold a debate; SIGKILL when ``kill_at`` records are on the disk, with ``torn`` half of the last batch."""
    talk.CHUNK = 2  # several chunks of few rows
    seen = 0

    def counting(self: Journal, records: list) -> None:
        nonlocal seen
        seen += len(records)
        dying = kill_at and seen >= kill_at
        ADD(self, records[: len(records) // 2] if dying and torn else records)
        if dying:
            with Path(self._file.name).open("ab") as file:
                file.write(b'{"key": "half a li')
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.add = counting
    ctx = tiny_context(folder, models=MODELS, shared=SHARED)
    out = component("debate", **VALUES).assist(reviews(5).blind(), None, ctx)
    out.write(ctx.out / "data.parquet")


def child(folder: Path, kill_at: int = 0, torn: bool = False) -> tuple[int, int]:
    """How a child ended, and how many records its journal then holds."""
    pid = os.fork()
    if pid == 0:
        hold(folder, kill_at, torn)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    lines = (folder / "scratch" / FILE).read_bytes().splitlines()
    return status, len(lines)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    torch.set_num_threads(1)  # before the fork: threads of its pool would not be in the children
    for one in MODELS.values():
        one.language_model(tiny_context(place / "loading", shared=SHARED))
    whole, total = child(place / "whole")
    dead = child(place / "killed", total // 3, torn=True)
    rest = child(place / "killed")
    print(json.dumps({"whole": whole, "total": total, "killed": dead, "rest": rest}))
