"""Training curves: how right a student is, and how much it imitates, while it learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import title_parts
from w2s_toolkit.report.canvas import FOOT, WIDTH, Plot, cut, end_names, figure
from w2s_toolkit.report.svg import COLOURS, GRID, MUTED, drawing, inline_svg
from w2s_toolkit.report.wording import canonical, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = (
    ("accuracy", "right", COLOURS["student"], "-"),
    ("agreement", "as supervisor", COLOURS["supervisor"], (0, (5, 1.5))),
    ("agreement_weak_wrong", "errors repeated", COLOURS["weak_floor"], (0, (1.5, 1.2))),
)
"""Value of a point, its name in the picture, colour and dashes."""

_HEIGHT, _LEFT, _RIGHT, _MOST = 1.9, 0.5, 1.1, 8
"""Inches of a panel, and how many there are at most."""


def curves(found: Sequence[Block], results: Mapping[str, Any]) -> Plot | None:
    """A panel a combination, a line a seed; None unless a student was looked at while it learned."""
    panels = _panels(found, results)
    if not panels:
        return None
    caption = (
        "Share of rows that the student gets right, on which it says what its supervisor says, and "
        "share of the supervisor's errors that it repeats. When the last two rise while the first "
        "falls, it imitates. The dashed grey line is the supervisor's accuracy, which a perfect "
        "imitator's would come down to. Bands are 95% intervals (Wilson, by group of rows)."
    )
    if len(panels) > _MOST:
        caption += f" The first {_MOST} of {len(panels)} combinations."
        panels = panels[:_MOST]
    each = _HEIGHT + FOOT + 0.25
    with drawing():
        sheet = figure(each * len(panels))
        for index, (title, rows) in enumerate(panels):
            bottom = each * (len(panels) - 1 - index) + FOOT
            whole = each * len(panels)
            width = WIDTH - _LEFT - _RIGHT
            box = (_LEFT / WIDTH, bottom / whole, width / WIDTH, _HEIGHT / whole)
            axes = sheet.add_axes(box)
            _panel(axes, rows)
            axes.set_title(cut(title, 52), loc="left", fontsize=9)
        said = "; ".join(
            f"{title or 'student'}: {number(rows[0]['points'][-1]['accuracy'])} at the end"
            for title, rows in panels
        )
        svg = inline_svg(sheet, "curves", f"Training curves. {said}")
    return Plot(svg, "While the student learns", caption)


def _panels(
    found: Sequence[Block], results: Mapping[str, Any]
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    looked_at = [
        row
        for row in results.get("curves") or []
        if any("agreement" in point for point in row["points"])
    ]
    return by_combination(found, results, looked_at)


def by_combination(
    found: Sequence[Block], results: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows of stages, which name ``phase``, ``cells`` and ``stage``, by the title of their combination."""
    names = {
        (b.phase, canonical(b.group)): ", ".join(p for p in parts if p != b.split)
        for b, parts in zip(found, title_parts(found), strict=True)
    }
    cells = results.get("cells") or []
    out: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        axes = cells[row["cells"][0]]["axes"]
        group = canonical({k: v for k, v in axes.items() if k != "seed"})
        title = names.get((row["phase"], group), str(row["stage"]).partition("[")[0])
        out.setdefault(title, []).append(row)
    return list(out.items())


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    ends: dict[str, tuple[float, str]] = {}
    for row in rows:
        for name, label, colour, dashes in _LINES:
            points = [p for p in row["points"] if p.get(name) is not None]
            if not points:
                continue
            x, y = [p["part"] for p in points], [p[name] for p in points]
            axes.plot(x, y, color=colour, linewidth=1.5, linestyle=dashes)
            if len(rows) == 1:
                ends_of = [_wilson(p[name], _independent(p, name)) for p in points]
                lower, upper = zip(*ends_of, strict=True)
                axes.fill_between(x, lower, upper, color=colour, alpha=0.15, linewidth=0)
            ends.setdefault(label, (y[-1], colour))
    weak = [p["weak_accuracy"] for p in rows[0]["points"] if p.get("weak_accuracy") is not None]
    if weak:
        axes.axhline(weak[0], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 1)
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(0.0, float(bottom)), min(1.0, float(top)))
    axes.yaxis.grid(True)
    axes.tick_params(color=GRID)
    axes.set_xlabel("part of the training")
    end_names(axes, [(label, 1.0, y, colour) for label, (y, colour) in ends.items()], 0.03)


def _independent(point: Mapping[str, Any], name: str) -> int:
    """Rows that count: those of one group say much the same."""
    rows = int(point["n_weak_wrong"] if name == "agreement_weak_wrong" else point["n"])
    share = min(1.0, float(point["groups"]) / max(1, int(point["n"])))
    return max(1, round(rows * share))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """95% interval of a share of n independent rows."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)
