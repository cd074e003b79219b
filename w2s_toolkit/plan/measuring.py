"""The evaluations of one phase or round, and the prediction tables that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from w2s_toolkit.config import EvaluatorConfig
from w2s_toolkit.plan.plan import SUPERVISOR, Measured, Predicted
from w2s_toolkit.recipe.checked import Use

if TYPE_CHECKING:
    from w2s_toolkit.plan.phase import PlannedPhase

ORIGIN, PREVIOUS = "generation_0", "previous"
"""Names under which evaluators find what the first and the last supervising student say."""


class Measuring:
    """Evaluations of a phase or round.

    Args:
        planned: what is measured.
        name: of the phase in the results.
        order: place of all of it in the results.
        measure_on: the part of a split that is measured on, where it is not the whole split.
    """

    def __init__(
        self,
        planned: PlannedPhase,
        name: str,
        order: tuple[int, ...],
        measure_on: Mapping[str, str],
    ) -> None:
        self._of, self._cell, self._name, self._order = planned, planned.cell, name, order
        self._on = measure_on
        self._predicted: set[tuple[str, str]] = set()
        self._number = 0

    def evaluate(self, uses: Sequence[Use]) -> None:
        """Add the stages of all evaluators."""
        pool, labels = self._of.setting.pool, self._of.pool_labels
        predictors = self._of.predictors
        for number, use in enumerate(uses):
            config = use.config
            assert isinstance(config, EvaluatorConfig)
            split = self._on.get(config.on, config.on)
            subjects = [r for r in predictors if r in config.measured()]
            wanted = {*subjects, *(r for r in predictors if subjects and r in config.references)}
            keys = {
                role: self._of.predictions(role, split, scores=config.scored())
                for role in sorted(wanted)
            }
            references = {r: k for r, k in keys.items() if r in config.references}
            if subjects:
                references |= self._generations(config, split)
            for role in subjects:
                self._measure(number, use, role, split, keys[role], references)
            for role, key in keys.items():
                if not config.scored():
                    self._show_predictions(role, split, key)
            if config.measures_pool() and split != pool:
                self._measure(number, use, SUPERVISOR, pool, labels, {})
                self._show_predictions(SUPERVISOR, pool, labels)

    def _generations(self, config: EvaluatorConfig, split: str) -> dict[str, str]:
        """What the first and the last supervising student say, where an evaluator asks for it."""
        chain, data = self._of.setting.chain, self._cell.splits[split]
        asked = {ORIGIN: chain[:1], PREVIOUS: chain[-1:]}
        return {
            name: self._cell.labels_of(one, data, "student", f"{one.name}/student/label/{split}")
            for name, ones in asked.items()
            for one in ones
            if name in config.references
        }

    def _measure(
        self,
        number: int,
        use: Use,
        role: str,
        split: str,
        subject: str,
        references: Mapping[str, str],
    ) -> None:
        inputs = {"subject": subject, "data": self._cell.splits[split]}
        inputs |= {f"reference:{r}": k for r, k in references.items() if r != role}
        name = "/".join((self._of.name, role, "evaluate", f"{use.name}:{split}"))
        stage = self._cell.stage("evaluate", role, name, use, inputs)
        self._cell.measured(
            Measured(
                self._cell.index, self._name, role, self._of.model_name(role), split, use.name,
                stage.key, self._place(),
            ),
            number, use, inputs,
        )  # fmt: skip

    def _show_predictions(self, role: str, split: str, key: str) -> None:
        """Plan a table of the predictions that were measured or compared with."""
        if (role, split) in self._predicted:  # several evaluators read the same predictions
            return
        self._predicted.add((role, split))
        weak = self._of.weak_labels(split, assisted=True) if role != SUPERVISOR else key
        self._cell.plan.predicted.append(
            Predicted(
                self._cell.index, self._name, role, self._of.model_name(role), split, key,
                self._cell.splits[split], weak, self._place(),
            )
        )  # fmt: skip

    def _place(self) -> tuple[int, ...]:
        self._number += 1
        return (*self._order, self._number)
