"""Calibration: whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from w2s_metrics.config import CalibrationConfig
from w2s_metrics.intervals import mean
from w2s_metrics.paired import UNLIKE_ROWS, pair_up
from w2s_metrics.scored import (
    RESAMPLED_APART,
    Answers,
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

SMALLEST = 1e-12
"""Probabilities of the gold class are raised to this before their logarithm is taken."""

_UNBOUNDED_BY_DESIGN = "no interval: resampling inflates a calibration error"


class Calibration:
    """Expected calibration error, Brier score, log-loss and the reliability bins.

    - ``ece``: mean over rows of |accuracy - confidence| of the row's bin, confidence being the
      largest probability (Guo et al. 2017, arXiv 1706.04599). Bins hold (low, high]; with two
      classes those below 0.5 are empty. No interval, since resampled data look less calibrated
      than the data are.
    - ``brier``: mean of the squared distance between the probabilities and the one-hot gold label,
      summed over the K classes, from 0 to 2 (Brier 1950); for two classes it is twice the squared
      error of one class's probability.
    - ``nll``: mean negative natural logarithm of the gold class's probability.

    The table ``bins`` has one row a bin that is not empty: ``low``, ``high``, ``confidence``,
    ``accuracy``, ``n``.
    """

    def __init__(self, config: CalibrationConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """All values on the rows of ``data`` that ``subject`` answers, and the table ``bins``."""
        reason = why_not(data)
        found = None if reason else answers(subject, data)
        if found is None or not found.given.any():
            nothing = Metric(None, n=0, reason=reason or "no row has an answer")
            return Metrics({"ece": nothing, "brier": nothing, "nll": nothing})
        given, gold = found.given, data.gold[found.given]
        groups, n = group_codes(data)[given], int(given.sum())
        bins = self._bins(found)
        error = sum(b["n"] / n * abs(b["accuracy"] - b["confidence"]) for b in bins)
        brier, nll, cut = losses(found.probs[given], gold)
        remark = abstained(given)
        clipped = f"{cut} probabilities of gold were raised to {SMALLEST:g}" if cut else ""
        return Metrics(
            {
                "ece": Metric(error, n=n, reason=join_remarks(_UNBOUNDED_BY_DESIGN, remark)),
                "brier": Metric(*mean(brier, groups, floor=0.0), n, remark),
                "nll": Metric(*mean(nll, groups, floor=0.0), n, join_remarks(clipped, remark)),
            },
            {"bins": bins},
        )

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Means over seeds, the table ``seeds``, and ``bins`` with a column ``seed``."""
        each = [self.evaluate(s.subject, s.data, ctx) for s in seeds]
        rows = [
            {
                "seed": s.seed,
                **{name: m.value for name, m in e.values.items()},
                "n": e.values["ece"].n,
            }
            for s, e in zip(seeds, each, strict=True)
        ]
        bins = [
            {"seed": s.seed, **row}
            for s, e in zip(seeds, each, strict=True)
            for row in e.tables.get("bins", ())
        ]
        tables = {"seeds": rows, "bins": bins}
        missing = next((e for e in each if e.values["ece"].value is None), None)
        if missing or len(seeds) == 1:
            return Metrics((missing or each[0]).values, tables)
        n = min(e.values["ece"].n or 0 for e in each)
        error = sum(e.values["ece"].value or 0.0 for e in each) / len(each)
        ece = Metric(error, n=n, reason=_UNBOUNDED_BY_DESIGN)
        return Metrics({"ece": ece, **self._mean_losses(seeds, n)}, tables)

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Differences of the means; of Brier score and log-loss with intervals."""
        pairs = pair_up(first, second)
        if pairs is None:
            return Metrics({"ece": Metric(None, reason=UNLIKE_ROWS)})
        sides = (pairs.first, pairs.second)
        each = [[self.evaluate(s.subject, s.data, ctx).values for s in side] for side in sides]
        everything = [*each[0], *each[1]]
        missing = next((v for v in everything if v["ece"].value is None), None)
        if missing:
            return Metrics(missing)
        n = min(v["ece"].n or 0 for v in everything)
        errors = [np.mean([v["ece"].value for v in side]) for side in each]
        values = {"ece": Metric(float(errors[1] - errors[0]), n=n, reason=_UNBOUNDED_BY_DESIGN)}
        influences = [_losses(side) for side in sides]
        for name in influences[0]:
            found = difference(
                [side[name] for side in influences],
                paired=pairs.paired,
                shared=pairs.shared,
                config=self.config,
            )
            values[name] = Metric(*found, n)
        return Metrics(values)

    def _mean_losses(self, seeds: Sequence[Observation], n: int) -> dict[str, Metric]:
        seeds, shared = same_items(seeds)
        influences = _losses(seeds)
        remarks = [abstained(answers(s.subject, s.data).given) for s in seeds]
        remark = join_remarks(*remarks, "" if shared else RESAMPLED_APART)
        bounds = (0.0, float("inf"))
        return {
            name: Metric(
                *mean_over_seeds(rows, shared=shared, config=self.config, bounds=bounds), n, remark
            )
            for name, rows in influences.items()
        }

    def _bins(self, found: Answers) -> list[dict[str, Any]]:
        confidence = found.probs[found.given].max(1)
        right = found.right[found.given]
        edges = _edges(confidence, self.config)
        index = np.searchsorted(edges[1:-1], confidence, side="left")
        return [
            {
                "low": float(edges[b]),
                "high": float(edges[b + 1]),
                "confidence": float(confidence[index == b].mean()),
                "accuracy": float(right[index == b].mean()),
                "n": int((index == b).sum()),
            }
            for b in np.unique(index)
        ]


def _losses(seeds: Sequence[Observation]) -> dict[str, list[Influence]]:
    """Brier score and log-loss of every seed."""
    influences: dict[str, list[Influence]] = {"brier": [], "nll": []}
    for s in seeds:
        found = answers(s.subject, s.data)
        brier, nll, _ = losses(found.probs[found.given], s.data.gold[found.given])
        groups = group_codes(s.data)
        influences["brier"].append(_influence(brier, found.given, groups))
        influences["nll"].append(_influence(nll, found.given, groups))
    return influences


def losses(probs: FloatArray, gold: IntArray) -> tuple[FloatArray, FloatArray, int]:
    """Brier score (n,) and negative log-likelihood (n,) of each row, and how many were cut off."""
    rows = np.arange(len(gold))
    of_gold = probs[rows, gold]
    brier = (probs**2).sum(1) - of_gold**2 + (1 - of_gold) ** 2
    cut = int((of_gold < SMALLEST).sum())
    return brier, -np.log(np.maximum(of_gold, SMALLEST)), cut


def _edges(confidence: FloatArray, config: CalibrationConfig) -> FloatArray:
    """Bin edges from 0 to 1. Equal-mass bins keep tied rows together, so there may be fewer."""
    even = np.linspace(0.0, 1.0, config.bins + 1)
    if config.binning == "equal_width":
        return even
    inner = np.unique(np.quantile(confidence, even[1:-1], method="inverted_cdf"))
    return np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])


def _influence(losses_: FloatArray, given: BoolArray, groups: IntArray) -> Influence:
    rows = np.zeros(len(given))
    value = float(losses_.mean())
    rows[given] = (losses_ - value) / len(losses_)
    return Influence(value, rows, groups)
