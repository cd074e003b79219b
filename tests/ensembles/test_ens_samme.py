from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from learners import SklearnMembers, blobs, features_of, make_data
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier

from w2s_ensembles.adaboost import AdaBoost
from w2s_ensembles.config import AdaBoostConfig
from w2s_ensembles.samme import (
    alpha,
    clamped,
    initial_token_weights,
    reweighted,
    reweighted_tokens,
    token_alpha,
    weighted_error,
)

ERRORS = st.floats(0.001, 0.999)
ROUNDS = 8


@pytest.fixture(params=[2, 3], ids=["two classes", "three classes"])
def both(request, context):
    """Our AdaBoost and scikit-learn's on the same stumps, and rows that neither has seen."""
    k = request.param
    x, y = blobs(200, classes=k, seed=1)
    members = SklearnMembers()
    config = AdaBoostConfig(rounds=ROUNDS, cross_fit=0, combine="vote")
    ours = AdaBoost(config)
    ref = ours.build(members, make_data(x, y, classes=k), None, context())
    stump = DecisionTreeClassifier(max_depth=1, random_state=0)
    theirs = AdaBoostClassifier(stump, n_estimators=ROUNDS, random_state=0).fit(x, y)
    new = make_data(*blobs(300, classes=k, seed=2), name="new", classes=k)
    labels = ours.label(ref, members, new.blind(), context())
    return ref.details, labels, theirs, features_of(new)


def test_errors_and_alphas_are_those_of_scikit_learn(both):
    details, _, theirs, _ = both
    assert len(theirs.estimators_) == ROUNDS
    np.testing.assert_allclose(details["errors"], theirs.estimator_errors_, rtol=1e-9)
    np.testing.assert_allclose(details["weights"], theirs.estimator_weights_, rtol=1e-9)


def test_votes_are_those_of_scikit_learn(both):
    _, labels, theirs, x = both
    assert labels.predicted.tolist() == theirs.predict(x).tolist()
    assert len(set(labels.predicted.tolist())) == theirs.n_classes_


@given(ERRORS)
@settings(deadline=None)
def test_two_classes_give_twice_the_half_logarithm(error):
    assert alpha(error, 2) == pytest.approx(2 * (0.5 * math.log((1 - error) / error)))


@given(npst.arrays(np.float64, 12, elements=st.floats(0.01, 1)), npst.arrays(np.bool_, 12))
@settings(deadline=None)
def test_two_classes_give_the_two_class_weights(weights, wrong):
    assume(0 < wrong.sum() < 12)
    weights = weights / weights.sum()
    error = weighted_error(weights, wrong, np.ones(12, bool))
    half = 0.5 * math.log((1 - error) / error)
    freund_schapire = weights * np.exp(np.where(wrong, half, -half))
    expected = freund_schapire / freund_schapire.sum()
    np.testing.assert_allclose(reweighted(weights, wrong, alpha(error, 2)), expected, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_alpha_is_positive_just_below_chance(classes):
    chance = 1 - 1 / classes
    assert alpha(chance - 1e-9, classes) > 0 > alpha(chance + 1e-9, classes)


@given(ERRORS, st.floats(0.05, 2))
@settings(deadline=None)
def test_learning_rate_scales_alpha(error, rate):
    assert alpha(error, 3, rate) == pytest.approx(rate * alpha(error, 3))


def test_an_error_of_none_or_all_is_half_a_row():
    assert (clamped(0.0, 100), clamped(1.0, 100)) == (0.005, 0.995)
    assert clamped(0.3, 100) == 0.3


def test_rows_without_an_answer_are_no_error():
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    wrong, given_ = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert weighted_error(weights, wrong, given_) == pytest.approx(0.1 / 0.4)
    assert weighted_error(weights, wrong, np.zeros(4, bool)) == 1.0


# --- tokens --------------------------------------------------------------------------------------


@given(ERRORS, st.integers(2, 100_000))
@settings(deadline=None)
def test_token_alpha_is_sammes_where_guessing_is_the_error_to_beat(error, vocabulary):
    assert token_alpha(error, 1 - 1 / vocabulary) == pytest.approx(
        alpha(error, vocabulary), rel=1e-6, abs=1e-6
    )


@given(ERRORS, ERRORS)
@settings(deadline=None)
def test_token_alpha_is_positive_where_the_model_before_is_beaten(error, before):
    assume(abs(error - before) > 1e-9)
    assert (token_alpha(error, before) > 0) == (error < before)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=2, max_size=6), ERRORS)
@settings(deadline=None)
def test_after_an_update_the_expert_is_as_bad_as_the_model_before_it(answers, before):
    wrong = [np.array(tokens) for tokens in answers]
    share = np.concatenate(wrong).mean()
    assume(0 < share < 1)
    weights = initial_token_weights([len(tokens) for tokens in wrong])
    error = float(np.concatenate(weights)[np.concatenate(wrong)].sum())
    assert error == pytest.approx(share)
    after = reweighted_tokens(weights, wrong, token_alpha(error, before))
    assert [len(w) for w in after] == [len(w) for w in wrong]
    assert np.concatenate(after).sum() == pytest.approx(1)
    assert np.concatenate(after)[np.concatenate(wrong)].sum() == pytest.approx(before)


def test_tokens_weigh_alike_at_first_whatever_the_lengths():
    assert [w.tolist() for w in initial_token_weights([1, 3])] == [[0.25], [0.25] * 3]
