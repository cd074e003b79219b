"""``w2s validate`` and ``w2s schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from w2s_toolkit.cli.options import json_option, recipe_argument, set_option


@click.command()
@recipe_argument
@set_option
@json_option
def validate(recipe: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check RECIPE and report all problems at once. Reads no data and needs no network."""
    from w2s_toolkit.errors import RecipeError
    from w2s_toolkit.recipe.load import find_recipe, load_recipe
    from w2s_toolkit.registry import Registry

    registry = Registry()
    registry.check_hook_names()
    file = find_recipe(recipe, registry)
    try:
        loaded = load_recipe(file, registry, overrides)
    except RecipeError as error:
        if not as_json:
            raise
        problems = list(error.problems) or [str(error)]
        click.echo(json.dumps({"valid": False, "problems": problems}, indent=1))
        return error.exit_code
    if as_json:
        click.echo(json.dumps({"valid": True, "cells": [dict(c.axes) for c in loaded.cells]}))
        return 0
    cells = f", {len(loaded.cells)} cells" if len(loaded.cells) > 1 else ""
    click.echo(f"{file}: valid ({loaded.name}: {len(loaded.cells[0].phases)} phase(s){cells})")
    return 0


@click.command()
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False))
def schema(output: Path | None) -> None:
    """Write the JSON Schema of recipes with all installed components, for editor completion."""
    from w2s_toolkit.recipe.jsonschema import recipe_schema
    from w2s_toolkit.registry import Registry

    text = json.dumps(recipe_schema(Registry()), indent=2) + "\n"
    if output:
        output.write_text(text, encoding="utf-8")
        click.echo(f"wrote {output}")
    else:
        click.echo(text, nl=False)
