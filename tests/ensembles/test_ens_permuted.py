"""Classes under other numbers give the same answers under other numbers, whatever the ensemble."""

from __future__ import annotations

import numpy as np
import pytest
from learners import SklearnMembers, blobs, make_data

from w2s_ensembles.adaboost import AdaBoost
from w2s_ensembles.bagging import Bagging
from w2s_ensembles.config import AdaBoostConfig, BaggingConfig, GradientBoostingConfig
from w2s_ensembles.gradient_boosting import GradientBoosting

ORDER = np.array([2, 0, 1])
"""The new number of each class."""

COMBINE = ("mean", "log_odds", "product", "vote", "oob", "gate", "stacking")

ENSEMBLERS = {
    **{f"bagging: {way}": Bagging(BaggingConfig(members=4, combine=way)) for way in COMBINE},
    "adaboost on drawn rows": AdaBoost(AdaBoostConfig(rounds=3, reweight="resample")),
    "adaboost": AdaBoost(AdaBoostConfig(rounds=4, cross_fit=2)),
    "adaboost by votes": AdaBoost(AdaBoostConfig(rounds=4, cross_fit=0, combine="vote")),
    "gradient boosting": GradientBoosting(GradientBoostingConfig(rounds=4, cross_fit=2)),
}


@pytest.mark.parametrize("name", ENSEMBLERS)
def test_renumbered_classes_renumber_the_labels(name, context):
    ensembler, said = ENSEMBLERS[name], []
    new_x, new_y = blobs(100, classes=3, seed=3)
    val_x, val_y = blobs(90, classes=3, seed=4)
    x, y = blobs(200, classes=3, seed=1)
    for order in (np.arange(3), ORDER):
        members = SklearnMembers(depth=2)
        val = make_data(val_x, order[val_y], name="val", classes=3)
        ref = ensembler.build(members, make_data(x, order[y], classes=3), val, context())
        assert len(ref.details["members"]) > 1
        test = make_data(new_x, order[new_y], name="test", classes=3)
        said.append(ensembler.label(ref, members, test.blind(), context()).probs)
    np.testing.assert_allclose(
        said[1][:, ORDER], said[0], atol=1e-4 if name.endswith("stacking") else 1e-9
    )
    assert np.ptp(said[0], axis=0).min() > 0.1
