"""Bars: floor, student and ceiling, and how often student and supervisor agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import short_titles
from w2s_toolkit.report.canvas import (
    MOST_BLOCKS,
    TITLE,
    VALUES,
    WIDTH,
    Plot,
    block_name,
    canvas,
    dots,
    value,
)
from w2s_toolkit.report.svg import COLOURS, INK, MUTED, PAPER, drawing, inline_svg
from w2s_toolkit.report.wording import ROLES, SHORT_ROLES, Row, metric_name, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = 1.0
_THICK, _THIN, _BETWEEN, _TITLE = 0.36, 0.22, 0.12, 0.24


class Bar(NamedTuple):
    """One bar: estimate, seeds' own values, what it is called and its colour."""

    label: str
    row: Row
    seeds: tuple[float, ...]
    colour: str


def scores(found: Sequence[Block], classes: int) -> Plot | None:
    """Floor, student and ceiling as bars with intervals and a dot a seed: the main picture."""
    metric = next((b.columns[0] for b in found if b.columns), "")
    stacks = [
        (title, _score_bars(b, metric))
        for b, title in zip(found, short_titles(found, TITLE), strict=True)
    ]
    chance = 1 / classes if metric == "accuracy" and classes > 1 else 0.0
    start = f"Bars begin at chance, 1/{classes}." if chance else "Bars begin at 0."
    name = metric_name(metric)
    taught = any(b.find("student", metric) for b in found)
    of = "floor, student, ceiling" if taught else "floor and supervisor"
    heading = f"{name[:1].upper()}{name[1:]}: {of}"
    dots = " Dots are single seeds." if any(b.seeds for _, s in stacks for b in s) else ""
    caption = f"{start} Lines are 95% intervals.{dots}"
    return _bars("scores", stacks, heading, caption, name, start=chance)


def agreement(found: Sequence[Block]) -> Plot | None:
    """How often the student says what its supervisor says, where that is right and wrong."""
    kinds = (("where right", "weak_right"), ("where wrong", "weak_wrong"))
    stacks = []
    for block, title in zip(found, short_titles(found, TITLE), strict=True):
        rows = [(label, block.find("student", f"agreement_{k}")) for label, k in kinds]
        bars = [Bar(label, row, (), COLOURS["student"]) for label, row in rows if row is not None]
        stacks.append((title, bars))
    caption = (
        "Where its supervisor is right and where it is wrong. A student that copies errors agrees "
        "as often where the supervisor is wrong. Lines are 95% intervals."
    )
    heading = "Agreement with the supervisor"
    return _bars("agreement", stacks, heading, caption, "share of rows", limits=(0.0, 1.0))


def _score_bars(block: Block, metric: str) -> list[Bar]:
    # Without students there is nothing but supervision to see: then it has its bar, equal or not.
    alone = ("weak_floor", "supervisor") if block.find("student", metric) is None else ()
    roles = dict.fromkeys(
        [*(r for r in alone if block.find(r, metric)), *(x.role for x in block.lines)]
    )
    several = block.seed_table if len(block.seeds) > 1 else []
    bars = []
    for role in roles:
        row = block.find(role, metric) if role in ROLES else None
        if row is not None:
            seeds = tuple(s[role] for s in several if s.get(role) is not None)
            bars.append(Bar(SHORT_ROLES[role], row, seeds, COLOURS[role]))
    return bars


def _bars(
    name: str,
    stacks: Sequence[tuple[str, list[Bar]]],
    heading: str,
    caption: str,
    label: str,
    *,
    start: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> Plot | None:
    """Horizontal bars, a stack a block."""
    stacks = [s for s in stacks if any(b.row["value"] is not None for b in s[1])]
    if not stacks:
        return None
    if len(stacks) > MOST_BLOCKS:
        caption += f" The first {MOST_BLOCKS} of {len(stacks)} combinations."
        stacks = stacks[:MOST_BLOCKS]
    bars = [b for _, stack in stacks for b in stack]
    titled = sum(_TITLE for title, _ in stacks if title)
    thick = _THIN if len(stacks) > 1 else _THICK
    height = len(bars) * thick + titled + (len(stacks) - 1) * _BETWEEN + 0.06
    with drawing():
        sheet, axes = canvas(height, _LABELS, top=0.04)
        axes.set_xlim(*(limits or _limits(bars, start)))
        axes.set_ylim(height, 0)
        axes.xaxis.grid(True)
        axes.axvline(start, color=MUTED, linewidth=0.8)
        y = 0.03
        for title, stack in stacks:
            if title:
                y += _TITLE
                left = -_LABELS / (WIDTH - _LABELS - VALUES)
                block_name(axes, left, y - 0.07, title)
            for bar in stack:
                _bar(axes, bar, y + thick / 2, thick * 0.76, start)
                y += thick
            y += _BETWEEN
        axes.set_xlabel(label)
        parts = [f"{b.label} {number(b.row['value'])}" for b in bars]
        svg = inline_svg(sheet, name, f"{heading}. {', '.join(parts)}")
    return Plot(svg, heading, caption)


def _bar(axes: Axes, bar: Bar, y: float, thick: float, start: float) -> None:
    height = bar.row["value"]
    place = axes.get_yaxis_transform()
    axes.text(-0.025, y, bar.label, transform=place, ha="right", va="center", color=INK)
    value(axes, y, number(height))
    if height is None:
        return
    axes.barh(y, height - start, thick, left=start, color=bar.colour)
    low, high = bar.row["low"], bar.row["high"]
    shift = thick * 0.2 if bar.seeds else 0.0
    if low is not None and high is not None:
        # The pale line around it keeps the interval visible on every colour of bar.
        axes.plot((low, high), (y - shift, y - shift), color=PAPER, linewidth=3.4)
        axes.plot((low, high), (y - shift, y - shift), color=INK, linewidth=1.4)
    dots(axes, bar.seeds, y + shift)


def _limits(bars: Sequence[Bar], start: float) -> tuple[float, float]:
    found = [start]
    for bar in bars:
        ends = (bar.row["value"], bar.row["low"], bar.row["high"], *bar.seeds)
        found += [float(v) for v in ends if v is not None]
    room = 0.04 * (max(found) - min(found)) or 0.05
    low = min(found)
    return (low if low == start else low - room, max(found) + room)
