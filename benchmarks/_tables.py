"""What benchmarks that fill a page share: runs by the command line, table cells, and the page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.loading import Run, load_run


def ran(recipe: str | Path, work: Path, sets: Mapping[str, Any] | None = None) -> Run:
    """Run a recipe as a user does, with store and runs below ``work``; ``sets`` are overrides."""
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(recipe), "-q"]
    command += [w for name, value in (sets or {}).items() for w in ("--set", f"{name}={value}")]
    command += ["--store", str(work / "store"), "--runs", str(work / "runs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return load_run("last", work / "runs")


def cell(table: Any, role: str, metric: str) -> str:
    """A value of a run's summary with its interval."""
    row = table[(table["role"] == role) & (table["metric"] == metric)].iloc[0]
    if row["value"] is None or row["value"] != row["value"]:
        return "none"
    digits = 2 if metric.startswith("pgr") else 3
    return f"{row['value']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def one_by_one(rows: Any) -> str:
    """The values of each seed, in the order of seeds."""
    values = rows.sort_values("seed")["value"]
    return ", ".join("none" if v is None or v != v else f"{v:.2f}" for v in values)


def write_between(page: Path, start: str, end: str, text: str) -> None:
    """Replace what stands between two marks of a page."""
    head, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, _, tail = rest.partition(end)
    page.write_text(f"{head}{start}\n\n{text}\n\n{end}{tail}", encoding="utf-8")
