"""The sheet that every picture is drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.report.svg import GRID, INK, PAPER
from w2s_toolkit.report.wording import printable

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.4
"""Inches: on a phone the text is then still legible, and two stand side by side on a desktop."""

MOST_BLOCKS = 24
"""A picture holds no more blocks than this."""

TITLE = 48
"""Characters that fit above the rows of a block."""

VALUES = 0.55
"""Inches at the right for the values as text."""

_LINE = 0.175
"""Inches from one name at the end of a line to the next."""

FOOT = 0.5
"""Inches at the bottom for ticks and the axis label."""


class Plot(NamedTuple):
    """A finished picture; ``roles`` are those whose colours need a legend."""

    svg: Markup
    heading: str
    caption: str
    roles: tuple[str, ...] = ()


def canvas(height: float, left: float, top: float) -> tuple[Figure, Axes]:
    """A figure with axes of a given height in inches and room for labels at both sides."""
    from matplotlib.ticker import MaxNLocator

    whole = height + FOOT + top
    sheet = figure(whole)
    width = WIDTH - left - VALUES
    axes = sheet.add_axes((left / WIDTH, FOOT / whole, width / WIDTH, height / whole))
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False, labelleft=False, color=GRID)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    return sheet, axes


def figure(height: float) -> Figure:
    """A bare figure; made and saved inside :func:`~w2s_toolkit.report.svg.drawing`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height))


def dots(axes: Axes, values: Sequence[float], y: float) -> None:
    """A dot a seed."""
    if not values:
        return
    axes.plot(
        values,
        [y] * len(values),
        "o",
        markersize=4,
        markerfacecolor=PAPER,
        markeredgecolor=INK,
        markeredgewidth=0.9,
        zorder=4,
    )


def block_name(axes: Axes, x: float, y: float, text: str) -> None:
    """A block's name above its rows, on a ground of its own so that no line crosses it."""
    ground = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
    place = axes.get_yaxis_transform()
    axes.text(x, y, cut(text, TITLE), transform=place, bbox=ground, clip_on=False, zorder=5)


def value(axes: Axes, y: float, text: str) -> None:
    """A row's value as text, at the right."""
    text = text.replace("-", "\u2212")
    axes.text(1.025, y, text, transform=axes.get_yaxis_transform(), va="center", color=INK)


def end_names(axes: Axes, ends: Sequence[tuple[str, float, float, str]], room: float) -> None:
    """Names of lines at their ends, as (name, x, y, colour), moved apart where they would overlap.

    ``room``: distance from the last end, in units of x.
    """
    low, high = axes.get_ylim()
    inches = axes.bbox.height / axes.figure.dpi
    last = max((x for _, x, _, _ in ends), default=0.0)
    ends = sorted(ends, key=lambda end: end[2])
    heights = spread([y for _, _, y, _ in ends], _LINE / inches * (high - low))
    for (text, x, y, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            cut(text, 16),
            (x, y),
            (last + room, height),
            va="center",
            color=colour,
            annotation_clip=False,
            fontsize=9,
        )
    axes.set_ylim(low, high)


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Ascending places moved as little as can be, up and down alike, until all are ``apart``."""
    clumps: list[
        tuple[float, int]
    ] = []  # the middle of neighbours that touch, and how many they are
    for place in places:
        middle, size = place, 1
        while clumps and middle - clumps[-1][0] < apart * (size + clumps[-1][1]) / 2:
            other, more = clumps.pop()
            middle, size = (middle * size + other * more) / (size + more), size + more
        clumps.append((middle, size))
    return [middle + apart * (i - (size - 1) / 2) for middle, size in clumps for i in range(size)]


def cut(text: str, most: int) -> str:
    """A name in one line of at most so many characters."""
    text = printable(text).replace("\n", " ")
    return text if len(text) <= most else f"{text[: most - 1]}…"
