from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from w2s_metrics.calibration import Calibration
from w2s_metrics.config import CalibrationConfig
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import LabelSet

CALIBRATION = Calibration(CalibrationConfig(replicates=2000))


def labels(data, probs, **more):
    return LabelSet(tuple(data.ids), np.asarray(probs, dtype=float), data.info.classes, **more)


def two(p):
    return np.stack([1 - np.asarray(p, dtype=float), p], 1)


def test_worked_by_hand(make_data, context):
    # Confidences 0.9 (right), 0.9 (wrong), 0.6 (right), 0.6 (right); ten bins.
    data = make_data([1, 0, 1, 0])
    subject = labels(data, two([0.9, 0.9, 0.6, 0.4]))
    found = Calibration(CalibrationConfig(bins=10)).evaluate(subject, data, context())
    # Bin of 0.9: accuracy 0.5, off by 0.4; bin of 0.6: accuracy 1, off by 0.4.
    assert found.values["ece"].value == pytest.approx(0.4)
    assert found.values["brier"].value == pytest.approx(2 * (0.01 + 0.81 + 0.16 + 0.16) / 4)
    assert found.values["nll"].value == pytest.approx(-np.log([0.9, 0.1, 0.6, 0.6]).mean())
    bins = [(round(b["low"], 1), round(b["high"], 1), b["n"]) for b in found.tables["bins"]]
    assert bins == [(0.5, 0.6, 2), (0.8, 0.9, 2)]
    assert found.tables["bins"][1]["accuracy"] == 0.5
    assert found.tables["bins"][1]["confidence"] == pytest.approx(0.9)


def test_losses_are_sklearns(make_data, context):
    rng = np.random.default_rng(0)
    gold, p = rng.integers(0, 2, 80), rng.random(80)
    data = make_data(gold)
    values = CALIBRATION.evaluate(labels(data, two(p)), data, context()).values
    assert values["brier"].value == pytest.approx(2 * brier_score_loss(gold, p))
    assert values["nll"].value == pytest.approx(log_loss(gold, p))
    assert values["nll"].low < values["nll"].value < values["nll"].high


def test_many_classes(make_data, context):
    data = make_data([0, 1, 2], classes="abc")
    probs = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    values = CALIBRATION.evaluate(labels(data, probs), data, context()).values
    assert values["brier"].value == pytest.approx(((probs - np.eye(3)) ** 2).sum(1).mean())
    assert values["nll"].value == pytest.approx(-np.log([0.6, 0.5, 0.2]).mean())


def test_calibrated_probabilities_have_a_small_error(make_data, context):
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    data = make_data(rng.random(20_000) < p)
    assert CALIBRATION.evaluate(labels(data, two(p)), data, context()).values["ece"].value < 0.02


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 31), st.booleans()), min_size=1, max_size=50),
    st.sampled_from(["equal_width", "equal_mass"]),
)
def test_bins_hold_every_row_once_and_class_swap_changes_nothing(make_rows, binning):
    # Exact binary fractions, without 0.5: a tie is counted for the first class.
    p = np.array([(2 * level + 1) / 64 for level, _ in make_rows])
    gold = np.array([int(g) for _, g in make_rows])
    found = [_bins(p, gold, binning), _bins(1 - p, 1 - gold, binning)]
    assert sum(b["n"] for b in found[0]) == len(p)
    for b in found[0]:
        assert b["low"] - 1e-12 <= b["confidence"] <= b["high"] + 1e-12
    assert [b["n"] for b in found[0]] == [b["n"] for b in found[1]]
    assert [b["accuracy"] for b in found[0]] == [b["accuracy"] for b in found[1]]


def _bins(p, gold, binning):
    from w2s_toolkit.data import Dataset, Example, TaskInfo

    rows = [Example(f"e{i}", "p", ("no", "yes"), int(k)) for i, k in enumerate(gold)]
    data = Dataset.from_examples(rows, TaskInfo("classification", ("no", "yes")))
    config = CalibrationConfig(bins=5, binning=binning)
    return Calibration(config).evaluate(labels(data, two(p)), data, None).tables["bins"]  # type: ignore[arg-type]


def test_equal_mass_bins_hold_as_many_rows(make_data, context):
    rng = np.random.default_rng(2)
    p = 0.5 + rng.random(100) / 2
    data = make_data(rng.integers(0, 2, 100))
    config = CalibrationConfig(bins=4, binning="equal_mass")
    found = Calibration(config).evaluate(labels(data, two(p)), data, context())
    assert [b["n"] for b in found.tables["bins"]] == [25, 25, 25, 25]


def test_certain_and_wrong_is_cut_off_and_said(make_data, context):
    data = make_data([0, 1])
    found = CALIBRATION.evaluate(labels(data, two([1.0, 1.0])), data, context()).values["nll"]
    assert found.value == pytest.approx(-math.log(1e-12) / 2)
    assert "1 probabilities" in found.reason


def test_abstaining_rows_are_not_scored(make_data, context):
    data = make_data([0, 1, 1])
    silent = np.array([False, False, True])
    found = CALIBRATION.evaluate(
        labels(data, two([0.2, 0.8, 0.1]), abstain=silent), data, context()
    )
    assert found.values["brier"].n == 2
    assert found.values["brier"].value == pytest.approx(2 * 0.04)
    assert sum(b["n"] for b in found.tables["bins"]) == 2


def test_no_answer_has_no_values(make_data, context):
    data = make_data([0, 1])
    silent = labels(data, two([0.5, 0.5]), abstain=np.array([True, True]))
    values = CALIBRATION.evaluate(silent, data, context()).values
    assert all(v.value is None and v.reason for v in values.values())


def test_mean_over_seeds(make_data, context):
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 2, 200)
    data = make_data(gold, per_group=2)
    seeds = [
        Observation(
            s, data, labels(data, two(np.clip(gold * 0.4 + 0.3 * rng.random(200) + 0.1, 0, 1)))
        )
        for s in range(3)
    ]
    found = CALIBRATION.aggregate(seeds, context())
    for name in ("ece", "brier", "nll"):
        each = [row[name] for row in found.tables["seeds"]]
        assert found.values[name].value == pytest.approx(np.mean(each))
    assert found.values["brier"].low < found.values["brier"].value < found.values["brier"].high
    assert {row["seed"] for row in found.tables["bins"]} == {0, 1, 2}
