"""The statistics of promotion."""

from __future__ import annotations

import numpy as np
import pytest

from w2s_toolkit.promotion import above_chance, mean_interval, not_worse, within

RULE = {"confidence": 0.95, "above_chance": 0.02, "delta": 0.02}


def _pair(n: int, first: float, second: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed).random(n)
    return (draw < first).astype(float), (draw < second).astype(float)


def test_intervals_hold_what_they_promise() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        groups = np.repeat(np.arange(100), 3)
        values = (rng.random(100)[groups] < 0.7).astype(float)  # rows of a group are alike
        found = mean_interval(values, groups, 0.95)
        held += found.low <= 0.7 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_rows_of_one_group_count_as_one() -> None:
    values = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 10)
    alone = mean_interval(values, np.arange(60), 0.95)
    together = mean_interval(values, np.repeat(np.arange(6), 10), 0.95)
    assert together.value == alone.value
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_agreement_on_few_groups_is_no_surer_for_having_many_rows() -> None:
    groups = np.repeat(np.arange(40), 50)
    same = np.ones(2000)
    assert not not_worse(same, same, groups, RULE, "accuracy").passed
    assert not_worse(same, same, np.arange(2000), RULE, "accuracy").passed


def test_an_equal_student_passes_on_many_rows_and_not_on_few() -> None:
    for n, passes in ((40, False), (2000, True)):
        right, _ = _pair(n, 0.8, 0.8)
        test = not_worse(right, right, np.arange(n), RULE, "accuracy")
        assert test.passed is passes and test.value == 0


def test_a_student_that_is_worse_by_more_than_delta_fails() -> None:
    groups = np.arange(2000)
    worse = not_worse(*_pair(2000, 0.75, 0.8), groups, RULE, "accuracy")
    better = not_worse(*_pair(2000, 0.85, 0.8), groups, RULE, "accuracy")
    assert not worse.passed and better.passed
    assert "of which only -0.0" in str(worse) and "not above -0.020" in str(worse)


@pytest.mark.parametrize(("accuracy", "passes"), [(0.5, False), (0.53, False), (0.6, True)])
def test_a_supervisor_has_to_be_surely_above_chance(accuracy: float, passes: bool) -> None:
    right = (np.arange(1000) < 1000 * accuracy).astype(float)
    assert above_chance(right, np.arange(1000), 2, RULE, "accuracy").passed is passes


@pytest.mark.parametrize(
    ("value", "low", "high", "passes"),
    [(0.5, 0.4, None, True), (0.5, None, 0.4, False), (0.5, 0.4, 0.6, True), (None, 0.0, 1.0, False)],
)  # fmt: skip
def test_metrics_are_held_within_bounds(
    value: float | None, low: float | None, high: float | None, passes: bool
) -> None:
    assert within("ece", value, {"min": low, "max": high}).passed is passes
