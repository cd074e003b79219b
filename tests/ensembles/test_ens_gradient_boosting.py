from __future__ import annotations

import numpy as np
import pytest
from learners import SklearnMembers, blobs, features_of, make_data
from sklearn.tree import DecisionTreeRegressor

from w2s_ensembles.config import GradientBoostingConfig
from w2s_ensembles.gradient_boosting import GradientBoosting, log_prior
from w2s_ensembles.logits import centred_log, softmax
from w2s_toolkit.data import ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.testing import tiny_dataset
from w2s_toolkit.testing.members import TinyMembers, patiently


@pytest.fixture
def train():
    return make_data(*blobs(240, classes=3, seed=1), np.arange(240) // 2, name="train", classes=3)


@pytest.fixture
def val():
    return make_data(*blobs(300, classes=3, seed=2), name="val", classes=3)


def boosting(**config):
    return GradientBoosting(GradientBoostingConfig(**config))


def log_loss(probs, gold):
    return -np.log(probs[np.arange(len(gold)), gold]).mean()


def by_hand(train, new, rounds, rate, depth):
    """Friedman's loop on regression trees, without members, references and logarithms."""
    x, y = features_of(train), np.eye(3)[train.gold]
    scores, told = (np.tile(np.log(y.mean(0)), (n, 1)) for n in (len(y), len(new)))
    for _ in range(rounds):
        odds = np.exp(scores)
        residual = y - odds / odds.sum(1, keepdims=True)
        tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(x, residual)
        scores = scores + rate * tree.predict(x)
        told = told + rate * tree.predict(features_of(new))
    odds = np.exp(told)
    return odds / odds.sum(1, keepdims=True)


@pytest.mark.parametrize("depth", [1, 2])
def test_labels_are_those_of_friedmans_loop(depth, train, val, context):
    members, ensembler = SklearnMembers(depth), boosting(rounds=6, learning_rate=0.8)
    ref = ensembler.build(members, train, None, context())
    labels = ensembler.label(ref, members, val.blind(), context())
    expected = by_hand(train, val, 6, 0.8, depth)
    np.testing.assert_allclose(labels.probs, expected, atol=1e-9)


@pytest.mark.parametrize("cross_fit", [0, 3])
def test_every_round_lowers_the_log_loss(cross_fit, train, val, context):
    members, ensembler = SklearnMembers(), boosting(rounds=6, cross_fit=cross_fit, stop="val")
    ref = ensembler.build(members, train, val, context())
    losses = ref.details["train_log_loss"]
    assert len(losses) == 6 and losses[0] == pytest.approx(log_loss(
        np.tile(softmax(np.array(ref.details["prior"])), (240, 1)), train.gold))  # fmt: skip
    assert np.all(np.diff(losses) < 0) and losses[-1] < losses[0] - 0.2
    of_val = [p["log_loss"] for p in ref.details["curve"]]
    assert of_val[-1] < of_val[0] - 0.05 and of_val[0] < log_loss(
        np.full((300, 3), 1 / 3), val.gold
    )


def test_members_that_can_learn_anything_approach_the_labels(train, context):
    members, ensembler = SklearnMembers(depth=None), boosting(rounds=60)
    ref = ensembler.build(members, train, None, context())
    probs = ensembler.label(ref, members, train.blind(), context()).probs
    assert probs[np.arange(240), train.gold].min() > 0.95


def test_members_regress_on_what_is_left(train, context):
    members = SklearnMembers(depth=None)
    ref = boosting(rounds=3, learning_rate=0.5).build(members, train, None, context())
    y, scores = np.eye(3)[train.gold], np.tile(ref.details["prior"], (240, 1))
    for asked in members.asked:
        np.testing.assert_allclose(asked.target, y - softmax(scores), atol=1e-9)
        np.testing.assert_allclose(asked.target.sum(1), 0, atol=1e-12)
        assert asked.weights is None and set(asked.variation) == {"supervisor"}
        scores = scores + 0.5 * asked.target  # a tree without a bound repeats its targets


def test_helpers_leave_later_members_what_cannot_be_told_of_new_rows(train, context):
    members = SklearnMembers(depth=None)
    boosting(rounds=2, cross_fit=3).build(members, train, None, context())
    first, second = (a for a in members.asked if a.index < 1000)
    memorised = np.abs(np.eye(3)[train.gold] - softmax(first.target + log_prior(train.gold, 3)))
    assert np.abs(second.target).max() > memorised.max() + 0.1


def test_helpers_of_the_last_round_are_not_trained(train, context):
    members = SklearnMembers()
    boosting(rounds=3, cross_fit=4).build(members, train, None, context())
    assert len(members.asked) == 3 + 2 * 4


def test_growing_keeps_the_rounds_there_are(train, context):
    few, many = SklearnMembers(), SklearnMembers()
    boosting(rounds=3, cross_fit=3).build(few, train, None, context())
    boosting(rounds=6, cross_fit=3).build(many, train, None, context())
    assert {a.key for a in few.asked} <= {a.key for a in many.asked}
    assert len({a.index for a in many.asked}) == len(many.asked) == 6 + 5 * 3


def test_members_are_trained_side_by_side_in_the_end(context):
    train, val = tiny_dataset(80, name="train"), tiny_dataset(40, name="val")
    members, ensembler = TinyMembers(waits=True), boosting(rounds=4, cross_fit=3, stop="val")
    patiently(members, lambda: ensembler.build(members, train, val, context()))
    assert members.rounds - 1 == 3 + 1


def test_the_number_of_rounds_is_chosen_by_log_loss_on_validation_data(train, val, context):
    def harm(asked, data, probs):
        return probs[:, ::-1] if asked.index >= 2 and data.name == "val" else probs

    members = SklearnMembers(depth=3, distort=harm)
    ensembler = boosting(rounds=6, stop="val", pick="best")
    ref = ensembler.build(members, train, val, context())
    losses = [p["log_loss"] for p in ref.details["curve"]]
    assert ref.details["size"] == 1 + int(np.argmin(losses)) < 6
    labels = ensembler.label(ref, members, val.blind(), context())
    assert log_loss(labels.probs, val.gold) == pytest.approx(min(losses))


def test_a_member_that_abstains_adds_nothing(train, val, context):
    def silent(asked, data, probs):
        rows = np.arange(len(data))
        abstain = (rows < 5) | ((rows < 10) & (asked.index == 1))
        return np.where(abstain[:, None], np.nan, probs), abstain

    members, ensembler = SklearnMembers(distort=silent), boosting(rounds=2)
    ref = ensembler.build(members, train, None, context())
    labels = ensembler.label(ref, members, val.blind(), context())
    assert labels.abstain.tolist() == [True] * 5 + [False] * 295
    first = ModelRef.from_json(ref.details["members"][0])
    step = centred_log(members.predict(first, val).probs[5:10])
    np.testing.assert_allclose(labels.probs[5:10], softmax(np.array(ref.details["prior"]) + step))


def test_a_class_without_rows_has_a_prior_all_the_same():
    prior = np.exp(log_prior(np.array([0, 0, 1, 0]), 3))
    assert prior.sum() == pytest.approx(1) and prior.argsort().tolist() == [2, 1, 0]
    np.testing.assert_allclose(np.exp(log_prior(np.array([0, 1, 1, 1]), 2)), [0.25, 0.75])


def test_without_validation_data_nothing_is_trained(train, context):
    members = SklearnMembers()
    with pytest.raises(DataError, match="stop: val"):
        boosting(stop="val").build(members, train, None, context())
    assert not members.asked
