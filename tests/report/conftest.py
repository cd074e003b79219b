"""Run directories without a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import Results, write_run

MakeRun = Callable[[Results], Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes results and all that stands beside them into a new run directory."""
    numbers = itertools.count()

    def make(results: Results) -> Path:
        return write_run(tmp_path / f"run{next(numbers)}", results)

    return make
