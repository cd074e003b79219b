"""Stages that join what cells found which differ by seed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.plan.plan import Measured, Plan
from w2s_toolkit.recipe.checked import Use

if TYPE_CHECKING:
    from w2s_toolkit.plan.planner import PlannedCell


class Evaluation(NamedTuple):
    """An evaluator applied to one subject of one cell."""

    use: Use
    inputs: dict[str, str]
    measured: Measured


class Group:
    """Cells that differ by seed alone, and the stages that join their results."""

    def __init__(self, plan: Plan, cells: list[PlannedCell]) -> None:
        self._plan, self._cells = plan, cells
        self._joined: set[tuple[str, str, str, int]] = set()

    def aggregate(self) -> None:
        """Join what all cells have by now, and what was not joined yet."""
        first = self._cells[0]
        if len(self._cells) < 2:
            return
        for place, (use, _, measured) in list(first.evaluations.items()):
            if place in self._joined or not all(place in c.evaluations for c in self._cells):
                continue
            self._joined.add(place)
            inputs: dict[str, str] = {}
            for cell in self._cells:
                own = cell.evaluations[place].inputs
                inputs |= {f"{cell.cell.seed}:{slot}": key for slot, key in own.items()}
            name = f"{measured.phase}/{measured.role}/aggregate/{use.name}:{measured.split}"
            stage = first.stage("aggregate", measured.role, name, use, inputs)
            stage.cells |= {c.index for c in self._cells}
            self._plan.aggregated.append(replace(measured, key=stage.key))
