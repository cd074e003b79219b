"""``w2s run``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from w2s_toolkit.cli.options import (
    json_option,
    recipe_argument,
    runs_option,
    set_option,
    store_option,
)


@click.command()
@recipe_argument
@set_option
@store_option
@runs_option
@click.option("--executor", help="How stages are started; see 'w2s plugins ls'.")
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="CPU threads in all, shared by stages that run side by side.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 256),
    help="Stages side by side. Unless given: $W2S_JOBS, or one a GPU, or one for two threads.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the result.")
@json_option
def run(
    recipe: str,
    overrides: tuple[str, ...],
    store: Path,
    runs: Path,
    executor: str | None,
    threads: int | None,
    jobs: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run RECIPE, a file or the name of a shipped one.

    Stages that a former run finished are not run again, so the same command goes on after an
    interruption. Exit codes: 0 done, 1 failed, 2 bad usage or recipe, 3 stopped by the budget.
    """
    from w2s_toolkit.recipe.load import find_recipe, load_recipe
    from w2s_toolkit.registry import Registry

    registry = Registry()
    registry.check_hook_names()
    if executor is not None:
        registry.get("executors", executor)
    loaded = load_recipe(find_recipe(recipe, registry), registry, overrides)

    from w2s_toolkit.run import run_recipe

    outcome = run_recipe(
        loaded,
        registry,
        store=store,
        runs=runs,
        executor=executor,
        threads=threads,
        jobs=jobs,
        quiet=quiet,
    )
    if outcome.status in ("done", "partial") and outcome.results is not None:
        if as_json:
            click.echo(json.dumps(outcome.results, indent=1, sort_keys=True, ensure_ascii=False))
        else:
            from w2s_toolkit.report.table import print_summary

            print_summary(outcome.results)
        click.echo(
            f"{outcome.ran} stages run, {outcome.cached} cached, {outcome.seconds:.1f} s\n"
            f"results  {outcome.folder / 'results.json'}\n"
            f"report   {outcome.folder / 'report.html'}",
            err=as_json,
        )
        if outcome.status == "partial":
            _say_what_the_budget_stopped(outcome.partial, outcome.left)
            return 3
        return 0
    _say_how_to_go_on(outcome.status, outcome.ran + outcome.cached, outcome.folder)
    if outcome.error is not None:
        raise outcome.error
    return 130


def _say_what_the_budget_stopped(partial: Mapping[str, str], left: int) -> None:
    import shlex

    for stage, said in partial.items():
        click.echo(f"stopped  {stage}: {said}", err=True)
    more = f"; {left} stages that need them were not begun" if left else ""
    click.echo(f"Partial. What was paid for is kept{more}", err=True)
    command = shlex.join(["w2s", *sys.argv[1:]])
    click.echo(f"With a higher budget or quota, go on with: {command}", err=True)


def _say_how_to_go_on(status: str, kept: int, folder: Path) -> None:
    import shlex

    word = {"stopped": "Stopped", "failed": "Failed"}[status]
    how = {"stopped": "Go on with", "failed": "Once that is mended, go on with"}[status]
    command = shlex.join(["w2s", *sys.argv[1:]])
    click.echo(f"{word}. {kept} finished stages are kept; log in {folder}", err=True)
    click.echo(f"{how}: {command}", err=True)
