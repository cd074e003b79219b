"""Reliability diagrams: accuracy against confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.bins import Points, bins_of
from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import title_parts
from w2s_toolkit.report.canvas import FOOT, WIDTH, Plot, cut, figure
from w2s_toolkit.report.svg import COLOURS, MUTED, PAPER, drawing, inline_svg
from w2s_toolkit.report.wording import ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT = 0.6
"""Inches at the left of a panel."""

_FEW = 5
"""Below so many rows a dot says nothing."""

_MOST = 8
"""No more panels than this."""


def reliability(found: Sequence[Block], tables: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Accuracy against confidence, a panel a block."""
    panels = [(t, bins_of(b, tables)) for b, t in zip(found, title_parts(found), strict=True)]
    panels = [
        (title, {r: _told(p) for r, p in curves.items()}) for title, curves in panels if curves
    ]
    if not panels:
        return None
    caption = (
        "A model whose probabilities mean what they say lies on the dashed line. Larger dots hold "
        f"more rows; those of fewer than {_FEW} are left out."
    )
    if len(panels) > _MOST:
        caption += f" The first {_MOST} of {len(panels)} combinations."
        panels = panels[:_MOST]
    around = FOOT + 0.15 + 0.16 * max(len(title) for title, _ in panels)
    columns = 1 if len(panels) == 1 else 2
    side = 3.0 if columns == 1 else (WIDTH - _LEFT - 0.15 - _LEFT * 0.8) / 2
    height = -(-len(panels) // columns) * (side + around)
    every = [p for _, curves in panels for points in curves.values() for p in points]
    left = 0.5 if min(p["low"] for p in every) >= 0.45 else 0.0
    bottom = left if min(p["accuracy"] for p in every) >= left else 0.0
    with drawing():
        sheet = figure(height)
        for index, (title, curves) in enumerate(panels):
            x = _LEFT + index % columns * (side + _LEFT * 0.8)
            y = height - (index // columns + 1) * (side + around) + FOOT
            axes = sheet.add_axes((x / WIDTH, y / height, side / WIDTH, side / height))
            axes.plot((left, 1), (left, 1), color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
            for role, points in curves.items():
                _curve(axes, points, role)
            axes.set_xlim(left - 0.02 * (1 - left), 1.0)
            axes.set_ylim(bottom - 0.02 * (1 - bottom), 1.0)
            axes.grid(True)
            axes.set_xlabel("confidence")
            axes.set_ylabel("accuracy" if index % columns == 0 else "")
            lines = "\n".join(cut(part, 24) for part in title)
            axes.set_title(lines, loc="left", fontsize=9)
        roles = list(dict.fromkeys(r for _, curves in panels for r in curves))
        said = ", ".join(ROLES[r] for r in roles)
        svg = inline_svg(sheet, "reliability", f"Accuracy against confidence of {said}")
    return Plot(svg, "Reliability", caption, tuple(roles))


def _told(points: Points) -> Points:
    return [p for p in points if p["n"] >= _FEW] or points


_LOOKS = {
    "weak_floor": ("s", (0, (1.5, 1.2))),
    "supervisor": ("^", (0, (5, 1.5))),
    "student": ("o", "-"),
    "strong_ceiling": ("D", (0, (4, 2))),
}
"""Marker and dashes by role, for those who cannot tell the colours apart."""


def _curve(axes: Axes, points: Sequence[Mapping[str, Any]], role: str) -> None:
    colour, (marker, dashes) = COLOURS[role], _LOOKS[role]
    x, y = [p["confidence"] for p in points], [p["accuracy"] for p in points]
    total = sum(p["n"] for p in points) or 1
    axes.plot(x, y, color=colour, linewidth=1.2, linestyle=dashes)
    sizes = [16 + 80 * p["n"] / total for p in points]
    axes.scatter(
        x,
        y,
        s=sizes,
        marker=marker,
        color=colour,
        edgecolors=PAPER,
        linewidths=0.6,
        zorder=3,
        clip_on=False,
    )
