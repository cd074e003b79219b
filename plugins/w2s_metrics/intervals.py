"""95% intervals that hold for grouped rows.

Rows of one question are not independent: a model that knows the question gets all of them right.
Everything here takes whole groups as the independent units (the sandwich estimator of survey
statistics), which for groups of one row is the usual formula.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from w2s_metrics.scored import IntArray
from w2s_toolkit.data import BoolArray, FloatArray

Z = 1.959963984540054
"""The 97.5% point of the normal distribution."""


class Estimate(NamedTuple):
    """A value with the ends of its 95% interval; no ends where there cannot be any."""

    value: float
    low: float | None
    high: float | None


def group_sums(values: FloatArray, groups: IntArray) -> FloatArray:
    """Sums of (n,) or (n, C) values within groups: (G,) or (G, C), G the largest code plus one."""
    size = int(groups.max()) + 1 if len(groups) else 0
    if values.ndim == 1:
        return np.bincount(groups, weights=values, minlength=size).astype(np.float64)
    sums = np.zeros((size, values.shape[1]))
    for column, of_rows in enumerate(values.T):
        sums[:, column] = np.bincount(groups, weights=of_rows, minlength=size)
    return sums


def cluster_se(influence: FloatArray, groups: IntArray) -> float:
    """Standard error of a statistic from the influence (n,) of each row on it.

    The influences sum to zero; for a mean they are (x_i - mean) / n. The factor G/(G-1) removes
    the bias from estimating the statistic on the same groups. NaN for fewer than two groups.
    """
    present = np.bincount(groups) > 0
    count = int(present.sum())
    if count < 2:
        return float("nan")
    totals = group_sums(influence, groups)[present]
    return float(np.sqrt(count / (count - 1) * (totals**2).sum()))


def proportion(hits: BoolArray, groups: IntArray) -> Estimate:
    """A proportion with Wilson's score interval, its n cut to the effective number of rows.

    The effective number is n divided by the design effect, the ratio of the variance between
    groups to that of independent rows (Dean and Pagano 2015, "Evaluating confidence interval
    methods for binomial proportions in clustered surveys"). It is never above n: where rows of a
    group are negatively related, as the right and the wrong candidate of one question, the
    interval stays the one for independent rows, on the safe side. At 0 and 1, and with one group,
    no design effect can be estimated and every group counts as one row.

    Args:
        hits: (n,), n > 0.
        groups: (n,) group codes.
    """
    n, p = len(hits), float(hits.mean())
    effective = float(np.count_nonzero(np.bincount(groups)))
    if 0 < p < 1 and effective > 1:
        variance = cluster_se((hits - p) / n, groups) ** 2
        independent = p * (1 - p) / (n - 1)
        effective = n * independent / variance if variance > 0 else float(n)
    low, high = wilson(p, min(effective, float(n)))
    return Estimate(p, low, high)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion ``p`` of ``n`` (not necessarily whole) rows."""
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    # The interval holds p by construction; rounding must not let 0 or 1 fall outside.
    return max(0.0, min(p, float(centre - half))), min(1.0, max(p, float(centre + half)))


def mean(values: FloatArray, groups: IntArray, *, floor: float | None = None) -> Estimate:
    """A mean with a normal interval, its lower end not below ``floor``."""
    value = float(values.mean())
    se = cluster_se((values - value) / len(values), groups)
    if not np.isfinite(se):
        return Estimate(value, None, None)
    low = value - Z * se
    return Estimate(value, low if floor is None else max(floor, low), value + Z * se)
