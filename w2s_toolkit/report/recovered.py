"""Performance gap recovered, block by block."""

from __future__ import annotations

from collections.abc import Sequence

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import short_titles
from w2s_toolkit.report.canvas import MOST_BLOCKS, TITLE, Plot, block_name, canvas, dots, value
from w2s_toolkit.report.svg import COLOURS, MUTED, drawing, inline_svg
from w2s_toolkit.report.wording import Row, number

_ROW = 0.5


def recovered(found: Sequence[Block]) -> Plot | None:
    """PGR of every block, when there are several."""
    named = [
        (title, block.find("student", "pgr"), block)
        for block, title in zip(found, short_titles(found, TITLE), strict=True)
    ][:MOST_BLOCKS]
    rows = [(title, row, block) for title, row, block in named if row is not None]
    values = [float(row["value"]) for _, row, _ in rows if row["value"] is not None]
    if len(rows) < 2 or not values:
        return None
    low, high = _pgr_limits([row for _, row, _ in rows], values)
    with drawing():
        sheet, axes = canvas(len(rows) * _ROW + 0.1, 0.12, top=0.22)
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) * _ROW + 0.1, 0)
        for place, word in ((0.0, "floor"), (1.0, "ceiling")):
            if low <= place <= high:
                axes.axvline(place, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
                axes.annotate(
                    word, (place, 0), (0, 2), textcoords="offset points", ha="center", color=MUTED
                )
        for index, (title, row, block) in enumerate(rows):
            y = index * _ROW + 0.36
            block_name(axes, 0, y - 0.14, title)
            ends = (
                low if row["low"] is None else row["low"],
                high if row["high"] is None else row["high"],
            )
            if row["value"] is not None:
                axes.plot(ends, (y, y), color=COLOURS["student"], linewidth=2)
                axes.plot(row["value"], y, "o", color=COLOURS["student"], markersize=6)
                several = block.seed_table if len(block.seeds) > 1 else []
                dots(axes, [s["pgr"] for s in several if s.get("pgr") is not None], y + 0.1)
            value(axes, y, number(row["value"], 2))
        axes.set_xlabel("PGR")
        said = "; ".join(f"{t}: {number(r['value'], 2)}" for t, r, _ in rows)
        svg = inline_svg(sheet, "recovered", f"PGR. {said}")
    caption = "Share of the gap between weak floor and strong ceiling that the student recovers."
    return Plot(svg, "Performance gap recovered", f"{caption} Lines are 95% intervals.")


def _pgr_limits(rows: Sequence[Row], values: Sequence[float]) -> tuple[float, float]:
    """From floor to ceiling and what lies beyond; very wide intervals run out of the frame."""
    lows = [float(r["low"]) for r in rows if r["low"] is not None]
    highs = [float(r["high"]) for r in rows if r["high"] is not None]
    low = min([0.0, *values, *(max(v, -1.0) for v in lows)])
    high = max([1.0, *values, *(min(v, 2.0) for v in highs)])
    room = 0.04 * (high - low)
    return low - room, high + room
