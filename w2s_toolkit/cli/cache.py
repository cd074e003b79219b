"""``w2s cache ls`` and ``w2s cache gc``."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from w2s_toolkit.cli.options import json_option, store_option
from w2s_toolkit.report.wording import size

if TYPE_CHECKING:
    from w2s_toolkit.store import Store

DAY = 86400.0


@click.group()
def cache() -> None:
    """The store of finished stages."""


@cache.command()
@store_option
@json_option
def ls(store: Path, as_json: bool) -> None:
    """List finished stages with size, age and the number of runs that use them."""
    from w2s_toolkit.store import Store

    place = Store(store)
    used = _uses(place)
    rows = [
        {
            "key": found.key,
            "label": found.manifest.get("label", ""),
            "kind": found.manifest.get("kind", ""),
            "bytes": found.size,
            "created": found.manifest.get("created", 0.0),
            "runs": len(used.get(found.key, ())),
        }
        for found in place.objects()
    ]
    rows.sort(key=lambda r: r["created"])
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        when = dt.datetime.fromtimestamp(row["created"]).strftime("%Y-%m-%d %H:%M")
        click.echo(
            f"{row['key'][:12]}  {size(row['bytes']):>8}  {when}  {row['runs']:>3} runs  {row['label']}"
        )
    click.echo(f"{len(rows)} objects, {size(sum(r['bytes'] for r in rows))} in {store}")


@cache.command()
@store_option
@click.option("--older-than", type=float, default=0.0, metavar="DAYS", help="Keep younger ones.")
@click.option("--all", "everything", is_flag=True, help="Also what existing runs use.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def gc(store: Path, older_than: float, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Delete stages that no existing run directory uses, and what killed runs left behind.

    Checkpoints and workspaces that changed within the last hour are kept: a run may be using them.
    """
    from w2s_toolkit.store import Store

    place = Store(store)
    used = {} if everything else _uses(place)
    limit = time.time() - older_than * DAY
    doomed = [
        o for o in place.objects() if o.key not in used and o.manifest.get("created", 0) <= limit
    ]
    leftovers = place.leftovers()
    freed = sum(o.size for o in doomed) + sum(_folder_size(p) for p in leftovers)
    if not dry_run:
        for found in doomed:
            place.remove(found.key)
        for path in leftovers:
            shutil.rmtree(path, ignore_errors=True)
    if as_json:
        keys = [o.key for o in doomed]
        click.echo(json.dumps({"objects": keys, "leftovers": len(leftovers), "bytes": freed}))
        return
    verb = "would free" if dry_run else "freed"
    click.echo(f"{verb} {size(freed)}: {len(doomed)} objects, {len(leftovers)} leftovers")


def _uses(store: Store) -> dict[str, set[str]]:
    """Key of an object -> the runs that planned it and whose directory still exists."""
    used: dict[str, set[str]] = {}
    for run in store.runs():
        try:
            stages = json.loads((run / "plan.json").read_text(encoding="utf-8"))["stages"]
        except (OSError, ValueError, KeyError):
            continue
        for stage in stages:
            for key in store.kept_with(stage["key"]):
                used.setdefault(key, set()).add(str(run))
    return used


def _folder_size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
