"""Who learns, and how it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from w2s_toolkit.contracts.context import Context
from w2s_toolkit.data import Dataset, LabelSet, Metrics, ModelRef


@runtime_checkable
class Student(Protocol):
    """A strong learner."""

    def train(
        self,
        pool: Dataset,
        labels: LabelSet,
        ctx: Context,
        *,
        val: Dataset | None = None,
        init: ModelRef | None = None,
    ) -> ModelRef:
        """Train on soft labels and write the model below ``ctx.out``.

        ``pool`` is blind and ``labels`` are aligned with it; the ceiling is the same call with
        one-hot gold labels. Rows with ``abstain`` or weight 0 are left out.
        """

    def label(self, ref: ModelRef, data: Dataset, ctx: Context) -> LabelSet:
        """Predictions of a reference that :meth:`train` made. ``data`` is blind."""


@dataclass(frozen=True)
class Observation:
    """One seed's material for an evaluator that aggregates over seeds."""

    seed: int
    data: Dataset
    subject: LabelSet
    references: Mapping[str, LabelSet] = field(default_factory=dict)


@runtime_checkable
class Evaluator(Protocol):
    """Measures labels or predictions against gold.

    Two methods are optional: ``aggregate`` joins seeds (:class:`SeedAggregator`), and ``compare``
    sets two runs against each other (:class:`PairedEvaluator`).
    """

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """``subject`` is aligned with ``data``, which holds gold; ``ctx.references`` likewise."""


@runtime_checkable
class SeedAggregator(Protocol):
    """The optional second half of an evaluator: one result over several seeds."""

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Headline numbers over seeds, with intervals that resample seeds first."""


@runtime_checkable
class PairedEvaluator(Protocol):
    """The optional third part of an evaluator: one result against another, for ``w2s runs diff``."""

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Second minus first of each value, with a 95% interval for the difference.

        Both hold at least one seed. The rows of equal seeds are the same; where the seeds differ,
        all rows are. Resample what they share together, so that it cancels in the difference. The
        data holds ids, groups and gold, but no prompts.
        """
