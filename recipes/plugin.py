"""Registers the recipes of this folder and those in it; the summary is each file's first comment line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from w2s_toolkit.hookspecs import RecipeFile, hookimpl


@hookimpl
def w2s_recipes() -> Iterable[RecipeFile]:
    """See the hook specification."""
    here = Path(__file__).parent
    for path in sorted(here.rglob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            summary = file.readline().lstrip("# ").strip()
        name = path.relative_to(here).with_suffix("").as_posix()
        yield RecipeFile(name, str(path), summary)
