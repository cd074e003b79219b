"""``w2s recipes ls``, ``show`` and ``cp``."""

from __future__ import annotations

import json
import os
import shutil
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
@click.argument("target", metavar="TARGET")
def cp(name: str, target: str) -> None:
    """Copy a recipe to TARGET, a folder or a new file, to change and own it."""
    from w2s_toolkit.errors import UsageError

    source = _find(name)
    file = Path(target)
    if file.is_dir() or target.endswith(("/", os.sep)):  # a folder that may be new
        file /= source.name
    if file.exists():
        raise UsageError(
            "this file exists already", where=str(file), next_step="choose another name"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        for name in _named_paths(source):
            here = Path(*(part for part in Path(name).parts if part != ".."))
            text = text.replace(name, here.as_posix())
            if not (file.parent / here).exists():
                _copy(source.parent / name, file.parent / here)
                click.echo(f"wrote {file.parent / here}")
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(file)) from None
    click.echo(f"wrote {file}; run it with: w2s run {file}")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.write_bytes(source.read_bytes())


def _named_paths(recipe: Path) -> list[str]:
    """Files and folders of prompts that a recipe names beside it, without which a copy would not run."""
    from w2s_toolkit.recipe.tree import read_tree

    names: list[str] = []
    stack: list[object] = [read_tree(recipe).value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, str) and _is_beside(recipe, node):
            names.append(node)
    return list(dict.fromkeys(names))


def _is_beside(recipe: Path, text: str) -> bool:
    """Whether a text is the relative path of a file beside a recipe, or of a folder below or beside it."""
    path = Path(text)
    if len(text) > 200 or path.is_absolute() or not path.name or path.name in (".", ".."):
        return False
    if path.name == text:
        return (recipe.parent / path).is_file()
    return (recipe.parent / path).is_dir()


def _find(name: str) -> Path:
    from w2s_toolkit.recipe.load import find_recipe
    from w2s_toolkit.registry import Registry

    return find_recipe(name, Registry())
