"""Mean over seeds of a smooth statistic (AUROC, Brier score, log-loss), with its interval.

Such a statistic is close to its value plus the sum of each group's influence on it, so resampling
groups moves the seeds' values together like a normal vector whose covariance is that of the
influences. Replicates draw seeds with replacement and then that vector: the hierarchical
bootstrap of :mod:`w2s_metrics.bootstrap` without recomputing the statistic each time.
"""

from __future__ import annotations

import math
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
    if shared:
        covariance = _covariance(seeds)
        moved = rng.multivariate_normal(values, covariance, config.replicates, method="eigh")
        placed = np.take_along_axis(moved, drawn, axis=1)
    else:
        errors = np.array([math.sqrt(_covariance([s])[0, 0]) for s in seeds])
        placed = values[drawn] + errors[drawn] * rng.normal(size=drawn.shape)
    low, high = percentiles(placed.mean(axis=1))
    return Estimate(
        float(values.mean()),
        None if low is None else float(np.clip(low, *bounds)),
        None if high is None else float(np.clip(high, *bounds)),
    )


def difference(
    sides: Sequence[Sequence[Influence]],
    *,
    paired: bool,
    shared: bool,
    config: BootstrapConfig,
) -> Estimate:
    """Mean over the seeds of the second minus that of the first, with a 95% interval.

    Args:
        sides: the first and the second run, one influence a seed. With ``paired`` the i-th seeds of
            both belong together and are scored on the same rows; otherwise all seeds are.
        shared: all seeds were scored on the same rows.
        config: number of replicates and their seed.
    """
    first, second = sides
    infinite = (-math.inf, math.inf)
    if paired:
        pairs = [
            Influence(b.value - a.value, b.rows - a.rows, a.groups)
            for a, b in zip(first, second, strict=True)
        ]
        return mean_over_seeds(pairs, shared=shared, config=config, bounds=infinite)
    everything = [*first, *second]
    values = np.array([s.value for s in everything])
    rng = np.random.default_rng(config.bootstrap_seed)
    covariance = _covariance(everything)
    moved = rng.multivariate_normal(values, covariance, config.replicates, method="eigh")
    means = []
    for side in (moved[:, : len(first)], moved[:, len(first) :]):
        drawn = draw_seeds(side.shape[1], config.replicates, rng)
        means.append(np.take_along_axis(side, drawn, axis=1).mean(axis=1))
    value = float(values[len(first) :].mean() - values[: len(first)].mean())
    return Estimate(value, *percentiles(means[1] - means[0]))


def _covariance(seeds: Sequence[Influence]) -> FloatArray:
    """(S, S) covariance of the seeds' values when the same groups are drawn for all."""
    totals = np.stack([group_sums(s.rows, s.groups) for s in seeds])
    groups = totals.shape[1]
    return np.asarray(groups / max(1, groups - 1) * totals @ totals.T, dtype=np.float64)
