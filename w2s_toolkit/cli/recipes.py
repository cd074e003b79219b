"""``w2s recipes ls``, ``show`` and ``cp``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from w2s_toolkit.cli.options import json_option


@click.group()
def recipes() -> None:
    """Recipes that come with the toolkit and its plugins."""


@recipes.command()
@json_option
def ls(as_json: bool) -> None:
    """List shipped recipes."""
    from w2s_toolkit.registry import Registry

    found = Registry().recipes()
    if as_json:
        click.echo(json.dumps([r._asdict() for r in found], indent=1))
        return
    for recipe in found:
        click.echo(f"{recipe.name:<16} {recipe.summary}")


@recipes.command()
@click.argument("name")
def show(name: str) -> None:
    """Print a recipe."""
    click.echo(_find(name).read_text(encoding="utf-8"), nl=False)


@recipes.command()
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
def cp(name: str, target: Path) -> None:
    """Copy a recipe to TARGET, a folder or a new file, to change and own it."""
    from w2s_toolkit.errors import UsageError

    source = _find(name)
    target = target / source.name if target.is_dir() else target
    if target.exists():
        raise UsageError(
            "this file exists already", where=str(target), next_step="choose another name"
        )
    try:
        target.write_bytes(source.read_bytes())
        for name in _named_files(source):
            if not (target.parent / name).exists():
                (target.parent / name).write_bytes((source.parent / name).read_bytes())
                click.echo(f"wrote {target.parent / name}")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(target)) from None
    click.echo(f"wrote {target}; run it with: w2s run {target}")


def _named_files(recipe: Path) -> list[str]:
    """Files beside a recipe that it names, without which a copy would not run."""
    from w2s_toolkit.recipe.tree import read_tree

    names: list[str] = []
    stack: list[object] = [read_tree(recipe).value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, str) and Path(node).name == node:
            names += [node] * (recipe.parent / node).is_file()
    return names


def _find(name: str) -> Path:
    from w2s_toolkit.recipe.load import find_recipe
    from w2s_toolkit.registry import Registry

    return find_recipe(name, Registry())
