"""Who labels, and what is done to labels and before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from w2s_toolkit.contracts.context import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef


@runtime_checkable
class Supervisor(Protocol):
    """A weak teacher: fine-tuned, prompted, imported labels, a person, the previous student."""

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Train on gold. Called only when the config names ``train_on``; ``val`` chooses checkpoints."""

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """Soft labels for any split, without refitting. ``data`` is blind."""


@runtime_checkable
class AnswerScorer(Protocol):
    """The optional part of a supervisor or student that generates: how probable gold answers are."""

    def score(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """What the model gives the gold answers of ``data``, token by token, answers read so far given.

        Returns:
            Labels with ``token_log_probs`` and ``token_hits`` and without texts. The token that ends an
            answer counts. ``ref`` None: the model as it comes.
        """


@runtime_checkable
class OversightProtocol(Protocol):
    """Interaction, debate, consultancy, critique: adds evidence to each example."""

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """The same rows, in the same order, with ``evidence``. ``data`` is blind."""


@runtime_checkable
class Refiner(Protocol):
    """Trust filters, calibration, gold budget, simulated label noise."""

    def fit(self, data: Dataset, labels: LabelSet, ctx: Context) -> Mapping[str, Any]:
        """Learn a JSON-able state from the split named ``on``; it holds gold if declared."""

    def refine(
        self, state: Mapping[str, Any], pool: Dataset, labels: LabelSet, ctx: Context
    ) -> LabelSet:
        """Changed labels for the pool, same ids; ``abstain`` or ``weight`` 0 leaves a row out."""
