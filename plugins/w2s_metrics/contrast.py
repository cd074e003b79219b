"""Performance gap recovered by a student between one floor and the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2s_metrics.bootstrap import count_by_group, percentiles, replicate
from w2s_metrics.config import BootstrapConfig
from w2s_metrics.scored import RESAMPLED_APART, Answers, IntArray, abstained, join_remarks
from w2s_toolkit.data import BoolArray, FloatArray, Metric

MIN_GAP = 0.01
"""Smallest gap between ceiling and floor for which the ratio means anything."""


class Scored(NamedTuple):
    """One seed: answers of each role on the same rows, and the groups (n,) of the rows."""

    seed: int
    roles: dict[str, Answers]
    groups: IntArray

    def common(self, *roles: str) -> BoolArray:
        """(n,) rows that all of these roles answer."""
        given = np.stack([self.roles[r].given for r in roles])
        return np.asarray(given.all(axis=0), dtype=np.bool_)


class Contrast(NamedTuple):
    """PGR, the gain s - w, and the gap c - w."""

    pgr: Metric
    gain: Metric
    gap: Metric


def contrast(
    seeds: Sequence[Scored], floor: str, *, shared: bool, config: BootstrapConfig
) -> Contrast:
    """PGR = (s - w) / (c - w) of the mean scores over seeds.

    ``pgr`` is None where the gap c - w is below 0.01 or below two standard errors of this paired
    difference (the bootstrap's standard deviation). It is never clipped.

    Args:
        seeds: each with roles ``student``, ``strong_ceiling`` and ``floor``.
        floor: the role that is w.
        shared: whether all seeds were scored on the same rows.
        config: number of replicates and their seed.
    """
    roles = (floor, "student", "strong_ceiling")
    valid = [s.common(*roles) for s in seeds]
    n = min(int(v.sum()) for v in valid)
    if not n:
        nothing = Metric(None, n=0, reason="no row is answered by floor, student and ceiling")
        return Contrast(nothing, nothing, nothing)
    counts = [
        count_by_group(
            np.stack([s.roles[r].right for r in roles], 1), np.repeat(v[:, None], 3, 1), s.groups
        )
        for s, v in zip(seeds, valid, strict=True)
    ]
    draws = replicate(
        counts, shared=shared, replicates=config.replicates, bootstrap_seed=config.bootstrap_seed
    )
    w, s, c = np.mean([each.values for each in counts], axis=0).tolist()
    remark = join_remarks(*map(abstained, valid), "" if shared else RESAMPLED_APART)
    gains, gaps = draws[:, 1] - draws[:, 0], draws[:, 2] - draws[:, 0]
    return Contrast(
        _pgr(s - w, c - w, gains, gaps, n, remark),
        Metric(s - w, *percentiles(gains), n, remark),
        Metric(c - w, *percentiles(gaps), n, remark),
    )


def _pgr(
    gain: float, gap: float, gains: FloatArray, gaps: FloatArray, n: int, remark: str
) -> Metric:
    two_se = 2 * float(np.nanstd(gaps))
    needed = max(MIN_GAP, two_se)
    if gap < needed - 1e-12:
        rule = "two standard errors of it" if two_se > MIN_GAP else "the smallest gap allowed"
        reason = f"the gap between ceiling and floor is {gap:.4f}, below {needed:.4f}, {rule}"
        return Metric(None, n=n, reason=join_remarks(reason, remark))
    low, high = ratio_interval(gains, gaps)
    unbounded = [name for name, end in (("lower", low), ("upper", high)) if end is None]
    if unbounded:
        share = float(np.mean(gaps <= 0))
        remark = join_remarks(
            f"no {' or '.join(unbounded)} end of the interval: the gap vanishes in "
            f"{share:.1%} of the replicates",
            remark,
        )
    return Metric(gain / gap, low, high, n, remark)


def ratio_interval(
    numerator: FloatArray, denominator: FloatArray
) -> tuple[float | None, float | None]:
    """Percentile interval of a ratio from paired replicates (R,), sound when some gaps vanish.

    As the denominator falls through zero a ratio runs off to infinity on the side of its
    numerator's sign; replicates with no positive denominator are therefore counted beyond every
    number on that side (on both sides when the numerator is zero as well), which orders replicates
    by the angle of (denominator, numerator), as Fieller's interval does. When they are more than
    2.5% on one side, that end is None: the data set no bound there.
    """
    lowest, highest = _ratio_bounds(numerator, denominator)
    return percentiles(lowest)[0], percentiles(highest)[1]


def ratio_difference_interval(
    first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray]
) -> tuple[float | None, float | None]:
    """The same for the second ratio minus the first; each is (numerator, denominator), (R,)."""
    (a_low, a_high), (b_low, b_high) = _ratio_bounds(*first), _ratio_bounds(*second)
    known = ~(np.isnan(a_low) | np.isnan(b_low))
    with np.errstate(invalid="ignore"):
        lowest, highest = b_low - a_high, b_high - a_low
    # Where both ratios run off to the same side, their difference can be anything.
    lowest[known & np.isnan(lowest)] = -np.inf
    highest[known & np.isnan(highest)] = np.inf
    return percentiles(lowest)[0], percentiles(highest)[1]


def _ratio_bounds(top: FloatArray, bottom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest value (R,) that a replicate's ratio may stand for; NaN where unknown."""
    ratio = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    lowest = np.where(bottom > 0, ratio, np.where(top > 0, np.inf, -np.inf))
    highest = np.where(bottom > 0, ratio, np.where(top < 0, -np.inf, np.inf))
    unknown = np.isnan(top) | np.isnan(bottom)
    lowest[unknown] = highest[unknown] = np.nan
    return lowest, highest
