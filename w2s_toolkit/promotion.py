"""Whether the student of a round may supervise the next one: tests on rows that trained nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


class Interval(NamedTuple):
    """A mean with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Test:
    """One condition: ``low`` (or ``value``, for a metric) against the limits, which None leaves open."""

    name: str
    value: float | None
    low: float | None
    above: float | None
    below: float | None
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able mapping."""
        return asdict(self)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name} has no value"
        if self.low is not None:
            sign = "+" if (self.above or 0) < 0 else ""
            return (
                f"{self.name}: {self.value:{sign}.3f}, of which only {self.low:{sign}.3f} is sure, "
                f"not above {self.above:{sign}.3f}"
            )
        return f"{self.name} is {self.value:.3f}, not {_range(self.above, self.below)}"


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def mean_interval(values: Values, groups: Groups, confidence: float) -> Interval:
    """A mean over rows whose independent units are groups.

    The standard error is that of group sums (sandwich estimator), with one group more that differs:
    models that agree on every row of a small sample are not surely equal (after Agresti and Min
    2005, "Simple improved confidence intervals for comparing matched proportions").

    Args:
        values: (n,) 0 and 1 for an accuracy, -1, 0 and 1 for a difference of two; n > 0.
        groups: (n,) group codes.
    """
    n, mean = len(values), float(values.mean())
    totals = np.bincount(groups, weights=(values - mean) / n)[np.unique(groups)]
    number = len(totals)
    variance = number / (number - 1) * float((totals**2).sum()) if number > 1 else 1.0
    width = NormalDist().inv_cdf(0.5 + confidence / 2) * float(np.sqrt(variance + 1 / number**2))
    return Interval(mean, mean - width, mean + width)


def above_chance(
    right: Values, groups: Groups, classes: int, rule: Mapping[str, Any], name: str
) -> Test:
    """Whether an accuracy is surely above guessing. ``classes`` 0: answers are written."""
    chance = 1 / classes if classes else 0.0
    found = mean_interval(right, groups, rule["confidence"])
    limit = chance + rule["above_chance"]
    return Test(name, found.value, found.low, limit, None, found.low > limit)


def not_worse(
    right: Values, other: Values, groups: Groups, rule: Mapping[str, Any], name: str
) -> Test:
    """Whether an accuracy is surely at most ``delta`` below another one on the same rows."""
    found = mean_interval(right - other, groups, rule["confidence"])
    return Test(name, found.value, found.low, -rule["delta"], None, found.low > -rule["delta"])


def within(name: str, value: float | None, bound: Mapping[str, float | None]) -> Test:
    """Whether a metric lies within its bounds; one without a value does not."""
    low, high = bound["min"], bound["max"]
    passed = value is not None
    passed = passed and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]
    return Test(name, value, None, low, high, passed)
