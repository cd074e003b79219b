"""Runs by the command line, by what they did."""

from __future__ import annotations

import json
from typing import Any

from w2s_toolkit import load_run


def ran(w2s: Any, *args: object) -> list[str]:
    """Run; the stages that ran, and were not there already, in their order."""
    done = w2s("run", *args)
    assert done.returncode == 0, done.stderr
    lines = (load_run("last").path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [e["stage"] for e in events if e["event"] == "stage_finished" and e["status"] == "ran"]
