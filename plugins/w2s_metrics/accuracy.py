"""Accuracy: the share of rows whose most probable class is the gold one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from w2s_metrics.bootstrap import count_by_group, percentiles, replicate
from w2s_metrics.config import AccuracyConfig, BootstrapConfig
from w2s_metrics.intervals import proportion
from w2s_metrics.paired import UNLIKE_ROWS, Hits, draw_two, pair_up
from w2s_metrics.scored import (
    RESAMPLED_APART,
    Answers,
    IntArray,
    abstained,
    answers,
    join_remarks,
    nothing_there,
    same_items,
)
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, Dataset, LabelSet, Metric, Metrics
from w2s_toolkit.groups import group_codes


class Accuracy:
    """Share of rows answered right; ties count as an answer of the first class.

    A generated answer is right if it is the gold one but for case, punctuation, articles and spacing.

    Rows with no answer are left out and counted in the remark. One seed: Wilson's interval with
    the effective number of rows (:func:`~w2s_metrics.intervals.proportion`). Several seeds: the
    mean over seeds with a hierarchical bootstrap (:mod:`~w2s_metrics.bootstrap`).

    Source: Burns et al. 2023 (arXiv 2312.09390), section 3.
    """

    def __init__(self, config: AccuracyConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """``accuracy`` on the rows of ``data`` that ``subject`` answers.

        Warns where nearly all rows get the same answer though gold has others: what a student learns
        first of a supervisor that leans to one class is that.
        """
        return Metrics({"accuracy": self._measure(subject, data, ctx)})

    def _measure(self, subject: LabelSet, data: Dataset, ctx: Context | None = None) -> Metric:
        """The accuracy of one seed; ``ctx`` hears of answers that are nearly all the same one."""
        reason = nothing_there(data)
        if reason:
            return Metric(None, reason=reason)
        found = answers(subject, data)
        if ctx is not None and (leans := _leans(found, data)):
            ctx.warn("same_answer", leans)
        return accuracy(found.right, found.given, group_codes(data))

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """``accuracy`` over seeds, and the table ``seeds``."""
        each = [(s.seed, self._measure(s.subject, s.data)) for s in seeds]
        rows = [
            {"seed": seed, "accuracy": m.value, "low": m.low, "high": m.high, "n": m.n}
            for seed, m in each
        ]
        scored = [s for s, (_, m) in zip(seeds, each, strict=True) if m.value is not None]
        if len(scored) < len(seeds) or len(seeds) == 1:
            return Metrics({"accuracy": _of_the_rest(each)}, {"seeds": rows})
        seeds, shared = same_items(scored)
        parts = [(answers(s.subject, s.data), group_codes(s.data)) for s in seeds]
        return Metrics(
            {
                "accuracy": mean_over_seeds(
                    [(a.right, a.given, g) for a, g in parts], shared=shared, config=self.config
                )
            },
            {"seeds": rows},
        )

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Difference of the mean accuracies, from the same resamples of both."""
        reason = next(filter(None, (nothing_there(s.data) for s in (*first, *second))), "")
        pairs = None if reason else pair_up(first, second)
        if pairs is None:
            return Metrics({"accuracy": Metric(None, reason=reason or UNLIKE_ROWS)})
        sides = [[_hits(s) for s in side] for side in (pairs.first, pairs.second)]
        if not all(h.valid.any() for side in sides for h in side):
            return Metrics({"accuracy": Metric(None, n=0, reason="a seed has no answer")})
        found = draw_two(sides, pairs, self.config)
        return Metrics({"accuracy": found.difference(0)})


def _hits(seed: Observation) -> Hits:
    found = answers(seed.subject, seed.data)
    return Hits(found.right[:, None], found.given[:, None], group_codes(seed.data))


SAME = 0.95
"""Share of rows with the same answer from which on it is worth a word."""

FEW = 20
"""Rows below which equal answers tell nothing."""


def _leans(found: Answers, data: Dataset) -> str:
    """What to say of answers that are nearly all the same one; empty when there is nothing to say."""
    classes = found.probs.shape[1]
    if not classes or found.given.sum() < FEW:
        return ""
    given, gold = (
        np.bincount(of[found.given], minlength=classes) / found.given.sum()
        for of in (found.predicted, data.gold)
    )
    most = int(given.argmax())
    if given[most] < SAME or given[most] - gold[most] < 0.2:
        return ""
    name = data.info.classes[most] if most < len(data.info.classes) else str(most)
    return (
        f"nearly all rows get the same answer: {name!r} on {given[most]:.0%} of them, which is right "
        f"on {gold[most]:.0%}. It learnt how frequent answers are and little else: train it longer, or "
        "calibrate a supervisor that leans to one class (refine: calibrate, method: platt)"
    )


def accuracy(right: BoolArray, given: BoolArray, groups: IntArray) -> Metric:
    """Accuracy of one seed on the rows that are given, all arrays (n,)."""
    n = int(given.sum())
    if not n:
        return Metric(None, n=0, reason="no row has an answer")
    value, low, high = proportion(right[given], groups[given])
    return Metric(value, low, high, n, abstained(given))


def mean_over_seeds(
    seeds: Sequence[tuple[BoolArray, BoolArray, IntArray]], *, shared: bool, config: BootstrapConfig
) -> Metric:
    """Mean over seeds of an accuracy; each seed is (right, given, groups), with rows given.

    ``n`` is the number of scored rows of the seed that has the fewest.
    """
    if len(seeds) == 1:
        return accuracy(*seeds[0])
    counts = [count_by_group(r[:, None], v[:, None], g) for r, v, g in seeds]
    draws = replicate(
        counts,
        shared=shared,
        replicates=config.replicates,
        bootstrap_seed=config.bootstrap_seed,
    )
    low, high = percentiles(draws[:, 0])
    value = sum(float(c.values[0]) for c in counts) / len(counts)
    n = min(int(given.sum()) for _, given, _ in seeds)
    remarks = [abstained(given) for _, given, _ in seeds]
    return Metric(value, low, high, n, join_remarks(*remarks, "" if shared else RESAMPLED_APART))


def _of_the_rest(each: Sequence[tuple[int, Metric]]) -> Metric:
    """A single seed's own metric, or none where a seed could not be scored.

    A mean over only the seeds that could be scored would compare unlike things.
    """
    for seed, metric in each:
        if metric.value is None:
            return Metric(None, n=0, reason=f"seed {seed}: {metric.reason}")
    return each[0][1]
