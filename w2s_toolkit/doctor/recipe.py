"""One recipe: whether it is valid, and what its models say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from w2s_toolkit.calls.prices import used_models
from w2s_toolkit.config import ModelConfig
from w2s_toolkit.doctor.examine import checked
from w2s_toolkit.errors import RecipeError
from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.recipe.load import find_recipe, load_recipe

if TYPE_CHECKING:
    from w2s_toolkit.registry import Registry


def recipe_health(registry: Registry, recipe: str, overrides: tuple[str, ...]) -> Iterator[Finding]:
    """Findings on a recipe file or a shipped recipe."""
    try:
        loaded = load_recipe(find_recipe(recipe, registry), registry, overrides)
    except RecipeError as error:
        step = error.next_step or f"w2s validate {recipe}"
        yield Finding("recipe", "fail", error.what, step)
        return
    cells = len(loaded.cells)
    yield Finding("recipe", "ok", f"valid, {cells} cell{'s' * (cells != 1)}")
    for use in used_models(loaded.cells):
        if isinstance(use.config, ModelConfig):
            yield from checked(use.config.findings, use.called)
