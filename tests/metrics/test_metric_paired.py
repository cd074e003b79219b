"""Two runs against each other: values, pairing, coverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from w2s_metrics.accuracy import Accuracy
from w2s_metrics.agreement import Agreement
from w2s_metrics.auroc import Auroc
from w2s_metrics.calibration import Calibration
from w2s_metrics.config import (
    AccuracyConfig,
    AgreementConfig,
    AurocConfig,
    CalibrationConfig,
    PgrConfig,
)
from w2s_metrics.contrast import ratio_difference_interval
from w2s_metrics.pgr import Pgr
from w2s_toolkit.contracts import Observation, PairedEvaluator
from w2s_toolkit.data import Dataset, LabelSet

FEW: dict[str, Any] = {"replicates": 1000}
ALL = [
    Accuracy(AccuracyConfig(**FEW)),
    Agreement(AgreementConfig(**FEW)),
    Auroc(AurocConfig(**FEW)),
    Calibration(CalibrationConfig(**FEW)),
    Pgr(PgrConfig(**FEW)),
]
ROLES = {"weak_floor": 0.6, "supervisor": 0.65, "strong_ceiling": 0.95}


@pytest.fixture
def seeds(make_data: Any, make_labels: Any) -> Callable[..., list[Observation]]:
    """Observations of a run over seeds whose student is right with probability ``right``."""

    def labels(data: Dataset, right: float, rng: np.random.Generator) -> LabelSet:
        hit = rng.random(len(data)) < right
        sure = rng.uniform(0.55, 0.99, len(data))
        return make_labels(data, np.where(hit, data.gold, 1 - data.gold), confidence=sure)

    def make(
        right: float, numbers: Any = (0, 1, 2), *, n: int = 300, run: int = 0, prefix: str = "e"
    ) -> list[Observation]:
        found = []
        for seed in numbers:
            rng = np.random.default_rng([run, seed])
            gold = np.random.default_rng(7).integers(0, 2, n)
            data = make_data(gold, prefix=prefix, per_group=3)
            references = {r: labels(data, p, rng) for r, p in ROLES.items()}
            found.append(Observation(seed, data, labels(data, right, rng), references))
        return found

    return make


def _values(evaluator: Any, side: list[Observation], ctx: Any) -> dict[str, float | None]:
    if len(side) == 1:
        found = evaluator.evaluate(side[0].subject, side[0].data, ctx(**side[0].references))
    else:
        found = evaluator.aggregate(side, ctx())
    return {name: m.value for name, m in found.values.items()}


@pytest.mark.parametrize("evaluator", ALL, ids=lambda e: type(e).__name__.lower())
@pytest.mark.parametrize("numbers", [((0,), (0,)), ((0, 1, 2), (2, 0, 1)), ((0, 1), (5, 6, 7))])
def test_the_difference_is_that_of_the_values_and_lies_in_its_interval(
    evaluator: Any, numbers: Any, seeds: Any, context: Any
) -> None:
    assert isinstance(evaluator, PairedEvaluator)
    first, second = seeds(0.75, numbers[0]), seeds(0.85, numbers[1], run=1)
    found = evaluator.compare(first, second, context()).values
    one, two = _values(evaluator, first, context), _values(evaluator, second, context)
    assert set(one) <= set(found)
    for name in one:
        assert found[name].value == pytest.approx(two[name] - one[name], abs=1e-12), name
        if name != "ece":
            assert found[name].low <= found[name].value <= found[name].high


@pytest.mark.parametrize("evaluator", ALL, ids=lambda e: type(e).__name__.lower())
def test_a_run_against_itself_differs_by_nothing(evaluator: Any, seeds: Any, context: Any) -> None:
    side = seeds(0.8)
    for name, metric in evaluator.compare(side, side, context()).values.items():
        assert metric.value == 0, name
        assert metric.low is None or metric.low == pytest.approx(0, abs=1e-12)
        assert metric.high is None or metric.high == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("evaluator", ALL, ids=lambda e: type(e).__name__.lower())
def test_swapping_the_runs_turns_the_sign(evaluator: Any, seeds: Any, context: Any) -> None:
    first, second = seeds(0.75), seeds(0.85, run=1)
    there = evaluator.compare(first, second, context()).values
    back = evaluator.compare(second, first, context()).values
    for name, metric in there.items():
        assert back[name].value == pytest.approx(-metric.value)
        if name != "ece":  # the replicates are others, so the ends agree but for chance
            ends = (back[name].low, back[name].high)
            assert ends == pytest.approx((-metric.high, -metric.low), abs=0.04)


@pytest.mark.parametrize("evaluator", ALL, ids=lambda e: type(e).__name__.lower())
def test_other_rows_are_not_paired(evaluator: Any, seeds: Any, context: Any) -> None:
    found = evaluator.compare(seeds(0.8), seeds(0.8, prefix="x"), context()).values
    assert [m.value for m in found.values()] == [None]
    assert "different rows" in next(iter(found.values())).reason


def test_rows_may_differ_between_seeds_that_are_paired(seeds: Any, context: Any) -> None:
    first = [*seeds(0.7, [0]), *seeds(0.7, [1], prefix="x")]
    second = [*seeds(0.8, [0], run=1), *seeds(0.8, [1], run=1, prefix="x")]
    for evaluator in ALL:
        for name, metric in evaluator.compare(first, second, context()).values.items():
            assert metric.value is not None, name
            assert name == "ece" or metric.low < metric.value < metric.high
    unpaired = [
        *second[:1],
        Observation(9, *[getattr(second[1], f) for f in ("data", "subject", "references")]),
    ]
    assert ALL[0].compare(first, unpaired, context()).values["accuracy"].value is None  # type: ignore[attr-defined]


def test_what_both_runs_share_cancels(make_data: Any, make_labels: Any, context: Any) -> None:
    """Two runs that differ on five rows of 1000: their difference is known far better than either."""
    gold = np.arange(1000) % 2
    data = make_data(gold)
    wrong = np.where(np.arange(1000) % 4 == 0, 1 - gold, gold)
    better = wrong.copy()
    better[:20] = gold[:20]
    first, second = ([Observation(0, data, make_labels(data, p))] for p in (wrong, better))
    evaluator = Accuracy(AccuracyConfig(replicates=2000))
    found = evaluator.compare(first, second, context()).values["accuracy"]
    alone = evaluator.evaluate(first[0].subject, data, context()).values["accuracy"]
    assert found.value == pytest.approx(0.005)
    assert found.low >= 0, "no row got worse"
    assert found.high - found.low < (alone.high - alone.low) / 5


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "brier"])
def test_intervals_of_one_seed_hold_the_true_difference(metric: str, make_data: Any) -> None:
    """Coverage over made-up worlds in which the difference is known."""
    evaluator: Any = {
        "accuracy": Accuracy(AccuracyConfig(replicates=400)),
        "auroc": Auroc(AurocConfig(replicates=400)),
        "brier": Calibration(CalibrationConfig(replicates=400)),
    }[metric]
    covered, worlds, rng = 0, 120, np.random.default_rng(3)
    truth = np.mean([_world(rng, 5_000, make_data, evaluator, metric)[0] for _ in range(8)])
    for _ in range(worlds):
        _, low, high = _world(rng, 150, make_data, evaluator, metric)
        covered += low <= truth <= high
    assert 0.88 <= covered / worlds <= 1.0


def _world(
    rng: np.random.Generator, n: int, make_data: Any, evaluator: Any, metric: str
) -> tuple[float, float, float]:
    gold = rng.integers(0, 2, n)
    data = make_data(gold)
    signal = (2 * gold - 1) + rng.normal(size=n)  # what both models see
    sides = []
    for noise in (1.2, 0.6):
        p = 1 / (1 + np.exp(-(signal + noise * rng.normal(size=n))))
        sides.append([Observation(0, data, LabelSet(tuple(data.ids), np.stack([1 - p, p], 1)))])
    found = evaluator.compare(*sides, None).values[metric]
    return found.value, found.low, found.high


def test_a_ratio_without_a_denominator_leaves_the_end_open() -> None:
    ones, gone = np.ones(100), np.zeros(100)
    assert ratio_difference_interval((ones, ones), (2 * ones, ones)) == (1.0, 1.0)
    half = np.where(np.arange(100) < 50, 1.0, -1.0)
    assert ratio_difference_interval((ones, ones), (ones, half)) == (0.0, None)
    assert ratio_difference_interval((ones, gone), (ones, gone)) == (None, None)
