"""Rounds of a repeated phase: how good each student is, which were promoted, and how far they drift."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import short_titles
from w2s_toolkit.report.canvas import FOOT, WIDTH, Plot, cut, end_names, figure
from w2s_toolkit.report.svg import COLOURS, GRID, MUTED, PAPER, drawing, inline_svg
from w2s_toolkit.report.wording import Row, canonical, metric_name, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROLES = (
    ("supervisor", "supervisor", COLOURS["supervisor"], (0, (5, 1.5))),
    ("strong_ceiling", "gold labels", COLOURS["strong_ceiling"], (0, (4, 2))),
    ("student", "student", COLOURS["student"], "-"),
)
_MANY = 12

_ASIDE = {"supervisor": -0.07, "strong_ceiling": 0.07, "student": 0.0}
"""How far beside its round a role stands, so that no interval hides another."""

_DRIFT = (
    ("kept", "kept of first", COLOURS["student"], "-", "o"),
    ("flips", "flips", COLOURS["weak_floor"], (0, (1.5, 1.2)), "^"),
    ("prior_shift", "prior shift", COLOURS["supervisor"], (0, (5, 1.5)), "s"),
    ("ece", "ECE", COLOURS["strong_ceiling"], (0, (4, 2)), "D"),
)
"""Drift metrics: name, what stands in the picture, colour, dashes, marker."""

_TOP, _BELOW, _GAP, _LEFT, _RIGHT, _MOST, _OTHERS = 1.9, 1.4, 0.25, 0.65, 1.1, 6, 3


_TITLE = 52
"""Characters that a title has room for."""


class Chain(NamedTuple):
    """The rounds of one phase and combination of axes.

    ``promoted``: (yes, all) seeds by round. ``others``: students of phases that are not repeated,
    such as one jump, by the name of the phase.
    """

    title: str
    rounds: dict[int, Block]
    promoted: dict[int, tuple[int, int]]
    others: dict[str, Block]


def not_repeated(found: Sequence[Block]) -> list[Block]:
    """Blocks of phases that have no rounds."""
    repeated = {place[0] for place in map(round_of, found) if place}
    return [b for b in found if b.phase not in repeated and not round_of(b)]


def compared_blocks(found: Sequence[Block]) -> list[Block]:
    """Blocks that a comparison shows: with many, rounds are left to the picture and to what follows.

    What their phase came to stays; where there is no such block, all do.
    """
    phases = {b.phase for b in found if not round_of(b)}
    own = [b for b in found if not (place := round_of(b)) or place[0] not in phases]
    return own if len(found) > _MANY and own else list(found)


def without_rounds(found: Sequence[Block]) -> list[Block]:
    """Blocks but for the rounds that :func:`generations` draws; all where it draws none."""
    phases = [place[0] for place in map(round_of, found) if place]
    drawn = {phase for phase in phases if phases.count(phase) > 1}
    return [b for b in found if not (place := round_of(b)) or place[0] not in drawn]


Shown = tuple[str, Block, Any]
"""Title of a block, the block, and what is shown with it."""


def folds(shown: Sequence[Shown]) -> list[tuple[str, list[Shown]]]:
    """Blocks as a list to unfold: the rounds of one loop together under a title, others under none."""
    out: dict[tuple[str, ...], tuple[str, list[Shown]]] = {}
    for number_, (title, block, more) in enumerate(shown):
        place = round_of(block)
        key = (str(number_),) if not place else (place[0], canonical(block.group), block.split)
        named = "" if not place else f"{place[0]}, rounds{title.removeprefix(block.phase)}"
        out.setdefault(key, (named, []))[1].append((title, block, more))
    return list(out.values())


def round_of(block: Block) -> tuple[str, int] | None:
    """Phase and round of a block; None for one that is no round.

    The round is the column ``round`` of its rows or, where there is none, the number after the name
    of its phase: ``loop/3``.
    """
    numbers = {int(row["round"]) for row in block.rows if row.get("round") is not None}
    if len(numbers) == 1:
        return re.sub(r"/\d+$", "", block.phase), numbers.pop()
    named = re.fullmatch(r"(.+)/(\d+)", block.phase)
    return (named.group(1), int(named.group(2))) if named else None


def generations(found: Sequence[Block], results: Mapping[str, Any]) -> Plot | None:
    """Score and drift against the round; None unless a phase was repeated."""
    every = [chain for chain in _chains(found, results) if len(chain.rounds) > 1]
    if not every:
        return None
    chains = every[:_MOST]
    with_drift = [any(_drift(b) for b in chain.rounds.values()) for chain in chains]
    heights = [_TOP + FOOT + 0.3 + (_BELOW + FOOT + _GAP) * below for below in with_drift]
    whole = sum(heights)
    name = metric_name((next(iter(chains[0].rounds.values())).columns or ["accuracy"])[0])
    with drawing():
        sheet, top = figure(whole), whole
        for chain, below, height in zip(chains, with_drift, heights, strict=True):
            axes = _axes(sheet, top - 0.3 - _TOP, _TOP, whole)
            _scores(axes, chain, name)
            if below:
                _drifts(_axes(sheet, top - height + FOOT, _BELOW, whole), chain)
            top -= height
        said = "; ".join(
            f"{chain.title or 'round'} {number_}: {_said(block, chain.promoted.get(number_))}"
            for chain in chains
            for number_, block in chain.rounds.items()
        )
        svg = inline_svg(sheet, "generations", f"Generations. {said}")
    caption = (
        "Each round's student and what supervised it. A full dot was promoted to supervisor, an empty "
        "one was not, a half one with some seeds. Dotted grey lines are students of phases without rounds. Below, drift: how much of what the first student was sure and right about is "
        "kept, how many rows are answered differently from the round before, how far the shares of "
        "the classes moved, and the calibration error. Lines up and down are 95% intervals."
    )
    if len(every) > _MOST:
        caption += f" These are the first {_MOST} of {len(every)} loops."
    return Plot(svg, f"Generations: {name} and drift", caption)


def _chains(found: Sequence[Block], results: Mapping[str, Any]) -> list[Chain]:
    repeated = {place[0] for place in map(round_of, found) if place}
    chains: dict[tuple[str, str, str], Chain] = {}
    for block in found:
        place = round_of(block)
        if place is None:
            continue
        phase, number_ = place
        others = {
            b.phase: b
            for b in found
            if not round_of(b) and b.phase not in repeated
            and (canonical(b.group), b.split) == (canonical(block.group), block.split)
        }  # fmt: skip
        chain = chains.setdefault(
            (phase, canonical(block.group), block.split),
            Chain("", {}, _promotions(phase, block, results), others),
        )
        chain.rounds[number_] = block
    # Named like blocks of their phase, after which the number of the round tells nothing.
    heads = [
        replace(next(iter(chain.rounds.values())), phase=phase)
        for (phase, *_), chain in chains.items()
    ]
    names = [""] if len(heads) == 1 else short_titles(heads, _TITLE)
    return [
        chain._replace(title=name or head.phase, rounds=dict(sorted(chain.rounds.items())))
        for name, head, chain in zip(names, heads, chains.values(), strict=True)
    ]


def _promotions(phase: str, block: Block, results: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
    """Round -> seeds in which its student was promoted, and seeds that came so far."""
    cells = results.get("cells") or []
    out: dict[int, tuple[int, int]] = {}
    for row in results.get("rounds") or []:
        axes = {k: v for k, v in cells[row["cell"]]["axes"].items() if k != "seed"}
        if row["phase"] != phase or canonical(axes) != canonical(block.group):
            continue
        yes, every = out.get(int(row["round"]), (0, 0))
        out[int(row["round"])] = (yes + bool(row["promoted"]), every + 1)
    return out


def _axes(sheet: Any, bottom: float, height: float, whole: float) -> Axes:
    width = WIDTH - _LEFT - _RIGHT
    box = (_LEFT / WIDTH, bottom / whole, width / WIDTH, height / whole)
    axes: Axes = sheet.add_axes(box)
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.grid(True)
    axes.tick_params(color=GRID)
    return axes


def _scores(axes: Axes, chain: Chain, name: str) -> None:
    metric = (next(iter(chain.rounds.values())).columns or ["accuracy"])[0]
    ends = []
    for role, label, colour, dashes in _ROLES:
        rows = {n: b.find(role, metric) for n, b in chain.rounds.items()}
        end = _line(axes, rows, colour, dashes, "" if role == "student" else ".", _ASIDE[role])
        ends += [(label, *end, colour)] if end else []
        if role != "student":
            continue
        for number_, row in rows.items():
            if row is None or row["value"] is None:
                continue
            yes, every = chain.promoted.get(number_, (1, 1))
            ground = colour if yes else PAPER
            axes.plot(number_, row["value"], "o", color=colour, markerfacecolor=ground,
                      fillstyle="full" if yes in (0, every) else "left", markerfacecoloralt=PAPER,
                      markersize=7, markeredgewidth=1.4, zorder=4)  # fmt: skip
    for phase, block in list(chain.others.items())[:_OTHERS]:
        other = block.find("student", metric)
        if other is not None and other["value"] is not None:
            axes.axhline(other["value"], color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
            ends.append((phase, float(max(chain.rounds)), float(other["value"]), MUTED))
    _by_round(axes, chain, name)
    axes.set_title(cut(chain.title, _TITLE), loc="left", fontsize=9)
    end_names(axes, ends, _room(chain))


def _drifts(axes: Axes, chain: Chain) -> None:
    ends = []
    for metric, label, colour, dashes, marker in _DRIFT:
        rows = {n: _drift(b).get(metric) for n, b in chain.rounds.items()}
        end = _line(axes, rows, colour, dashes, marker, 0.0)
        ends += [(label, *end, colour)] if end else []
    axes.set_ylim(-0.02, 1.02)
    _by_round(axes, chain, "drift")
    end_names(axes, ends, _room(chain))


def _line(
    axes: Axes,
    rows: Mapping[int, Row | None],
    colour: str,
    dashes: Any,
    marker: str,
    aside: float,
) -> tuple[float, float] | None:
    """A line through the rounds that have a value, drawn ``aside`` of them; its end."""
    points = [(n, row) for n, row in rows.items() if row and row["value"] is not None]
    if not points:
        return None
    x, y = [n + aside for n, _ in points], [float(row["value"]) for _, row in points]
    axes.plot(x, y, color=colour, linewidth=1.4, linestyle=dashes, marker=marker, markersize=4)
    for n, row in points:
        if row["low"] is not None and row["high"] is not None:
            axes.plot((n + aside,) * 2, (row["low"], row["high"]), color=colour, linewidth=1.0)
    return float(points[-1][0]), y[-1]


def _by_round(axes: Axes, chain: Chain, label: str) -> None:
    rounds = list(chain.rounds)
    axes.set_xlim(rounds[0] - 0.4, rounds[-1] + 0.4)
    axes.set_xticks(rounds[:: -(-len(rounds) // 9)])
    axes.set_xlabel("round")
    axes.set_ylabel(label, color=MUTED)


def _room(chain: Chain) -> float:
    rounds = list(chain.rounds)
    return 0.4 + 0.03 * (rounds[-1] - rounds[0])


def _drift(block: Block) -> dict[str, Row]:
    rows = (*block.rows, *block.beside)
    return {r["metric"]: r for r in rows if r["evaluator"] == "drift" and r["role"] == "student"}


def _said(block: Block, promoted: tuple[int, int] | None) -> str:
    row = block.find("student", (block.columns or ["accuracy"])[0])
    value = number(row["value"]) if row else "not measured"
    if promoted is None:
        return value
    return f"{value}, promoted in {promoted[0]} of {promoted[1]} runs"
