"""How good an ensemble is by its size, on the rows by which its size was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.canvas import FOOT, WIDTH, Plot, cut, figure
from w2s_toolkit.report.curves import by_combination
from w2s_toolkit.report.svg import COLOURS, GRID, PAPER, drawing, inline_svg
from w2s_toolkit.report.wording import metric_name, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT, _LEFT, _RIGHT, _MOST = 1.5, 0.65, 0.2, 8
"""Inches of a panel, and how many there are at most."""


def sizes(found: Sequence[Block], results: Mapping[str, Any]) -> Plot | None:
    """A panel a combination, a line a seed; None unless the size of an ensemble was chosen."""
    panels = by_combination(found, results, results.get("sizes") or [])
    if not panels:
        return None
    caption = (
        "The first members of an ensemble together, scored on rows that they were not trained on: "
        "out-of-bag rows, or those of choose_on, never those of the results. A line is a seed, the "
        "full dot the size that was kept; bands are one standard error (by group of rows)."
    )
    if len(panels) > _MOST:
        caption += f" The first {_MOST} of {len(panels)} combinations."
        panels = panels[:_MOST]
    each = _HEIGHT + FOOT + 0.25
    whole = each * len(panels)
    with drawing():
        sheet = figure(whole)
        for index, (title, rows) in enumerate(panels):
            bottom = each * (len(panels) - 1 - index) + FOOT
            width = WIDTH - _LEFT - _RIGHT
            box = (_LEFT / WIDTH, bottom / whole, width / WIDTH, _HEIGHT / whole)
            axes = sheet.add_axes(box)
            _panel(axes, rows)
            axes.set_title(cut(title, 52), loc="left", fontsize=9)
        said = "; ".join(f"{title or 'ensemble'}: {_kept(rows)}" for title, rows in panels)
        svg = inline_svg(sheet, "sizes", f"Ensembles by size. {said}")
    return Plot(svg, "Size of the ensemble", caption)


def _kept(rows: Sequence[Mapping[str, Any]]) -> str:
    """``3 of 8 members kept (accuracy 0.715)`` of every seed."""
    each = []
    for row in rows:
        value = next(p[row["by"]] for p in row["points"] if p["size"] == row["size"])
        most = max(p["size"] for p in row["points"])
        each.append(f"{row['size']} of {most} kept ({metric_name(row['by'])} {number(value)})")
    return ", ".join(each)


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.ticker import MaxNLocator

    colour = COLOURS["supervisor"]
    for row in rows:
        by, points = row["by"], row["points"]
        x, y = [p["size"] for p in points], [p[by] for p in points]
        axes.plot(x, y, color=colour, linewidth=1.5)
        axes.plot(x, y, "o", markersize=4, color=colour, markerfacecolor=PAPER)
        kept = x.index(row["size"])
        axes.plot(x[kept], y[kept], "o", markersize=7, color=colour)
        if len(rows) == 1:
            room = [p.get(f"{by}_se") or 0.0 for p in points]
            lower = [value - se for value, se in zip(y, room, strict=True)]
            upper = [value + se for value, se in zip(y, room, strict=True)]
            axes.fill_between(x, lower, upper, color=colour, alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.grid(True)
    axes.tick_params(color=GRID)
    axes.set_xlabel("members")
    axes.set_ylabel(metric_name(rows[0]["by"]))
