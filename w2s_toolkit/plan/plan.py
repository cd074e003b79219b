"""What planning gives: the graph, and what its stages mean for the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2s_toolkit.plan.graph import Graph
from w2s_toolkit.recipe.checked import Recipe

FLOOR, SUPERVISOR, STUDENT, CEILING = "weak_floor", "supervisor", "student", "strong_ceiling"


@dataclass(frozen=True)
class Measured:
    """One evaluator applied to one subject: where its result will be found.

    ``order`` is its place in the results, whenever it was planned.
    """

    cell: int
    phase: str
    role: str
    model: str
    split: str
    evaluator: str
    key: str
    order: tuple[int, ...] = ()


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
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Round:
    """One round of a repeated phase; 0 is the test of its first supervisor.

    Attributes:
        supervisor: the round, or the phase, whose student supervises: ``bootstrap``, ``loop/1``.
        student: entry of ``models:`` that is trained; empty for round 0.
        key: of the decision.
    """

    cell: int
    phase: str
    round: int
    supervisor: str
    student: str
    key: str
    order: tuple[int, ...] = ()


def _nobody(_: Any) -> None:
    return None


def _no_opinion(history: Sequence[Mapping[str, Any]], phase: str) -> str:
    return ""


@dataclass
class Plan:
    """The graph and what its stages mean for the results.

    Attributes:
        measured: results of single cells.
        aggregated: results over seeds; ``cell`` is the first cell of the group.
        predicted: prediction tables to write.
        splits: cell -> split -> key of its stage.
        rounds: rounds of repeated phases that were decided, or are next.
        endings: cell and phase -> why no further round was planned.
        should_stop: asked after each round; the reason to stop, or an empty text.
        on_round: told of each round that was decided.
    """

    recipe: Recipe
    graph: Graph = field(default_factory=Graph)
    measured: list[Measured] = field(default_factory=list)
    aggregated: list[Measured] = field(default_factory=list)
    predicted: list[Predicted] = field(default_factory=list)
    splits: dict[int, dict[str, str]] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    endings: dict[tuple[int, str], str] = field(default_factory=dict)
    should_stop: Callable[[Sequence[Mapping[str, Any]], str], str] = _no_opinion
    on_round: Callable[[Mapping[str, Any]], None] = _nobody

    @property
    def axes(self) -> list[Mapping[str, Any]]:
        """Axis values of each cell."""
        return [c.axes for c in self.recipe.cells]
