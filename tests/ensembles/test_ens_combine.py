from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from w2s_ensembles.combine import combine
from w2s_ensembles.logits import EPSILON

RULES = ("mean", "log_odds", "product", "vote")
rules = pytest.mark.parametrize("rule", RULES)


@st.composite
def ensembles(draw):
    """Probabilities (m, n, K), weights (m,), abstentions (m, n)."""
    m, n, k = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    counts = draw(npst.arrays(np.float64, (m, n, k), elements=st.integers(0, 8).map(float)))
    probs = (counts + 1e-3) / (counts + 1e-3).sum(-1, keepdims=True)
    weights = draw(npst.arrays(np.float64, m, elements=st.floats(0, 5)))
    return probs, weights, draw(npst.arrays(np.bool_, (m, n)))


@rules
@given(ensembles(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_members_does_not_matter(rule, ensemble, random):
    probs, weights, abstain = ensemble
    order = random.sample(range(len(probs)), len(probs))
    one = combine(rule, probs, weights, abstain)
    other = combine(rule, probs[order], weights[order], abstain[order])
    np.testing.assert_allclose(one.probs, other.probs, atol=1e-9)
    assert one.silent.tolist() == other.silent.tolist()


@rules
@given(ensembles(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_classes_that_change_places_do_so_in_the_result(rule, ensemble, random):
    probs, weights, abstain = ensemble
    order = random.sample(range(probs.shape[2]), probs.shape[2])
    one = combine(rule, probs, weights, abstain).probs[:, order]
    np.testing.assert_allclose(
        one, combine(rule, probs[:, :, order], weights, abstain).probs, atol=1e-9
    )


@rules
@given(ensembles())
@settings(deadline=None)
def test_results_are_probabilities(rule, ensemble):
    found = combine(rule, *ensemble)
    assert found.probs.min() >= 0
    np.testing.assert_allclose(found.probs.sum(1), 1, atol=1e-9)


@rules
def test_what_float32_rounds_off_is_made_up_for(rule):
    rng = np.random.default_rng(0)
    rough = rng.dirichlet(np.ones(5), size=(3, 400)).astype(np.float32).astype(np.float64)
    rough[:, :50] = np.eye(5)[rng.integers(5, size=(3, 50))]  # some are certain
    found = combine(rule, rough * (1 + 1e-6)).probs
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)


@rules
@given(ensembles())
@settings(deadline=None)
def test_a_weight_of_two_is_the_member_twice(rule, ensemble):
    probs, _, abstain = ensemble
    weights = np.ones(len(probs))
    weights[0] = 2
    twice = [0, *range(len(probs))]
    np.testing.assert_allclose(
        combine(rule, probs, weights, abstain).probs,
        combine(rule, probs[twice], None, abstain[twice]).probs,
        atol=1e-9,
    )


@rules
def test_members_that_abstain_change_nothing_whatever_they_hold(rule):
    probs = np.array([[[0.7, 0.3]], [[np.nan, np.inf]], [[0.4, 0.6]]])
    abstain = np.array([[False], [True], [False]])
    found = combine(rule, probs, np.array([1.0, 9.0, 2.0]), abstain)
    expected = combine(rule, probs[[0, 2]], np.array([1.0, 2.0]))
    np.testing.assert_allclose(found.probs, expected.probs)
    assert not found.silent[0]


@rules
def test_a_row_without_a_say_is_silent(rule):
    probs = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.8, 0.2], [0.8, 0.2]]])
    abstain = np.array([[True, False], [False, False]])
    found = combine(rule, probs, np.array([1.0, 0.0]), abstain)
    assert found.silent.tolist() == [True, False]
    assert found.probs[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_a_member_alone_is_itself(rule):
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=(1, 6))
    np.testing.assert_allclose(combine(rule, probs).probs, probs[0], atol=1e-9)


def test_values():
    probs = np.array([[[0.9, 0.1]], [[0.6, 0.4]]])
    assert combine("mean", probs).probs[0, 0] == pytest.approx(0.75)
    odds = np.sqrt(9 * 1.5)  # the geometric mean of the odds
    assert combine("log_odds", probs).probs[0, 0] == pytest.approx(odds / (1 + odds))
    parts = np.sqrt([0.9 * 0.6, 0.1 * 0.4])
    assert combine("product", probs).probs[0].tolist() == pytest.approx(
        (parts / parts.sum()).tolist()
    )
    assert combine("vote", probs).probs[0].tolist() == [1.0, 0.0]


def test_log_odds_and_product_differ_for_three_classes():
    probs = np.array([[[0.8, 0.1, 0.1]], [[0.2, 0.7, 0.1]]])
    assert not np.allclose(combine("log_odds", probs).probs, combine("product", probs).probs)
    odds = np.sqrt([4 * 0.25, (1 / 9) * (7 / 3), (1 / 9) ** 2])
    expected = odds / (1 + odds)
    np.testing.assert_allclose(combine("log_odds", probs).probs[0], expected / expected.sum())


def test_ties_are_shared_among_the_tied():
    probs = np.array([[[0.4, 0.4, 0.2]], [[0.1, 0.1, 0.8]]])
    assert combine("vote", probs).probs[0].tolist() == [0.25, 0.25, 0.5]


@pytest.mark.parametrize("rule", ["log_odds", "product"])
def test_nobody_has_a_veto(rule):
    certain = np.array([[1.0, 0.0]])
    probs = np.stack([certain, *[1 - certain] * 2])
    found = combine(rule, probs).probs[0]
    assert np.all(np.isfinite(found)) and found.argmax() == 1


def test_certainty_counts_up_to_the_stated_bound():
    probs = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    odds = np.sqrt((1 - EPSILON) / EPSILON)
    assert combine("log_odds", probs).probs[0, 0] == pytest.approx(odds / (1 + odds), rel=1e-9)
    assert combine("product", probs).probs[0, 1] == pytest.approx(
        np.sqrt(EPSILON) / (1 + np.sqrt(EPSILON)), rel=1e-9
    )
