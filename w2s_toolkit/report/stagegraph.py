"""The graph of stages as a picture: stages that differ only by matrix, member or evaluator are one box."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from w2s_toolkit.report.spending import Spent, price
from w2s_toolkit.report.wording import amount, count, duration, printable

if TYPE_CHECKING:
    from markupsafe import Markup

WIDE, HIGH, ACROSS, BETWEEN = 164, 42, 26, 10
"""Pixels: size of a box, distance of layers, distance of boxes in a layer."""


@dataclass
class Box:
    """Stages of one name, all cells together."""

    name: str
    stages: list[Spent] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name without its phase, and without numbers of protocols: what stands in the box."""
        name = self.name.partition("/")[2] if self.name.count("/") > 1 else self.name
        name = re.sub(r"^(oversight|refine)/\d+/", "", name)
        return name.replace("strong_ceiling", "ceiling")

    @property
    def facts(self) -> str:
        """``×2 · 1 min 16 s · 129k tokens · $0.02``."""
        seconds = [s.seconds for s in self.stages if s.seconds is not None]
        tokens = [s.tokens for s in self.stages if s.tokens is not None]
        several = len(self.stages) > 1
        parts = [
            f"×{len(self.stages)}" if several else "",
            duration(sum(seconds)) if seconds else "",
            f"{amount(sum(tokens))} tok" if sum(tokens) else "",
            price([s for s in self.stages if s.usd and not s.unpriced]),
        ]
        return " · ".join(filter(None, parts))

    @property
    def status(self) -> str:
        """``failed`` if one did, ``missing`` if one was not run, ``cached`` if all were there."""
        found = {s.status for s in self.stages}
        if "failed" in found:
            return "failed"
        if found & {"not run", "stopped"}:
            return "missing"
        return "ran" if "ran" in found else "cached"


def graphs(stages: Sequence[Spent]) -> list[tuple[str, Markup]]:
    """A picture a phase, as (phase, SVG); what phases share is in each that uses it."""
    boxes, edges = _boxes(stages)
    phases = list(dict.fromkeys(_phase(name) for name in boxes if _phase(name)))
    out = []
    for phase in phases or [""]:
        own = {name for name in boxes if _phase(name) == phase}
        shown = _with_inputs(own, edges)
        some = {n: [i for i in edges[n] if i in shown] if n in own else [] for n in shown}
        for name in shown - own:  # data and splits keep the lines among themselves
            some[name] = [i for i in edges[name] if i in shown and not _phase(name)]
        ordered = {name: some[name] for name in boxes if name in shown}
        out.append((phase, _draw({n: boxes[n] for n in ordered}, _reduced(ordered))))
    return out


def box_name(stage: str) -> str:
    """The box that a stage is part of: ``a/student/train[seed=1]`` -> ``a/student/train``."""
    name = re.sub(r"(\[.*|#\d+)$", "", stage)
    name = re.sub(r"/(evaluate|aggregate)/.*$", "/evaluate", name)
    return re.sub(r"/member \d+/(\w+).*$", r"/members/\1", name)


def _boxes(stages: Iterable[Spent]) -> tuple[dict[str, Box], dict[str, list[str]]]:
    boxes: dict[str, Box] = {}
    edges: dict[str, dict[str, None]] = {}
    for stage in stages:
        name = box_name(stage.id)
        boxes.setdefault(name, Box(name)).stages.append(stage)
        inputs = edges.setdefault(name, {})
        inputs |= {box_name(i): None for i in stage.inputs if box_name(i) != name}
    return boxes, {name: [i for i in inputs if i in boxes] for name, inputs in edges.items()}


def _phase(name: str) -> str:
    head, _, rest = name.partition("/")
    return "" if not rest or head == "split" else head


def _with_inputs(own: set[str], edges: Mapping[str, list[str]]) -> set[str]:
    shown = own | {i for name in own for i in edges[name]}
    while more := {i for n in shown if not _phase(n) for i in edges[n]} - shown:
        shown |= more
    return shown


def _reduced(edges: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Without lines that a longer way says already."""
    behind: dict[str, set[str]] = {}

    def all_of(name: str, path: tuple[str, ...] = ()) -> set[str]:
        if name not in behind:
            found: set[str] = set()
            for one in edges[name]:
                if one not in path:
                    found |= {one} | all_of(one, (*path, name))
            behind[name] = found
        return behind[name]

    return {
        name: [i for i in inputs if not any(i in all_of(o) for o in inputs if o != i)]
        for name, inputs in edges.items()
    }


def _layers(edges: Mapping[str, list[str]]) -> list[list[str]]:
    """Boxes by the longest way to them, each layer in an order that keeps lines short."""
    depth: dict[str, int] = {}

    def of(name: str, path: tuple[str, ...] = ()) -> int:
        if name not in depth:
            inputs = [i for i in edges[name] if i not in path]
            depth[name] = max((of(i, (*path, name)) + 1 for i in inputs), default=0)
        return depth[name]

    for name in edges:
        of(name)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in edges:
        layers[depth[name]].append(name)
    outputs: dict[str, list[str]] = {name: [] for name in edges}
    for name, inputs in edges.items():
        for one in inputs:
            outputs[one].append(name)
    for turn in range(6):
        near = edges if turn % 2 == 0 else outputs
        place = {name: i - len(layer) / 2 for layer in layers for i, name in enumerate(layer)}
        for layer in layers:
            layer.sort(key=lambda n: _middle([place[o] for o in near[n]], place[n]))
    return layers


def _middle(places: list[float], own: float) -> float:
    return sum(places) / len(places) if places else own


def _draw(boxes: Mapping[str, Box], edges: Mapping[str, list[str]]) -> Markup:
    from markupsafe import Markup, escape

    layers = _layers(edges)
    most = max((len(layer) for layer in layers), default=0)
    width = len(layers) * (WIDE + ACROSS) - ACROSS + 4
    height = most * (HIGH + BETWEEN) - BETWEEN + 4
    at: dict[str, tuple[float, float]] = {}
    for column, layer in enumerate(layers):
        top = (height - len(layer) * (HIGH + BETWEEN) + BETWEEN) / 2
        for row, name in enumerate(layer):
            at[name] = (2 + column * (WIDE + ACROSS), top + row * (HIGH + BETWEEN))
    lines = [_line(at[i], at[name]) for name, inputs in edges.items() for i in inputs]
    drawn = [_box(boxes[name], *at[name]) for name in boxes]
    said = escape(f"{count(len(boxes), 'group')} of stages, from data to evaluation")
    return Markup(
        f'<svg class="graph" role="img" aria-label="{said}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{"".join(lines)}{"".join(drawn)}</svg>'
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + WIDE, start[1] + HIGH / 2
    to_x, to_y = end[0], end[1] + HIGH / 2
    bend = max(ACROSS / 2, (to_x - x) / 2)
    path = f"M{x:g} {y:g}C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"
    return f'<path class="edge" d="{path}"/>'


def _box(box: Box, x: float, y: float) -> str:
    from markupsafe import escape

    label, facts = printable(box.label), box.facts
    short = label if len(label) <= 24 else f"…{label[-23:]}"
    title = escape(f"{printable(box.name)}: {count(len(box.stages), 'stage')}, {box.status}")
    return (
        f'<g class="box {box.status}"><title>{title}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="6"/>'
        f'<text x="{x + 10:g}" y="{y + 19:g}">{escape(short)}</text>'
        f'<text class="facts" x="{x + 10:g}" y="{y + 36:g}">{escape(facts)}</text></g>'
    )
