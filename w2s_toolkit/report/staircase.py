"""Students of growing size under each supervisor: the staircase of Burns et al., figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.canvas import FOOT, WIDTH, Plot, cut, end_names, figure
from w2s_toolkit.report.svg import COLOURS, GRID, INK, MUTED, drawing, inline_svg
from w2s_toolkit.report.wording import Row, metric_name, number
from w2s_toolkit.signatures.compared import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 2.5
_LEFT, _RIGHT = 0.45, 1.0
_MARKERS = "os^Dv*"


class Steps(NamedTuple):
    """One supervisor: its own score, and that of each student it taught, by model."""

    supervisor: str
    floor: Row
    students: dict[str, Row]


def staircase(found: Sequence[Block], models: Sequence[str] = ()) -> Plot | None:
    """Score against student model, a line a supervisor; None unless sizes were compared.

    Models stand in the order of ``models``, in which the recipe lists them, weak before strong.
    """
    metric = next((b.columns[0] for b in found if b.columns), "")
    steps, ceilings, order = _collect(found, metric, models)
    if len({name for step in steps for name in step.students}) < 2:
        return None
    name = metric_name(metric)
    heading = f"{name[:1].upper()}{name[1:]} by size of the student"
    with drawing():
        whole = _HEIGHT + FOOT + 0.3  # names may stand above the frame
        sheet = figure(whole)
        box = (_LEFT / WIDTH, FOOT / whole, (WIDTH - _LEFT - _RIGHT) / WIDTH, _HEIGHT / whole)
        axes = sheet.add_axes(box)
        axes.yaxis.grid(True)
        axes.tick_params(color=GRID)
        axes.set_xticks(range(len(order)), [cut(name, 14) for name in order])
        axes.set_xlim(-0.3, len(order) - 0.7)
        ends = [_ceiling(axes, ceilings, order)] if ceilings else []
        for i, step in enumerate(steps):
            aside = 0.05 * (i - (len(steps) - 1) / 2)  # so that no interval hides another
            ends.append(_line(axes, step, order, _MARKERS[i % len(_MARKERS)], aside))
        last = len(order) - 1
        named = [end for end in ends if end is not None and round(end[1]) == last]
        end_names(axes, [(text, float(last), y, colour) for text, _, y, colour in named], 0.2)
        axes.spines["left"].set_color(MUTED)
        said = "; ".join(
            f"{step.supervisor} to {name}: {number(row['value'])}"
            for step in steps
            for name, row in step.students.items()
        )
        svg = inline_svg(sheet, "staircase", f"{heading}. {said}")
    caption = (
        "A line a supervisor; it begins at the supervisor's own score. The dashed line is what each "
        "model reaches on gold labels. Lines up and down are 95% intervals."
    )
    return Plot(svg, heading, caption)


def _collect(
    found: Sequence[Block], metric: str, models: Sequence[str]
) -> tuple[list[Steps], dict[str, Row], list[str]]:
    """Supervisors with their students, ceilings by model, and the models in order.

    A pair that occurs with several settings of something else cannot be drawn as one line: then
    nothing is returned.
    """
    steps: dict[str, Steps] = {}
    ceilings: dict[str, Row] = {}
    order: dict[str, None] = {}
    for block in found:
        rows = {role: block.find(role, metric) for role in ("weak_floor", "supervisor", "student")}
        floor, student = rows["supervisor"] or rows["weak_floor"], rows["student"]
        if floor is None or student is None or floor["value"] is None:
            continue
        weak, strong = str(floor["model"]), str(student["model"])
        step = steps.setdefault(weak, Steps(weak, floor, {}))
        if strong in step.students:
            return [], {}, []
        step.students[strong] = student
        ceiling = block.find("strong_ceiling", metric)
        if ceiling is not None and ceiling["value"] is not None:
            ceilings.setdefault(strong, ceiling)
        order |= {weak: None, strong: None}
    return list(steps.values()), ceilings, _sorted(in_order(order, models), steps)


def _sorted(names: list[str], steps: dict[str, Steps]) -> list[str]:
    """Every supervisor before its students, otherwise as they came."""
    out: list[str] = []
    left = list(names)
    while left:
        taught = {s for w in left if w in steps for s in steps[w].students if s != w}
        free = [name for name in left if name not in taught] or left[:1]
        out.append(free[0])
        left.remove(free[0])
    return out


def _line(
    axes: Axes, step: Steps, order: list[str], marker: str, aside: float
) -> tuple[str, float, float, str] | None:
    rows = {step.supervisor: step.floor, **step.students}
    points = [
        (i, rows[n]) for i, n in enumerate(order) if n in rows and rows[n]["value"] is not None
    ]
    xs, ys = [i + aside for i, _ in points], [float(row["value"]) for _, row in points]
    axes.plot(xs, ys, color=COLOURS["student"], linewidth=1.4, zorder=2)
    for x, (i, row) in zip(xs, points, strict=True):
        own = order[i] == step.supervisor
        colour = COLOURS["weak_floor" if own else "student"]
        if row["low"] is not None and row["high"] is not None:
            axes.plot((x, x), (row["low"], row["high"]), color=INK, linewidth=1.0, zorder=3)
        axes.plot(x, row["value"], marker, color=colour, markersize=6, zorder=4)
    return (f"from {step.supervisor}", xs[-1], ys[-1], INK) if xs else None


def _ceiling(
    axes: Axes, ceilings: dict[str, Row], order: list[str]
) -> tuple[str, float, float, str] | None:
    points = [(float(i), float(ceilings[n]["value"])) for i, n in enumerate(order) if n in ceilings]
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=COLOURS["strong_ceiling"],
        linewidth=1.6,
        linestyle=(0, (4, 2)),
        marker="o",
        markersize=4,
        zorder=2,
    )
    return ("gold labels", *points[-1], COLOURS["strong_ceiling"])
