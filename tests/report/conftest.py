"""Run directories without a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import Results, write_run

MakeRun = Callable[[Results], Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes results and all that stands beside them into a run directory."""

    def make(results: Results) -> Path:
        return write_run(tmp_path / "run", results)

    return make
