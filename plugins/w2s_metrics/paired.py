"""Two runs against each other: which seeds and rows belong together, and differences of proportions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2s_metrics.bootstrap import Counts, count_by_group, percentiles, replicate_two
from w2s_metrics.config import BootstrapConfig
from w2s_metrics.scored import IntArray, same_items
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import BoolArray, FloatArray, Metric

UNLIKE_ROWS = "the two were scored on different rows"


class Pairs(NamedTuple):
    """Observations of two runs, their rows in one order.

    Attributes:
        first, second: one a seed.
        paired: the i-th seeds of both are equal, so that they are drawn together.
        shared: all were scored on the same rows.
    """

    first: list[Observation]
    second: list[Observation]
    paired: bool
    shared: bool


def pair_up(first: Sequence[Observation], second: Sequence[Observation]) -> Pairs | None:
    """Pair equal seeds; None where the rows of what would be compared are not the same."""
    paired = sorted(s.seed for s in first) == sorted(s.seed for s in second)
    if paired:
        first, second = (sorted(side, key=lambda s: s.seed) for side in (first, second))
    both, shared = same_items([*first, *second])
    if shared:
        return Pairs(both[: len(first)], both[len(first) :], paired, True)
    if not paired:
        return None
    couples = [same_items(couple) for couple in zip(first, second, strict=True)]
    if not all(same for _, same in couples):
        return None
    return Pairs([c[0] for c, _ in couples], [c[1] for c, _ in couples], True, False)


class Hits(NamedTuple):
    """C proportions of one seed: (n, C) hits, (n, C) rows they are taken over, (n,) groups."""

    hits: BoolArray
    valid: BoolArray
    groups: IntArray

    @property
    def counts(self) -> Counts:
        """Sums over groups."""
        return count_by_group(self.hits, self.valid, self.groups)


class Draws(NamedTuple):
    """C proportions of two runs: means (C,) over seeds and bootstrap replicates (R, C) of them."""

    first: FloatArray
    second: FloatArray
    first_draws: FloatArray
    second_draws: FloatArray
    n: int

    def difference(self, column: int, reason: str = "") -> Metric:
        """Second minus first of one proportion."""
        draws = self.second_draws[:, column] - self.first_draws[:, column]
        return self.metric(float(self.second[column] - self.first[column]), draws, reason)

    def metric(self, value: float, draws: FloatArray, reason: str = "") -> Metric:
        """A value with the percentile interval of its replicates (R,)."""
        if np.isnan(value):
            return Metric(None, n=0, reason="a seed has no such row")
        return Metric(value, *percentiles(draws), self.n, reason)


def draw_two(sides: Sequence[Sequence[Hits]], pairs: Pairs, config: BootstrapConfig) -> Draws:
    """Draw groups, and seeds, for both sides together."""
    first, second = sides
    counts = [[h.counts for h in side] for side in sides]
    draws = replicate_two(
        counts[0],
        counts[1],
        paired=pairs.paired,
        shared=pairs.shared,
        replicates=config.replicates,
        bootstrap_seed=config.bootstrap_seed,
    )
    means = [np.mean([c.values for c in side], axis=0) for side in counts]
    n = min(int(h.valid[:, 0].sum()) for h in (*first, *second))
    return Draws(means[0], means[1], *draws, n)
