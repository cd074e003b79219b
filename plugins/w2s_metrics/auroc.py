"""Area under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from w2s_metrics.config import AurocConfig
from w2s_metrics.intervals import Z, cluster_se, wilson
from w2s_metrics.paired import UNLIKE_ROWS, pair_up
from w2s_metrics.scored import (
    RESAMPLED_APART,
    IntArray,
    abstained,
    answers,
    join_remarks,
    same_items,
    why_not,
)
from w2s_metrics.smooth import Influence, difference, mean_over_seeds
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, Metric, Metrics
from w2s_toolkit.groups import group_codes


class Auroc:
    """Probability that a row of the class is ranked above a row that is not, ties counting half.

    Two classes: the score is the second class's probability. More: the plain mean over classes,
    each against the rest; classes that no row or every row has are left out and named.

    Interval: DeLong's variance in its form for grouped rows (Obuchowski 1997, "Nonparametric
    analysis of clustered ROC curve data"), on the logit scale. At 0 and 1 that variance is zero,
    and Wilson's interval with the number of rows of the smaller side takes its place.
    """

    def __init__(self, config: AurocConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """``auroc`` on the rows of ``data`` that ``subject`` answers."""
        return Metrics({"auroc": _metric(_measure(subject, data))})

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Mean over seeds (:mod:`w2s_metrics.smooth`), and the table ``seeds``."""
        each = [_metric(_measure(s.subject, s.data)) for s in seeds]
        rows = [
            {"seed": s.seed, "auroc": m.value, "low": m.low, "high": m.high, "n": m.n}
            for s, m in zip(seeds, each, strict=True)
        ]
        missing = next((m for m in each if m.value is None), None)
        if missing or len(seeds) == 1:
            return Metrics({"auroc": missing or each[0]}, {"seeds": rows})
        seeds, shared = same_items(seeds)
        areas = [_measure(s.subject, s.data) for s in seeds]
        value, low, high = mean_over_seeds(
            [a.influence for a in areas], shared=shared, config=self.config, bounds=(0.0, 1.0)
        )
        remark = join_remarks(*(a.reason for a in areas), "" if shared else RESAMPLED_APART)
        metric = Metric(value, low, high, min(a.n for a in areas), remark)
        return Metrics({"auroc": metric}, {"seeds": rows})

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Difference of the mean areas; their errors on the same rows are related."""
        pairs = pair_up(first, second)
        if pairs is None:
            return Metrics({"auroc": Metric(None, reason=UNLIKE_ROWS)})
        sides = [
            [_measure(s.subject, s.data) for s in side] for side in (pairs.first, pairs.second)
        ]
        areas = [*sides[0], *sides[1]]
        missing = next((a for a in areas if math.isnan(a.influence.value)), None)
        if missing:
            return Metrics({"auroc": _metric(missing)})
        value, low, high = difference(
            [[a.influence for a in side] for side in sides],
            paired=pairs.paired,
            shared=pairs.shared,
            config=self.config,
        )
        return Metrics({"auroc": Metric(value, low, high, min(a.n for a in areas))})


class _Area:
    """AUROC of one seed before it becomes a metric; ``value`` NaN when there is none."""

    def __init__(self, reason: str = "") -> None:
        self.influence = Influence(math.nan, np.zeros(0), np.zeros(0, dtype=np.int64))
        self.n = 0
        self.smaller_side = 0
        self.reason = reason


def area(scores: FloatArray, positive: BoolArray) -> tuple[float, FloatArray]:
    """AUROC and the influence (n,) of each row on it.

    The influence of a positive row is its share of negatives below it minus the area, divided by
    the number of positives; likewise for negatives (DeLong et al. 1988).

    Args:
        scores: (n,) any reals.
        positive: (n,), with at least one of each kind.
    """
    _, level = np.unique(scores, return_inverse=True)
    positives = np.bincount(level, weights=positive)
    negatives = np.bincount(level, weights=~positive)
    m, k = positives.sum(), negatives.sum()
    beaten = (np.cumsum(negatives) - negatives / 2)[level] / k
    beating = (m - np.cumsum(positives) + positives / 2)[level] / m
    value = float(beaten[positive].mean())
    return value, np.where(positive, (beaten - value) / m, (beating - value) / k)


def _measure(subject: LabelSet, data: Dataset) -> _Area:
    reason = why_not(data)
    if not reason and not data.info.classes:
        reason = "choices differ from row to row, so there is no class to rank by"
    if reason:
        return _Area(reason)
    found, gold, groups = answers(subject, data), data.gold, group_codes(data)
    given = found.given
    columns = [1] if found.probs.shape[1] == 2 else list(range(found.probs.shape[1]))
    sides = {k: int((gold[given] == k).sum()) for k in columns}
    usable = [k for k in columns if 0 < sides[k] < int(given.sum())]
    result = _Area("the rows that are answered do not have two classes")
    result.n = int(given.sum())
    if not usable:
        return result
    value, rows = 0.0, np.zeros(len(data))
    for k in usable:
        of_class, influence = area(found.probs[given, k], gold[given] == k)
        value += of_class / len(usable)
        rows[given] += influence / len(usable)
    result.influence = Influence(value, rows, groups)
    result.smaller_side = min(min(sides[k], result.n - sides[k]) for k in usable)
    names = [data.info.classes[k] for k in columns if k not in usable]
    result.reason = join_remarks(
        f"without {', '.join(names)}, which no row or every row has" if names else "",
        abstained(given),
    )
    return result


def _metric(found: _Area) -> Metric:
    value, rows, groups = found.influence
    if math.isnan(value):
        return Metric(None, n=found.n, reason=found.reason)
    low, high = _interval(value, rows, groups, found.smaller_side)
    return Metric(value, low, high, found.n, found.reason)


def _interval(
    value: float, rows: FloatArray, groups: IntArray, smaller_side: int
) -> tuple[float | None, float | None]:
    if not 0 < value < 1:
        return wilson(value, smaller_side)
    se = cluster_se(rows, groups)
    if math.isnan(se):
        return None, None
    half, centre = Z * se / (value * (1 - value)), math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-x)) for x in (centre - half, centre + half))
    return low, high
