"""What planning gives: the graph, and what its stages mean for the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from w2s_toolkit.plan.graph import Graph
from w2s_toolkit.recipe.load import Recipe

FLOOR, SUPERVISOR, STUDENT, CEILING = "weak_floor", "supervisor", "student", "strong_ceiling"


@dataclass(frozen=True)
class Measured:
    """One evaluator applied to one subject: where its result will be found."""

    cell: int
    phase: str
    role: str
    model: str
    split: str
    evaluator: str
    key: str


@dataclass(frozen=True)
class Predicted:
    """One subject's predictions on one split, and the supervisor's beside them."""

    cell: int
    phase: str
    role: str
    model: str
    split: str
    key: str
    data: str
    weak: str


@dataclass
class Plan:
    """The graph and what its stages mean for the results.

    Attributes:
        measured: results of single cells.
        aggregated: results over seeds; ``cell`` is the first cell of the group.
        predicted: prediction tables to write.
        splits: cell -> split -> key of its stage.
    """

    recipe: Recipe
    graph: Graph = field(default_factory=Graph)
    measured: list[Measured] = field(default_factory=list)
    aggregated: list[Measured] = field(default_factory=list)
    predicted: list[Predicted] = field(default_factory=list)
    splits: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def axes(self) -> list[Mapping[str, Any]]:
        """Axis values of each cell."""
        return [c.axes for c in self.recipe.cells]
