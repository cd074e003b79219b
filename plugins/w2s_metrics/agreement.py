"""Agreement of a student with its supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from w2s_metrics.accuracy import accuracy, mean_over_seeds
from w2s_metrics.config import AgreementConfig
from w2s_metrics.paired import UNLIKE_ROWS, Hits, draw_two, pair_up
from w2s_metrics.scored import (
    RESAMPLED_APART,
    IntArray,
    answers,
    join_remarks,
    nothing_there,
    same_items,
)
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, Dataset, LabelSet, Metric, Metrics
from w2s_toolkit.groups import group_codes


class Agreement:
    """Share of rows where student and supervisor give the same class.

    ``agreement`` over all rows that both answer, ``agreement_weak_right`` where the supervisor is
    right and ``agreement_weak_wrong`` where it is wrong. A student that imitates its supervisor's
    errors agrees with them as much as with the rest; one that generalises agrees less where the
    supervisor is wrong. ``n`` is the number of rows of that kind.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 5.1.3.
    """

    def __init__(self, config: AgreementConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """The three values for one seed."""
        seed = Observation(0, data, subject, ctx.references)
        reason = _why_not(seed)
        if reason:
            return Metrics({"agreement": Metric(None, reason=reason)})
        return Metrics(
            {
                name: _remark(accuracy(p.agrees, p.counts, p.groups), p)
                for name, p in _parts(seed).items()
            }
        )

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Means over seeds with hierarchical bootstrap, and the table ``seeds``."""
        reason = next(filter(None, map(_why_not, seeds)), "")
        if reason:
            return Metrics({"agreement": Metric(None, reason=reason)})
        seeds, shared = same_items(seeds)
        parts = [_parts(seed) for seed in seeds]
        values, rows = {}, [_row(s.seed, p) for s, p in zip(seeds, parts, strict=True)]
        for name in parts[0]:
            each = [p[name] for p in parts]
            if all(p.counts.any() for p in each):
                triples = [(p.agrees, p.counts, p.groups) for p in each]
                metric = mean_over_seeds(triples, shared=shared, config=self.config)
                values[name] = _remark(metric, *each)
            else:
                values[name] = Metric(None, n=0, reason="a seed has no such row")
        return Metrics(values, {"seeds": rows})

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Differences of the three values, from the same resamples of both."""
        reason = next(filter(None, map(_why_not, (*first, *second))), "")
        pairs = None if reason else pair_up(first, second)
        if pairs is None:
            return Metrics({"agreement": Metric(None, reason=reason or UNLIKE_ROWS)})
        parts = [[_parts(s) for s in side] for side in (pairs.first, pairs.second)]
        values = {}
        for name in parts[0][0]:
            sides = [[_hits(p[name]) for p in side] for side in parts]
            if all(h.valid.any() for side in sides for h in side):
                values[name] = draw_two(sides, pairs, self.config).difference(0)
            else:
                values[name] = Metric(None, n=0, reason="a seed has no such row")
        return Metrics(values)


class _Part(NamedTuple):
    """Rows of one kind: whether both agree, which rows count, groups; all (n,)."""

    agrees: BoolArray
    counts: BoolArray
    groups: IntArray
    unanswered: int


def _hits(part: _Part) -> Hits:
    return Hits(part.agrees[:, None], part.counts[:, None], part.groups)


def _why_not(seed: Observation) -> str:
    missing = "" if "supervisor" in seed.references else "there is no supervisor to compare with"
    return nothing_there(seed.data) or missing


def _parts(seed: Observation) -> dict[str, _Part]:
    student = answers(seed.subject, seed.data)
    weak = answers(seed.references["supervisor"], seed.data)
    both, groups = student.given & weak.given, group_codes(seed.data)
    agrees, unanswered = student.predicted == weak.predicted, int((~both).sum())
    return {
        "agreement": _Part(agrees, both, groups, unanswered),
        "agreement_weak_right": _Part(agrees, both & weak.right, groups, unanswered),
        "agreement_weak_wrong": _Part(agrees, both & ~weak.right, groups, unanswered),
    }


def _remark(metric: Metric, *parts: _Part) -> Metric:
    """The metric with the number of unanswered rows: others are left out on purpose."""
    unanswered = max(p.unanswered for p in parts)
    reason = join_remarks(
        "" if metric.n else "there is no such row",
        f"{unanswered} rows are not answered by both" if unanswered else "",
        RESAMPLED_APART if RESAMPLED_APART in metric.reason else "",
    )
    return Metric(metric.value, metric.low, metric.high, metric.n, reason)


def _row(seed: int, parts: dict[str, _Part]) -> dict[str, Any]:
    row: dict[str, Any] = {"seed": seed}
    for name, part in parts.items():
        n = int(part.counts.sum())
        row[name] = float(part.agrees[part.counts].mean()) if n else None
        row[f"n_{name}"] = n
    return row
