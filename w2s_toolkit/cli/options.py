"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

recipe_argument = click.argument("recipe", metavar="RECIPE")

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change one place of the recipe, e.g. phases.bootstrap.student.epochs=3. Repeatable.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def store_option(command: F) -> F:
    """``--store DIR``."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        default=lambda: Path(os.environ.get("W2S_STORE", ".w2s/store")),
        show_default="$W2S_STORE or .w2s/store",
        help="Folder of finished stages; runs that share it share their stages.",
    )(command)


def runs_option(command: F) -> F:
    """``--runs DIR``."""
    return click.option(
        "--runs",
        type=click.Path(path_type=Path, file_okay=False),
        default=lambda: Path(os.environ.get("W2S_RUNS", "runs")),
        show_default="$W2S_RUNS or runs",
        help="Folder of run directories.",
    )(command)
