"""Where a phase or round stands, and the students that were trained before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from w2s_toolkit.recipe.checked import Use

if TYPE_CHECKING:
    from w2s_toolkit.plan.phase import PlannedPhase


@dataclass(frozen=True)
class Setting:
    """What tells a round of a repeated phase from a phase that runs once.

    Attributes:
        index: place of the phase in the recipe.
        name: of the phase, with the round: ``recursive/2``.
        pool: split that is labelled.
        student: what learns.
        round: from 1; 0 outside of repeated phases.
        chain: students that supervise, those promoted earlier first.
        fit_on, measure_on: which part of a split components are fitted on and measured on, where
            these are not the whole split.
    """

    index: int
    name: str
    pool: str
    student: Use | None
    round: int = 0
    chain: tuple[Trained, ...] = ()
    fit_on: Mapping[str, str] = field(default_factory=dict)
    measure_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A student that was trained: by what, the key of its training, and where it belongs."""

    use: Use
    key: str
    home: PlannedPhase

    @property
    def name(self) -> str:
        """The phase or round that trained it."""
        return self.home.name
