"""Calibration, filters and noise, against what they are known to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.testing import tiny_context

pytest.importorskip("sklearn")
from w2s_refiners import calibration
from w2s_refiners.calibrate import Calibrate
from w2s_refiners.confidence_filter import ConfidenceFilter
from w2s_refiners.config import CalibrateConfig, ConfidenceFilterConfig, LabelNoiseConfig
from w2s_refiners.label_noise import LabelNoise


def _overconfident(n: int, classes: int, hot: float, seed: int = 0) -> tuple[Any, Any]:
    """Probabilities that are too sure by the factor ``hot``, and gold drawn from the true ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes))
    true = calibration.softmax(logits)
    gold = np.array([rng.choice(classes, p=row) for row in true])
    return calibration.softmax(hot * logits), gold


def _data(gold: Any, classes: int) -> Dataset:
    names = tuple(f"c{k}" for k in range(classes))
    rows = [Example(f"id{i:05d}", f"text {i}", names, int(y)) for i, y in enumerate(gold)]
    return Dataset.from_examples(rows, TaskInfo("classification", names), "val")


def _ece(probs: Any, gold: Any) -> float:
    sure, right = probs.max(1), probs.argmax(1) == gold
    bins = np.digitize(sure, np.linspace(0, 1, 11))
    return float(sum(abs((sure - right)[bins == b].sum()) for b in set(bins)) / len(gold))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("hot", [3.0, 0.4])
def test_temperature_is_found_again_and_moves_no_class(classes: int, hot: float) -> None:
    probs, gold = _overconfident(6000, classes, hot)
    state, reason = calibration.fit("temperature", probs, gold, np.ones(6000, bool))
    assert not reason and state["temperature"] == pytest.approx(hot, rel=0.1)
    assert (calibration.apply(state, probs).argmax(1) == probs.argmax(1)).all()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_every_method_mends_labels_that_are_too_sure(method: Any, classes: int) -> None:
    probs, gold = _overconfident(4000, classes, 4.0)
    data = _data(gold, classes)
    context = tiny_context(Path("context"))
    labels = LabelSet(data.ids, probs, data.info.classes)
    refiner = Calibrate(CalibrateConfig(method=method))
    state = refiner.fit(data, labels, context)
    fresh, fresh_gold = _overconfident(4000, classes, 4.0, seed=1)
    pool = _data(fresh_gold, classes)
    after = refiner.refine(
        state, pool.blind(), LabelSet(pool.ids, fresh, data.info.classes), context
    )
    assert _ece(after.probs, fresh_gold) < 0.04 < 0.15 < _ece(fresh, fresh_gold)


def test_platt_takes_a_bias_away() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(size=4000)
    gold = (rng.random(4000) < 1 / (1 + np.exp(-2 * logit))).astype(int)
    biased = calibration.softmax(np.stack([np.zeros(4000), logit + 1.5], 1))
    state, _ = calibration.fit("platt", biased, gold, np.ones(4000, bool))
    mended = calibration.apply(state, biased)
    assert abs((mended.argmax(1) == 1).mean() - 0.5) < 0.03 < (biased.argmax(1) == 1).mean() - 0.5


def test_a_class_that_gold_does_not_hold_stays_possible() -> None:
    probs, gold = _overconfident(300, 3, 1.0)
    for method in ("platt", "isotonic"):
        state, _ = calibration.fit(method, probs, np.minimum(gold, 1), np.ones(300, bool))
        after = calibration.apply(state, probs)
        assert np.isfinite(after).all() and (after > 0).all() and after[:, 2].max() < 0.2


@pytest.mark.parametrize("gold", [[1, 1, 1], []])
def test_labels_stay_as_they_are_where_nothing_can_be_fitted(gold: list[int]) -> None:
    data, context = _data(gold, 2), tiny_context(Path("context"))
    labels = LabelSet(data.ids, np.full((len(gold), 2), 0.5), data.info.classes)
    state = Calibrate(CalibrateConfig()).fit(data, labels, context)
    assert state == {"method": "none"}
    assert context.warnings[0]["code"] == "not_calibrated"


def test_the_surest_labels_are_kept_of_each_class() -> None:
    sure = np.linspace(0.51, 1, 40)
    probs = np.stack([sure, 1 - sure], 1)
    probs[::4] = probs[::4, ::-1]
    data = _data([0] * 40, 2).blind()
    labels = LabelSet(data.ids, probs, data.info.classes)
    refined = ConfidenceFilter(ConfidenceFilterConfig(keep=0.5)).refine(
        {}, data, labels, tiny_context(Path("context"))
    )
    kept = ~refined.abstain
    assert kept.sum() == 20 and kept[::4].sum() == 5, "a quarter before and after"
    for of_class in (np.arange(40) % 4 == 0, np.arange(40) % 4 > 0):
        assert sure[of_class & kept].min() >= sure[of_class & ~kept].max()
    least = ConfidenceFilter(ConfidenceFilterConfig(least=0.8)).refine(
        {}, data, labels, tiny_context(Path("context2"))
    )
    assert ((~least.abstain) == (sure >= 0.8)).all()
    context = tiny_context(Path("context3"))
    nothing = ConfidenceFilter(ConfidenceFilterConfig(least=1)).refine(
        {}, data, LabelSet(data.ids, np.full((40, 2), 0.5), data.info.classes), context
    )
    assert nothing.abstain.all() and "the surest is at 0.500" in context.warnings[0]["message"]


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_noise_changes_its_share_of_the_classes_and_no_confidence(
    rate: float, classes: int
) -> None:
    probs, gold = _overconfident(3000, classes, 2.0)
    data = _data(gold, classes).blind()
    labels = LabelSet(data.ids, probs, data.info.classes)
    noisy = LabelNoise(LabelNoiseConfig(rate=rate)).refine(
        {}, data, labels, tiny_context(Path("context"))
    )
    changed = (noisy.predicted != labels.predicted).mean()
    assert changed == pytest.approx(rate, abs=0.03)
    assert np.allclose(np.sort(noisy.probs, 1), np.sort(probs, 1))
