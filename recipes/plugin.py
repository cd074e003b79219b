"""Registers the recipes of this folder; the summary is each file's first comment line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from w2s_toolkit.hookspecs import RecipeFile, hookimpl


@hookimpl
def w2s_recipes() -> Iterable[RecipeFile]:
    """See the hook specification."""
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            summary = file.readline().lstrip("# ").strip()
        yield RecipeFile(path.stem, str(path), summary)
