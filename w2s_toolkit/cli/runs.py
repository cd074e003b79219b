"""``w2s runs ls``, ``show``, ``diff``, ``export`` and ``w2s report``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from w2s_toolkit.cli.options import json_option, runs_option


@click.group()
def runs() -> None:
    """Runs and their results."""


@runs.command()
@runs_option
@json_option
def ls(runs: Path, as_json: bool) -> None:
    """List runs, oldest first."""
    from w2s_toolkit.loading import Run, list_runs

    rows = [
        {"name": n, "status": Run(runs / n).status, "path": str(runs / n)} for n in list_runs(runs)
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        click.echo(f"no runs in {runs}", err=True)
    for row in rows:
        click.echo(f"{row['status']:<8} {row['name']}")


@runs.command()
@click.argument("run")
@runs_option
@json_option
def show(run: str, runs: Path, as_json: bool) -> None:
    """Show a run: RUN is its directory, its name, a unique beginning of it, or 'last'."""
    from w2s_toolkit.loading import load_run

    found = load_run(run, runs)
    if as_json:
        click.echo(json.dumps(found.raw, indent=1, sort_keys=True, ensure_ascii=False))
        return
    click.echo(f"{found.path.name}: {found.status}")
    if (found.path / "results.json").exists():
        from w2s_toolkit.report.table import print_summary

        print_summary(found.raw)
        return
    for line in _events(found.path):
        click.echo(line)


@runs.command()
@click.argument("a")
@click.argument("b")
@runs_option
@json_option
def diff(a: str, b: str, runs: Path, as_json: bool) -> None:
    """Compare two runs: recipe, inputs, environment, stages and results.

    A and B are each a run's directory, its name, a unique beginning of it, or 'last'. Differences
    of results are B minus A, with a 95% interval paired over rows and seeds where both runs were
    scored on the same rows.
    """
    from w2s_toolkit.compare.runs import compare_runs
    from w2s_toolkit.compare.show import print_comparison
    from w2s_toolkit.loading import load_run
    from w2s_toolkit.registry import Registry

    found = compare_runs(load_run(a, runs).path, load_run(b, runs).path, Registry())
    if as_json:
        click.echo(json.dumps(found, indent=1, default=str))
        return
    print_comparison(found)


@runs.command()
@click.argument("run")
@click.argument("stage")
@click.argument("folder", type=click.Path(path_type=Path))
@runs_option
def export(run: str, stage: str, folder: Path, runs: Path) -> None:
    """Write a trained model of RUN to FOLDER, which needs nothing of the toolkit.

    STAGE trained it, such as bootstrap/student/train; 'w2s plan' prints their names. Of a stage that
    built an ensemble whose members write together, FOLDER holds all of them and how they are mixed.
    """
    from w2s_toolkit.export import export_model
    from w2s_toolkit.loading import load_run
    from w2s_toolkit.registry import Registry

    export_model(load_run(run, runs), stage, folder, Registry())
    click.echo(f"wrote {folder}")


@click.command()
@click.argument("run")
@runs_option
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
def report(run: str, runs: Path, opens: bool) -> None:
    """Build RUN's report.html again: RUN is its directory, its name, a unique beginning of it, or 'last'.

    Of a run that failed or was stopped, it shows what was run and where it ended.
    """
    from w2s_toolkit.loading import load_run
    from w2s_toolkit.report.html import write_report

    found = load_run(run, runs)
    if not (found.path / "plan.json").exists():
        assert found.raw  # says that there is nothing to report
    page = write_report(found.path)
    click.echo(f"wrote {page}")
    if opens and click.launch(page.resolve().as_uri()):
        click.echo("there is no browser to show it in", err=True)


def _log_lines(path: Path) -> list[str]:
    try:
        return (path / "events.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _events(path: Path) -> list[str]:
    """What a run without results did: its finished stages and its error."""
    lines = []
    for text in _log_lines(path):
        try:
            event = json.loads(text)
        except ValueError:  # the line at which a full disk or a kill ended the log
            continue
        if event["event"] == "stage_finished":
            lines.append(f"  {event['status']:<8} {event['stage']}")
            if event.get("error"):
                lines.append(f"    {event['error']}\n    log: {event.get('log', '')}")
    return lines
