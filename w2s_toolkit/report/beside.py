"""Files beside the page: the pictures as SVG, the numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.svg import standalone
from w2s_toolkit.report.wording import canonical
from w2s_toolkit.whole import write_whole

if TYPE_CHECKING:
    from w2s_toolkit.report.canvas import Plot

_SUMMARY = ("phase", "round", "role", "model", "split", "evaluator", "metric", "value", "low", "high", "n", "reason", "seeds")  # fmt: skip
_SINGLE = ("cell", "seed", *_SUMMARY[:-1])


def write_numbers(run: Path, results: Mapping[str, Any]) -> None:
    """``results.csv``, a row a metric over seeds, and ``seeds.csv``, a row a metric and seed.

    Empty cells are values that cannot be given; ``reason`` says why. Each axis of the matrix has a
    column.
    """
    cells = results.get("cells") or []
    summary = [{**row, **row["group"]} for row in results.get("summary") or []]
    single = [{**row, **cells[row["cell"]]["axes"]} for row in results.get("rows") or []]
    axes = list(dict.fromkeys(a for c in cells for a in c["axes"] if a != "seed"))
    for name, columns, rows in (
        ("results.csv", _SUMMARY, summary),
        ("seeds.csv", _SINGLE, single),
    ):
        used = [c for c in columns if c != "round" or any(c in row for row in rows)]
        _write(run / name, _csv([*axes, *used], rows))


def write_figures(run: Path, plots: Mapping[str, Plot]) -> None:
    """``figures/NAME.svg``; pictures of an earlier report that this one has not are removed."""
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    for name, plot in plots.items():
        _write(folder / f"{name}.svg", standalone(plot))
    for path in folder.glob("*.svg"):
        if path.stem not in plots:
            path.unlink()


def _csv(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return canonical(value)
    # A spreadsheet runs what begins like this; names come from recipes and models.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode("utf-8", "replace"))
