"""Exact match: the share of generated answers that are the gold one."""

from __future__ import annotations

from collections.abc import Sequence

from w2s_metrics.accuracy import Accuracy
from w2s_metrics.config import ExactMatchConfig
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import Dataset, LabelSet, Metric, Metrics


class ExactMatch:
    """Share of generated answers that equal gold but for case, punctuation, articles and spacing.

    Intervals and comparisons are those of :class:`~w2s_metrics.accuracy.Accuracy`.

    Source: Rajpurkar et al. 2016 (arXiv 1606.05250), section 6.1.
    """

    def __init__(self, config: ExactMatchConfig) -> None:
        self._accuracy = Accuracy(config)

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """``exact_match`` of one seed."""
        if data.info.kind != "generation":
            return Metrics(
                {"exact_match": Metric(None, reason="answers are classes: see accuracy")}
            )
        return _renamed(self._accuracy.evaluate(subject, data, ctx))

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """``exact_match`` over seeds."""
        if any(seed.data.info.kind != "generation" for seed in seeds):
            return self.evaluate(seeds[0].subject, seeds[0].data, ctx)
        return _renamed(self._accuracy.aggregate(seeds, ctx))

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Difference of the means over seeds."""
        return _renamed(self._accuracy.compare(first, second, ctx))


def _renamed(metrics: Metrics) -> Metrics:
    tables = {
        name: [{"exact_match" if k == "accuracy" else k: v for k, v in row.items()} for row in rows]
        for name, rows in metrics.tables.items()
    }
    return Metrics({"exact_match": metrics.values["accuracy"]}, tables)
