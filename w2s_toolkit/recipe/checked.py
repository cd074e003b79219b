"""A recipe as it is once it was read and checked: cells of phases of components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_toolkit.calls.ledger import Budget
from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.hookspecs import Component
from w2s_toolkit.recipe.schema import PhaseModel, TaskOptions
from w2s_toolkit.recipe.tree import Path_


@dataclass(frozen=True)
class Use:
    """A component with its checked config, and where the recipe names it.

    ``path`` is the block's place in the document, ``where`` the same for messages: ``file:line``;
    ``called`` names the component and its plugin.
    """

    kind: str
    component: Component
    config: ComponentConfig
    path: Path_
    where: str = ""
    called: str = ""

    @property
    def name(self) -> str:
        """The word after ``use:``."""
        return self.component.name


@dataclass(frozen=True)
class Phase:
    """A checked phase."""

    model: PhaseModel
    path: Path_
    supervisors: tuple[Use, ...]
    ensemble: Use | None
    oversight: tuple[Use, ...]
    refine: tuple[Use, ...]
    student: Use | None
    evaluate: tuple[Use, ...]
    ladder: tuple[Use, ...] = ()

    @property
    def pool(self) -> str:
        """The split that is labelled."""
        pool = self.model.pool
        return pool if isinstance(pool, str) else pool.split

    @property
    def folds(self) -> int:
        """Into how many folds the pool is cut, one a round; 0: it is not."""
        pool, repeat = self.model.pool, self.model.repeat
        folded = not isinstance(pool, str) and pool.fold_by_round
        return repeat.max_rounds if folded and repeat else 0

    def student_of(self, round: int) -> Use | None:
        """The student of a round, counted from 1; 0 for a phase without rounds."""
        return self.ladder[round - 1] if self.ladder and round else self.student

    @property
    def name(self) -> str:
        """The phase's name."""
        return self.model.name

    @property
    def supervisor(self) -> Use:
        """The first supervisor, which is also the naive floor."""
        return self.supervisors[0]

    @property
    def trained(self) -> tuple[Use, ...]:
        """The supervisors that are trained on a split; the others are used as they come."""
        return tuple(s for s in self.supervisors if getattr(s.config, "train_on", None))

    @property
    def learner(self) -> Use:
        """The first supervisor that is trained; the first of all where none is."""
        return (*self.trained, self.supervisor)[0]


@dataclass(frozen=True)
class Cell:
    """One combination of the matrix, fully checked.

    ``axes`` maps the address of each axis to its value here, in the order of the recipe.
    """

    axes: Mapping[str, Any]
    seed: int
    models: Mapping[str, Use]
    task: Use
    options: TaskOptions
    baselines: tuple[str, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    ``document`` is the recipe after overrides, before the matrix is applied.
    """

    name: str
    description: str
    file: Path
    text: str
    overrides: tuple[str, ...]
    document: Mapping[str, Any]
    cells: tuple[Cell, ...]
    budget: Budget | None = None
