"""``w2s doctor``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2s_toolkit.cli.options import json_option, runs_option, set_option, store_option

if TYPE_CHECKING:
    from w2s_toolkit.doctor.examine import Section

_STYLES: dict[str, dict[str, Any]] = {
    "ok": {"fg": "green"},
    "warn": {"fg": "yellow", "bold": True},
    "fail": {"fg": "red", "bold": True},
}


@click.command()
@click.argument("recipe", required=False)
@set_option
@store_option
@runs_option
@click.option("--deep", is_flag=True, help="Compare every file of the store with its digest.")
@json_option
def doctor(
    recipe: str | None,
    overrides: tuple[str, ...],
    store: Path,
    runs: Path,
    deep: bool,
    as_json: bool,
) -> int:
    """Check packages, hardware, plugins, the store and the runs; change nothing.

    With RECIPE, also what it needs: whether it is valid, and whether its models can be used. Hosted models
    are asked a short question for that.

    Exit codes: 0 nothing is broken (there may be warnings), 1 something is.
    """
    from w2s_toolkit.doctor.examine import examine, worst

    sections = []
    track = _track if deep else None
    for section in examine(store, runs, deep=deep, track=track, recipe=recipe, overrides=overrides):
        sections.append(section)
        if not as_json:
            _print(section)
    status = worst(sections)
    if as_json:
        listed = [{"name": s.name, "findings": [f._asdict() for f in s.findings]} for s in sections]
        click.echo(json.dumps({"status": status, "sections": listed}, indent=1))
    else:
        _say(_verdict(sections))
    return 1 if status == "fail" else 0


def _print(section: Section) -> None:
    _say(click.style(section.name, bold=True))
    for finding in section.findings:
        mark = click.style(f"{finding.status:<4}", **_STYLES[finding.status])
        _say(f"  {mark}  {_plain(finding.name)}: {_plain(finding.message)}")
        if finding.next_step:
            _say(f"        next: {_plain(finding.next_step)}")


def _verdict(sections: Iterable[Section]) -> str:
    found = [f.status for s in sections for f in s.findings]
    broken, warned = found.count("fail"), found.count("warn")
    if not broken and not warned:
        return "nothing to mend"
    return f"{broken} broken, {warned} to know about"


def _plain(text: str) -> str:
    from w2s_toolkit.report.wording import printable

    return printable(text).replace("\n", " ")


def _say(text: str) -> None:
    # File names need not be text in any encoding, and terminals need not know every letter.
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding))


def _track(folders: Any) -> Iterable[Any]:
    """Progress over the objects, on stderr: a bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():
        click.echo(f"reading {len(folders)} objects", err=True)
        return list(folders)
    from rich.console import Console
    from rich.progress import track

    return track(folders, "reading objects", console=Console(stderr=True), transient=True)
