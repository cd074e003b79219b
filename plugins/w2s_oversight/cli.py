"""``w2s transcripts ls``, ``show`` and ``w2s oversight audit``. Each imports what it needs when it is used."""

from __future__ import annotations

from pathlib import Path

import click

from w2s_toolkit.cli.options import (
    json_option,
    recipe_argument,
    runs_option,
    set_option,
    store_option,
)

stage_option = click.option(
    "--stage", help="Only stages whose name holds this, such as debate/test."
)


@click.group()
def transcripts() -> None:
    """What was said in the oversight protocols of a run, and what the judge made of it."""


@transcripts.command("ls")
@click.argument("run")
@stage_option
@runs_option
@store_option
def ls(run: str, stage: str | None, runs: Path, store: Path) -> None:
    """List the stages of RUN that hold transcripts or verdicts."""
    from w2s_oversight.reading import chosen, talks_of
    from w2s_oversight.showing import print_list
    from w2s_toolkit.loading import load_run

    print_list(chosen(talks_of(load_run(run, runs), store), stage))


@transcripts.command("show")
@click.argument("run")
@click.argument("example", required=False)
@stage_option
@click.option(
    "--only",
    type=click.Choice(["wrong", "right", "flipped", "unscored"]),
    help="Only rows with such a verdict.",
)
@click.option("--below", type=click.FloatRange(0, 1), help="Only verdicts less sure than this.")
@click.option("--above", type=click.FloatRange(0, 1), help="Only verdicts at least as sure.")
@click.option("--candidates", is_flag=True, help="With candidate turns that were not taken.")
@click.option("--limit", type=click.IntRange(1), default=5, show_default=True)
@runs_option
@store_option
def show(
    run: str,
    example: str | None,
    stage: str | None,
    only: str | None,
    below: float | None,
    above: float | None,
    candidates: bool,
    limit: int,
    runs: Path,
    store: Path,
) -> None:
    """Show transcripts of RUN, of all rows or of EXAMPLE, an id or its beginning."""
    from w2s_oversight.reading import chosen, talks_of, wanted
    from w2s_oversight.showing import print_rows
    from w2s_toolkit.errors import UsageError
    from w2s_toolkit.loading import load_run

    talks = chosen(talks_of(load_run(run, runs), store), stage)
    found = [
        (talk, row)
        for talk in talks
        for row in talk.rows()
        if row.id in talk.turns or row.id in talk.verdicts
        if example is None or row.id.startswith(example)
        if wanted(talk, row, only, below, above)
    ]
    if not found:
        what = f"row begins with {example!r}" if example else "row passes these filters"
        raise UsageError(f"no {what}", next_step=f"'w2s transcripts ls {run}' lists what there is")
    print_rows(found[:limit], len(found) - min(limit, len(found)), candidates=candidates)


@click.group()
def oversight() -> None:
    """Questions about an oversight recipe."""


@oversight.command("audit")
@recipe_argument
@set_option
@store_option
@runs_option
@click.option("--rows", type=click.IntRange(10), default=300, show_default=True)
@click.option("--on", default="val", show_default=True, help="Split whose gold labels it reads.")
@json_option
def audit(
    recipe: str,
    overrides: tuple[str, ...],
    store: Path,
    runs: Path,
    rows: int,
    on: str,
    as_json: bool,
) -> None:
    """Ask whether the critic of RECIPE tells right from wrong better than its judge does.

    Debate and critique help a judge only then. Both are asked directly, without evidence, and
    compared on the same rows.
    """
    import json

    from w2s_oversight.audit import audit_recipe, print_audit

    found = audit_recipe(recipe, overrides, store=store, runs=runs, rows=rows, on=on)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    print_audit(found)
