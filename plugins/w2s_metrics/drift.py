"""Drift: how far a student is from the students before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_metrics.accuracy import mean_over_seeds
from w2s_metrics.bootstrap import count_by_group, percentiles, replicate
from w2s_metrics.calibration import Calibration
from w2s_metrics.config import CalibrationConfig, DriftConfig
from w2s_metrics.scored import RESAMPLED_APART, IntArray, answers, nothing_there, same_items
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, Dataset, LabelSet, Metric, Metrics
from w2s_toolkit.groups import group_codes

_NO_INTERVAL = "no interval: resampling inflates it"
_NO_EARLIER = "there is no earlier student to compare with"


class Drift:
    """What a chain of students keeps of its beginning, and how it changes from round to round.

    - ``kept``: share of the rows on which the first student of the chain was right and sure
      (``confident``) that get the same answer now. Of written answers, all it was right on.
    - ``flips``: share of rows answered differently from the student that supervises.
    - ``prior_shift``: half the sum, over classes, of the distance between the share of the answers
      and that of gold (total variation, from 0 to 1).
    - ``ece``: expected calibration error, see :class:`~w2s_metrics.calibration.Calibration`.
    - ``over_supervisor``: accuracy minus that of the supervisor as used.

    Without earlier students, the values that need one are missing.
    """

    def __init__(self, config: DriftConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """All values for one seed."""
        return self._measure([Observation(0, data, subject, ctx.references)], ctx)

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Means over seeds with hierarchical bootstrap, and the table ``seeds``."""
        rows = [
            {
                "seed": seed.seed,
                **{name: m.value for name, m in self._measure([seed], ctx).values.items()},
            }
            for seed in seeds
        ]
        return Metrics(self._measure(seeds, ctx).values, {"seeds": rows})

    def _measure(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        reason = next(filter(None, (nothing_there(s.data) for s in seeds)), "")
        if reason:
            return Metrics({"kept": Metric(None, n=0, reason=reason)})
        seeds, shared = same_items(seeds)
        kept = [_kept(s, self.config.confident) for s in seeds]
        flips = [_flips(s) for s in seeds]
        return Metrics(
            {
                "kept": self._share(
                    kept, shared, "no row that is answered was sure and right at first"
                ),
                "flips": self._share(flips, shared, "no row is answered by both"),
                "prior_shift": _mean([_prior_shift(s) for s in seeds]),
                "ece": _mean([self._ece(s, ctx) for s in seeds]),
                "over_supervisor": self._over_supervisor(seeds, shared=shared),
            }
        )

    def _share(self, parts: Sequence[_Part | None], shared: bool, empty: str) -> Metric:
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return Metric(None, reason=_NO_EARLIER)
        if not all(part.counts.any() for part in found):
            return Metric(None, n=0, reason=empty)
        share = mean_over_seeds(found, shared=shared, config=self.config)
        # Rows that do not count are left out on purpose: no remark on them.
        remark = RESAMPLED_APART if RESAMPLED_APART in share.reason else ""
        return Metric(share.value, share.low, share.high, share.n, remark)

    def _ece(self, seed: Observation, ctx: Context) -> Metric:
        config = CalibrationConfig(bins=self.config.bins)
        return Calibration(config).evaluate(seed.subject, seed.data, ctx).values["ece"]

    def _over_supervisor(self, seeds: Sequence[Observation], *, shared: bool) -> Metric:
        if not all("supervisor" in s.references for s in seeds):
            return Metric(None, reason="there is no supervisor to compare with")
        counts, rows = [], []
        for s in seeds:
            own, weak = (answers(x, s.data) for x in (s.subject, s.references["supervisor"]))
            both = own.given & weak.given
            rows.append(int(both.sum()))
            right = np.stack([own.right, weak.right], 1)
            counts.append(count_by_group(right, np.stack([both, both], 1), group_codes(s.data)))
        if not all(rows):
            return Metric(None, n=0, reason="no row is answered by both")
        draws = replicate(
            counts,
            shared=shared,
            replicates=self.config.replicates,
            bootstrap_seed=self.config.bootstrap_seed,
        )
        value = float(np.mean([c.values[0] - c.values[1] for c in counts]))
        return Metric(value, *percentiles(draws[:, 0] - draws[:, 1]), min(rows))


class _Part(NamedTuple):
    """A share of rows: which of those that count are part of it, and groups; all (n,)."""

    hits: BoolArray
    counts: BoolArray
    groups: IntArray


def _kept(seed: Observation, confident: float) -> _Part | None:
    if "generation_0" not in seed.references:
        return None
    now, first = (answers(x, seed.data) for x in (seed.subject, seed.references["generation_0"]))
    sure = now.given & first.given & first.right
    if first.probs.shape[1]:
        sure &= first.probs.max(1) >= confident
    return _Part(now.predicted == first.predicted, sure, group_codes(seed.data))


def _flips(seed: Observation) -> _Part | None:
    if "previous" not in seed.references:
        return None
    now, before = (answers(x, seed.data) for x in (seed.subject, seed.references["previous"]))
    both = now.given & before.given
    return _Part(now.predicted != before.predicted, both, group_codes(seed.data))


def _prior_shift(seed: Observation) -> Metric:
    if seed.data.info.kind == "generation":
        return Metric(None, reason="not defined for generated text")
    found = answers(seed.subject, seed.data)
    if not found.given.any():
        return Metric(None, n=0, reason="no row has an answer")
    shares: list[Any] = [
        np.bincount(classes[found.given], minlength=found.probs.shape[1]) / found.given.sum()
        for classes in (found.predicted, seed.data.gold)
    ]
    shift = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Metric(shift, n=int(found.given.sum()), reason=_NO_INTERVAL)


def _mean(each: Sequence[Metric]) -> Metric:
    """The mean over seeds of values that have no interval."""
    missing = next((m for m in each if m.value is None), None)
    if missing or len(each) == 1:
        return missing or each[0]
    n = min(m.n or 0 for m in each)
    return Metric(float(np.mean([m.value for m in each])), n=n, reason=_NO_INTERVAL)
