"""``w2s cost``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from w2s_toolkit.cli.options import json_option, runs_option


@click.command()
@click.argument("run")
@runs_option
@json_option
def cost(run: str, runs: Path, as_json: bool) -> None:
    """Show what the hosted models of RUN cost: its directory, its name, or 'last'.

    Settled tokens and money by stage and model, of all runs of its recipe in its store, since they share
    one budget, and of this run alone. Reservations that stand are calls of which nobody can tell whether
    they were paid for, such as those that timed out; they are listed apart and count against the budget.
    """
    from w2s_toolkit.calls.spending import spent_json
    from w2s_toolkit.errors import UsageError
    from w2s_toolkit.loading import load_run

    path = load_run(run, runs).path
    try:
        facts = json.loads((path / "calls.json").read_text(encoding="utf-8"))
        store = Path(facts["store"])
    except FileNotFoundError:
        click.echo(f"{path.name} uses no hosted model", err=True)
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"calls.json cannot be read: {error}",
            where=str(path),
            next_step="run its recipe again: what was paid for is not paid again",
        ) from None
    spent = spent_json(store, facts, path.name)
    if as_json:
        click.echo(json.dumps(spent, indent=1))
        return
    _print(facts["ledger"], spent)


def _print(recipe: str, spent: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title_justify="left")
    names = ("stage", "model", "calls", "read", "written", "USD")
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number < 2 else "right", overflow="fold")
    for row in spent["all_runs"]["stages"]:
        if row["settled"]["calls"]:
            table.add_row(row["stage"], row["model"], *_cells(row["settled"]))
    table.add_section()
    table.add_row(f"all runs of {recipe}", "", *_cells(spent["all_runs"]["settled"]))
    table.add_row("this run", "", *_cells(spent["this_run"]["settled"]))
    Console(width=None if Console().is_terminal else 160).print(table)
    for row in spent["all_runs"]["stages"]:
        stands = row["standing"]
        if stands["calls"]:
            click.echo(
                f"standing: {stands['calls']} calls of {row['stage']} to {row['model']}, at most "
                f"{stands['tokens']} tokens{_usd(stands['usd'])}"
            )
    click.echo(_budget(spent))


def _cells(settled: Mapping[str, Any]) -> list[str]:
    known = settled["calls"] > settled["unpriced"] or not settled["calls"]
    usd = f"{settled['usd']:.4f}" if known else "unknown"
    usd += "+" if known and settled["unpriced"] else ""
    return [str(settled[n]) for n in ("calls", "prompt_tokens", "completion_tokens")] + [usd]


def _usd(usd: float) -> str:
    return f", {usd:.4f} USD" if usd else ""


def _budget(spent: Mapping[str, Any]) -> str:
    caps = spent["budget"]
    said = [f"{caps['usd']:g} USD" if caps["usd"] else "", f"{caps['tokens']} tokens" if caps["tokens"] else ""]  # fmt: skip
    return f"budget: {' and '.join(s for s in said if s) or 'none'}"
