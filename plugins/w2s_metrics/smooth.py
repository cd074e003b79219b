"""Mean over seeds of a smooth statistic (AUROC, Brier score, log-loss), with its interval.

Such a statistic is close to its value plus the sum of each group's influence on it, so resampling
groups moves the seeds' values together like a normal vector whose covariance is that of the
influences. Replicates draw seeds with replacement and then that vector: the hierarchical
bootstrap of :mod:`w2s_metrics.bootstrap` without recomputing the statistic each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2s_metrics.bootstrap import draw_seeds, percentiles
from w2s_metrics.config import BootstrapConfig
from w2s_metrics.intervals import Estimate, group_sums
from w2s_metrics.scored import IntArray
from w2s_toolkit.data import FloatArray


class Influence(NamedTuple):
    """A statistic of one seed.

    Attributes:
        value: the statistic.
        rows: (n,) influence of each row on it, summing to zero; 0 for rows that are not scored.
        groups: (n,) group codes.
    """

    value: float
    rows: FloatArray
    groups: IntArray


def mean_over_seeds(
    seeds: Sequence[Influence],
    *,
    shared: bool,
    config: BootstrapConfig,
    bounds: tuple[float, float],
) -> Estimate:
    """Mean over seeds with a 95% interval clipped to ``bounds``.

    Args:
        seeds: one a seed; with ``shared`` their groups are the same in the same order.
        shared: the seeds were scored on the same rows, so that their errors are related.
        config: number of replicates and their seed.
        bounds: smallest and largest possible value.
    """
    values = np.array([s.value for s in seeds])
    rng = np.random.default_rng(config.bootstrap_seed)
    drawn = draw_seeds(len(seeds), config.replicates, rng)
    moved = rng.multivariate_normal(
        values, _covariance(seeds, shared), size=config.replicates, method="eigh"
    )
    low, high = percentiles((drawn * moved).sum(1))
    return Estimate(
        float(values.mean()),
        None if low is None else float(np.clip(low, *bounds)),
        None if high is None else float(np.clip(high, *bounds)),
    )


def _covariance(seeds: Sequence[Influence], shared: bool) -> FloatArray:
    totals = [group_sums(s.rows, s.groups) for s in seeds]
    factors = [len(t) / max(1, len(t) - 1) for t in totals]
    if shared:
        together = np.stack(totals)
        return np.asarray(factors[0] * together @ together.T, dtype=np.float64)
    return np.diag([f * float((t**2).sum()) for f, t in zip(factors, totals, strict=True)])
