"""Performance gap recovered, and what has to stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from w2s_metrics.accuracy import mean_over_seeds
from w2s_metrics.config import PgrConfig
from w2s_metrics.contrast import Contrast, Scored, contrast, ratio_difference_interval
from w2s_metrics.paired import UNLIKE_ROWS, Hits, Pairs, draw_two, pair_up
from w2s_metrics.scored import answers, nothing_there, same_items
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import Dataset, FloatArray, LabelSet, Metric, Metrics
from w2s_toolkit.groups import group_codes

_NEEDED = ("weak_floor", "strong_ceiling")
_ROLES = ("weak_floor", "supervisor", "strong_ceiling")


class Pgr:
    """PGR = (s - w) / (c - w), with s, w, c the accuracies of student, weak floor and ceiling.

    Values, all from the same resamples of test groups:

    - ``pgr``: None where c - w < max(0.01, two standard errors of the paired difference); never
      clipped, so a student below its floor has a negative one.
    - ``gain`` (s - w) and ``gap`` (c - w).
    - ``weak_floor``, ``student``, ``strong_ceiling``: w, s and c, on the rows all three answer.
    - ``pgr_assisted``, ``gain_assisted`` and ``supervisor``: the same against the supervisor that
      was really used, where its answers are not those of the floor.

    Several seeds: the ratio of the mean scores, guarded as one, with the hierarchical bootstrap of
    :mod:`w2s_metrics.bootstrap`; the table ``seeds`` lists every seed by itself.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 3.
    """

    def __init__(self, config: PgrConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """All values for one seed."""
        return self._measure([Observation(0, data, subject, ctx.references)])

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """All values over seeds, and the table ``seeds``."""
        rows = [_row(seed.seed, self._measure([seed])) for seed in seeds]
        return Metrics(self._measure(seeds).values, {"seeds": rows})

    def _measure(self, seeds: Sequence[Observation]) -> Metrics:
        reason = next(filter(None, (nothing_there(s.data) for s in seeds)), "")
        if reason:
            return Metrics({"pgr": Metric(None, reason=reason)})
        seeds, shared = same_items(seeds)
        scored = [_scored(s) for s in seeds]
        roles = [r for r in _ROLES if all(r in s.roles for s in scored)]
        values: dict[str, Metric] = {"pgr": Metric(None, reason=_absent(roles))}
        if all(role in roles for role in _NEEDED):
            found = self._contrast(scored, "weak_floor", shared)
            values = {"pgr": found.pgr, "gain": found.gain, "gap": found.gap}
            values |= self._levels(scored, ("weak_floor", "student", "strong_ceiling"), shared)
        if "supervisor" in roles and "strong_ceiling" in roles and _differs(scored):
            found = self._contrast(scored, "supervisor", shared)
            values |= {"pgr_assisted": found.pgr, "gain_assisted": found.gain}
            values |= self._levels(scored, ("supervisor",), shared)
        return Metrics(values)

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Differences of all values that both have, from the same resamples of both."""
        reason = next(filter(None, (nothing_there(s.data) for s in (*first, *second))), "")
        pairs = None if reason else pair_up(first, second)
        if pairs is None:
            return Metrics({"pgr": Metric(None, reason=reason or UNLIKE_ROWS)})
        sides = [[_scored(s) for s in side] for side in (pairs.first, pairs.second)]
        roles = [r for r in _ROLES if all(r in s.roles for side in sides for s in side)]
        values: dict[str, Metric] = {}
        if all(role in roles for role in _NEEDED):
            values |= self._compared(sides, "weak_floor", pairs, ("pgr", "gain", "gap"))
        if "supervisor" in roles and "strong_ceiling" in roles:
            names = ("pgr_assisted", "gain_assisted", "")
            values |= self._compared(sides, "supervisor", pairs, names)
        return Metrics(values or {"pgr": Metric(None, reason=_absent(roles))})

    def _compared(
        self,
        sides: Sequence[Sequence[Scored]],
        floor: str,
        pairs: Pairs,
        names: tuple[str, str, str],
    ) -> dict[str, Metric]:
        """Differences of PGR, gain and gap under ``names``, and of the roles' accuracies."""
        roles = (floor, "student", "strong_ceiling")
        hits = [[_hits(s, roles) for s in side] for side in sides]
        if not all(h.valid.any() for side in hits for h in side):
            return {}
        found = draw_two(hits, pairs, self.config)
        (w, s, c), draws = (found.second - found.first).tolist(), found.second_draws
        moved = draws - found.first_draws
        values = {
            names[1]: found.metric(s - w, moved[:, 1] - moved[:, 0]),
            names[2]: found.metric(c - w, moved[:, 2] - moved[:, 0]),
        }
        each = [self._contrast(side, floor, pairs.shared).pgr for side in sides]
        absent = next((m for m in each if m.value is None), None)
        if absent is None:
            ends = ratio_difference_interval(_parts(found.first_draws), _parts(draws))
            value = (each[1].value or 0.0) - (each[0].value or 0.0)
            values[names[0]] = Metric(value, *ends, found.n)
        else:
            values[names[0]] = absent
        levels = {role: found.difference(column) for column, role in enumerate(roles)}
        if floor == "supervisor":
            alone = [[_hits(s, (floor,)) for s in side] for side in sides]
            levels = {floor: draw_two(alone, pairs, self.config).difference(0)}
        return {name: metric for name, metric in (values | levels).items() if name}

    def _contrast(self, scored: Sequence[Scored], floor: str, shared: bool) -> Contrast:
        return contrast(scored, floor, shared=shared, config=self.config)

    def _levels(
        self, scored: Sequence[Scored], roles: tuple[str, ...], shared: bool
    ) -> dict[str, Metric]:
        levels = {}
        for role in roles:
            seeds = [(s.roles[role].right, s.common(*roles), s.groups) for s in scored]
            if all(given.any() for _, given, _ in seeds):
                levels[role] = mean_over_seeds(seeds, shared=shared, config=self.config)
            else:
                levels[role] = Metric(None, n=0, reason="no row has an answer")
        return levels


def _hits(seed: Scored, roles: tuple[str, ...]) -> Hits:
    """Accuracies of the roles on the rows that all of them answer."""
    right = np.stack([seed.roles[r].right for r in roles], 1)
    return Hits(right, np.repeat(seed.common(*roles)[:, None], len(roles), 1), seed.groups)


def _parts(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Numerator and denominator of PGR from replicates (R, 3) of floor, student and ceiling."""
    return draws[:, 1] - draws[:, 0], draws[:, 2] - draws[:, 0]


def _scored(seed: Observation) -> Scored:
    roles = {r: answers(seed.references[r], seed.data) for r in _ROLES if r in seed.references}
    roles["student"] = answers(seed.subject, seed.data)
    return Scored(seed.seed, roles, group_codes(seed.data))


def _absent(roles: Sequence[str]) -> str:
    missing = [role for role in _NEEDED if role not in roles]
    return f"no {' and no '.join(missing)}: name it in baselines" if missing else ""


def _differs(scored: Sequence[Scored]) -> bool:
    """Whether the supervisor answers anything differently from the floor, if there is a floor."""
    for s in scored:
        floor, used = s.roles.get("weak_floor"), s.roles["supervisor"]
        if floor is None or not np.array_equal(floor.given, used.given):
            return True
        # Written answers have no probabilities, but a number that equal ones share.
        for one in ("predicted", "probs"):
            if not np.array_equal(getattr(floor, one)[floor.given], getattr(used, one)[used.given]):
                return True
    return False


def _row(seed: int, found: Metrics) -> dict[str, Any]:
    pgr = found.values["pgr"]
    row: dict[str, Any] = {"seed": seed, "pgr": pgr.value, "low": pgr.low, "high": pgr.high}
    for name, metric in found.values.items():
        row.setdefault(name, metric.value)
    return {**row, "n": pgr.n, "reason": pgr.reason}
