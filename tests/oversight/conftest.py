"""Fixtures of the oversight tests; see ``watched``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from watched import SHARED, Source, model

from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing import tiny_context


@pytest.fixture
def weak() -> Source:
    return Source(model("lab-xs"))


@pytest.fixture
def strong() -> Source:
    return Source(model("lab-s"))


@pytest.fixture
def context(tmp_path: Path, weak: Source, strong: Source) -> Callable[..., StageContext]:
    """A context that knows the models weak and strong; the same name keeps its scratch."""

    def make(name: str = "stage", seed: int = 1) -> StageContext:
        models = {"weak": weak, "strong": strong}
        return tiny_context(tmp_path / name, seed=seed, models=models, shared=SHARED)

    return make


@pytest.fixture
def own_prompts(tmp_path: Path) -> Callable[..., str]:
    """Writes a folder of prompts."""

    def make(**files: str) -> str:
        folder = tmp_path / "prompts"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name.replace('__', '.')}.txt").write_text(text)
        return str(folder)

    return make
