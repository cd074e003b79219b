from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing import tiny_context


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., StageContext]:
    """A context with a seed."""

    def make(seed: int = 1) -> StageContext:
        return tiny_context(tmp_path, seed=seed)

    return make
