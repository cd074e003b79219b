"""Reliability diagrams: accuracy against confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.bins import bins_of
from w2s_toolkit.report.blocks import Block, titles
from w2s_toolkit.report.canvas import MOST_BLOCKS, WIDTH, Plot, cut, figure
from w2s_toolkit.report.svg import COLOURS, MUTED, PAPER, drawing, inline_svg
from w2s_toolkit.report.wording import ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reliability(found: Sequence[Block], tables: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Accuracy against confidence, a panel a block."""
    panels = [(t, bins_of(b, tables)) for b, t in zip(found, titles(found), strict=True)]
    panels = [(title, curves) for title, curves in panels if curves][:MOST_BLOCKS]
    if not panels:
        return None
    columns = 1 if len(panels) == 1 else 2
    side = (WIDTH - 0.55 - 0.45 * (columns - 1) - 0.15) / columns * (0.85 if columns == 1 else 1)
    lines = -(-len(panels) // columns)
    height = lines * (side + 0.75)
    start = min(p["low"] for _, curves in panels for points in curves.values() for p in points)
    low = 0.5 if start >= 0.45 else 0.0
    with drawing():
        sheet = figure(height)
        for index, (title, curves) in enumerate(panels):
            left = 0.55 + index % columns * (side + 0.45)
            bottom = height - (index // columns + 1) * (side + 0.75) + 0.48
            box = (left / WIDTH, bottom / height, side / WIDTH, side / height)
            axes = sheet.add_axes(box)
            axes.plot((low, 1), (low, 1), color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
            for role, points in curves.items():
                _curve(axes, points, COLOURS[role])
            axes.set_xlim(low, 1.02)
            axes.set_ylim(-0.02, 1.02)
            axes.grid(True)
            axes.set_xlabel("confidence")
            axes.set_ylabel("accuracy" if index % columns == 0 else "")
            axes.set_title(_cut(title, 46 // columns), loc="left", fontsize=9)
        roles = list(dict.fromkeys(r for _, curves in panels for r in curves))
        said = ", ".join(ROLES[r] for r in roles)
        svg = inline_svg(sheet, "reliability", f"Accuracy against confidence of {said}")
    caption = "A model whose probabilities mean what they say lies on the dashed line. Larger dots hold more rows."
    return Plot(svg, "Reliability", caption)


def _curve(axes: Axes, points: Sequence[Mapping[str, Any]], colour: str) -> None:
    x, y = [p["confidence"] for p in points], [p["accuracy"] for p in points]
    total = sum(p["n"] for p in points) or 1
    axes.plot(x, y, color=colour, linewidth=1.2)
    sizes = [12 + 90 * p["n"] / total for p in points]
    axes.scatter(x, y, s=sizes, color=colour, edgecolors=PAPER, linewidths=0.6, zorder=3)
