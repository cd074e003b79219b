"""The sheet that every picture is drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.report.svg import GRID, INK, PAPER
from w2s_toolkit.report.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.7
"""Inches: on a phone the text is then still legible, and two stand side by side on a desktop."""

MOST_BLOCKS = 24
"""A picture holds no more blocks than this."""

VALUES = 0.5
"""Inches at the right for the values as text."""

FOOT = 0.48
"""Inches at the bottom for ticks and the axis label."""


class Plot(NamedTuple):
    """A finished picture: its SVG, heading and caption."""

    svg: str
    heading: str
    caption: str


def canvas(height: float, left: float) -> tuple[Figure, Axes]:
    """A figure with axes of a given height in inches and room for labels at both sides."""
    top = 0.2
    whole = height + FOOT + top
    sheet = figure(whole)
    width = WIDTH - left - VALUES
    axes = sheet.add_axes((left / WIDTH, FOOT / whole, width / WIDTH, height / whole))
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False, labelleft=False, color=GRID)
    return sheet, axes


def figure(height: float) -> Figure:
    """A bare figure; made and saved inside :func:`~w2s_toolkit.report.svg.drawing`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height))


def dots(axes: Axes, values: Sequence[float], y: float) -> None:
    """A dot a seed."""
    style = {"markersize": 4, "markerfacecolor": PAPER, "markeredgecolor": INK, "zorder": 4}
    if values:
        axes.plot(values, [y] * len(values), "o", markeredgewidth=0.9, **style)


def value(axes: Axes, y: float, text: str) -> None:
    """A row's value as text, at the right."""
    axes.text(1.025, y, text, transform=axes.get_yaxis_transform(), va="center", color=INK)


def cut(text: str, most: int) -> str:
    """A name in one line of at most so many characters."""
    text = printable(text).replace("\n", " ")
    return text if len(text) <= most else f"{text[: most - 1]}…"
