"""A recipe in rounds on toy components."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_w2s import rounds

from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import Outcome, run_recipe

pytest.importorskip("sklearn")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Two phases, three rounds, a few seconds."""
    return rounds.write(tmp_path)


@pytest.fixture
def run(recipe: Path) -> Callable[..., Outcome]:
    """Run it with overrides."""

    def start(*overrides: str, registry: Registry | None = None, **more: Any) -> Outcome:
        registry = registry or Registry()
        loaded = load_recipe(recipe, registry, overrides)
        store = more.pop("store", Path("store"))
        outcome = run_recipe(loaded, registry, store=store, runs=Path("runs"), quiet=True, **more)
        assert outcome.status == "done", outcome.error
        return outcome

    return start


def rounds_of(outcome: Outcome) -> list[dict[str, Any]]:
    """What was decided, without the test of the first supervisor."""
    assert outcome.results is not None
    return [row for row in outcome.results["rounds"] if row["round"]]


def stages(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The stages of a run's plan, by id."""
    plan = json.loads((outcome.folder / "plan.json").read_text())
    return {stage["id"]: stage for stage in plan["stages"]}
