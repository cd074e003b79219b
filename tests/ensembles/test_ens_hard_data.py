"""Ensembles on data that are hard on them: a rare class, few and big groups, members that are certain."""

from __future__ import annotations

import numpy as np
import pytest
from learners import SklearnMembers, blobs, make_data

from w2s_ensembles.adaboost import AdaBoost
from w2s_ensembles.bagging import Bagging
from w2s_ensembles.config import AdaBoostConfig, BaggingConfig, GradientBoostingConfig
from w2s_ensembles.gradient_boosting import GradientBoosting

COMBINE = ("mean", "log_odds", "product", "vote", "oob", "gate", "stacking")

ENSEMBLERS = {
    **{f"bagging: {way}": Bagging(BaggingConfig(members=4, combine=way)) for way in COMBINE},
    "adaboost": AdaBoost(AdaBoostConfig(rounds=3)),
    "adaboost on drawn rows": AdaBoost(AdaBoostConfig(rounds=3, reweight="resample")),
    "adaboost on seen rows": AdaBoost(AdaBoostConfig(rounds=3, cross_fit=0)),
    "gradient boosting": GradientBoosting(GradientBoostingConfig(rounds=3)),
    "gradient boosting, cross-fitted": GradientBoosting(
        GradientBoostingConfig(rounds=3, cross_fit=3)
    ),
}
ensemblers = pytest.mark.parametrize("name", ENSEMBLERS)


def uneven(rows, seed, name):
    """Four classes, of which the last has a twentieth of the rows."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(4, size=rows, p=[0.7, 0.15, 0.1, 0.05])
    x = np.eye(4)[gold] + 0.4 * rng.normal(size=(rows, 4))
    return make_data(x, gold, name=name, classes=4)


def certain(asked, data, probs):
    """Probabilities of exactly 0 and 1."""
    return np.eye(probs.shape[1])[probs.argmax(1)]


@ensemblers
@pytest.mark.parametrize("distort", [None, certain])
def test_a_rare_class_and_members_without_doubts_leave_probabilities(name, distort, context):
    members, data = SklearnMembers(depth=3, distort=distort), uneven(300, 1, "train")
    ref = ENSEMBLERS[name].build(members, data, uneven(200, 2, "val"), context())
    test = uneven(200, 3, "test")
    said = ENSEMBLERS[name].label(ref, members, test.blind(), context())
    assert np.isfinite(said.probs).all() and said.probs.min() >= 0
    np.testing.assert_allclose(said.probs.sum(1), 1, atol=1e-9)
    # Better than always saying the most frequent class.
    assert (said.predicted == test.gold).mean() > (test.gold == 0).mean() + 0.05


@ensemblers
def test_rows_of_one_group_stay_together(name, context):
    """Six groups of forty rows: of each training a group has all of its rows, or none."""
    x, y = blobs(240, classes=2, seed=1, noise=0.3)
    groups = np.arange(240) // 40
    data = make_data(x, y, groups, name="train")
    val = make_data(*blobs(60, classes=2, seed=2, noise=0.3), name="val")
    members = SklearnMembers()
    ENSEMBLERS[name].build(members, data, val, context())
    for asked in members.asked:
        if asked.weights is not None and "drawn" in name:
            continue  # rows are drawn there by their weights, of the folds that are trained on
        rows = data.rows_of(asked.ids)
        assert set(np.bincount(groups[rows], minlength=6).tolist()) <= {0, 40}
