from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.optimize import minimize

from w2s_ensembles.gate import apply_stacking, fit_stacking, gate_weights
from w2s_toolkit.errors import DataError, MissingDependencyError


def ensemble(skills, rows=400, classes=2, seed=0):
    """Members that put 0.8 on gold in a share ``skill`` of rows and on another class otherwise."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=rows)
    probs = np.full((len(skills), rows, classes), 0.2 / (classes - 1))
    for member, skill in enumerate(skills):
        right = rng.random(rows) < skill
        said = np.where(right, gold, (gold + 1) % classes)
        probs[member, np.arange(rows), said] = 0.8
    return probs, gold, np.zeros(probs.shape[:2], bool)


def loss(weights, probs, gold):
    return -np.log(np.einsum("m,mn->n", weights, probs[:, np.arange(len(gold)), gold])).mean()


def test_the_better_member_gets_the_weight():
    weights = gate_weights(*ensemble([0.95, 0.5]))
    assert weights.sum() == pytest.approx(1) and weights[0] > 0.95


def test_members_that_complement_each_other_share_it():
    probs, gold, none = ensemble([0.75, 0.75, 0.3])
    weights = gate_weights(probs, gold, none)
    assert weights[:2].min() > 0.2 and weights[2] < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_the_least_there_is(seed):
    probs, gold, none = ensemble([0.8, 0.7, 0.75, 0.5], classes=3, seed=seed)
    found = gate_weights(probs, gold, none)
    by_hand = minimize(
        lambda z: loss(np.exp(z) / np.exp(z).sum(), probs, gold), np.zeros(4), method="BFGS"
    )
    assert found.min() >= 0 and loss(found, probs, gold) <= by_hand.fun + 2e-6


def test_order_of_members_does_not_matter_to_the_gate():
    probs, gold, none = ensemble([0.8, 0.7, 0.6])
    one = gate_weights(probs, gold, none)
    np.testing.assert_allclose(gate_weights(probs[::-1], gold, none)[::-1], one, atol=1e-9)


def test_rows_on_which_someone_abstains_do_not_gate():
    probs, gold, abstain = ensemble([0.9, 0.6])
    abstain[1, 200:] = True
    probs[1, 200:] = np.nan
    np.testing.assert_allclose(
        gate_weights(probs, gold, abstain),
        gate_weights(probs[:, :200], gold[:200], abstain[:, :200]),
    )
    with pytest.raises(DataError, match="every member has an answer"):
        gate_weights(probs, gold, np.ones_like(abstain))


@pytest.mark.parametrize("classes", [2, 3])
def test_stacking_learns_that_a_member_is_always_wrong(classes):
    probs, gold, none = ensemble([0.02, 0.5], classes=classes)
    state = fit_stacking(probs, gold, none)
    fresh, truth, _ = ensemble([0.02, 0.5], classes=classes, seed=1)
    found = apply_stacking(state, fresh, none)
    assert (found.probs.argmax(1) == truth).mean() > 0.9  # no mean of members could
    np.testing.assert_allclose(found.probs.sum(1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_stacking_is_scikit_learns_and_has_no_order(classes):
    from sklearn.linear_model import LogisticRegression

    probs, gold, none = ensemble([0.8, 0.6, 0.7], classes=classes)
    found = apply_stacking(fit_stacking(probs, gold, none), probs, none).probs
    logs = np.log(probs)
    x = np.concatenate(list(logs - logs.mean(-1, keepdims=True)), axis=1)
    theirs = LogisticRegression(max_iter=1000).fit(x, gold).predict_proba(x)
    np.testing.assert_allclose(found, theirs, atol=1e-6)
    turned = apply_stacking(fit_stacking(probs[::-1], gold, none), probs[::-1], none).probs
    np.testing.assert_allclose(found, turned, atol=1e-3)


def test_a_member_that_abstains_has_no_say_in_stacking():
    probs, gold, none = ensemble([0.9, 0.7])
    state, abstain = fit_stacking(probs, gold, none), none.copy()
    abstain[1, 0], abstain[:, 1] = True, True
    probs[abstain] = np.nan
    found = apply_stacking(state, probs, abstain)
    assert found.silent.tolist()[:3] == [False, True, False]
    assert found.probs[0].argmax() == probs[0, 0].argmax() and np.all(np.isfinite(found.probs))


def test_a_class_without_rows_cannot_be_stacked():
    probs, gold, none = ensemble([0.9, 0.7], classes=3)
    some = gold != 1
    with pytest.raises(DataError, match="none of class 1"):
        fit_stacking(probs[:, some], gold[some], none[:, some])


def test_without_scikit_learn_stacking_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingDependencyError, match="scikit-learn") as caught:
        fit_stacking(*ensemble([0.9, 0.7]))
    assert "w2s-toolkit[ensembles]" in caught.value.next_step


def test_stacking_learns_only_from_rows_on_which_somebody_has_an_answer() -> None:
    draw = np.random.default_rng(3)
    gold = draw.integers(2, size=60)
    right = np.where(draw.random(60) < 0.8, gold, 1 - gold)
    probs = np.stack([np.eye(2)[right] * 0.8 + 0.1] * 2)
    silent = np.zeros((2, 60), bool)
    silent[:, 40:] = True
    found = fit_stacking(probs, gold, silent)
    assert found == fit_stacking(probs[:, :40], gold[:40], silent[:, :40])
    with pytest.raises(DataError, match="0 of 60 there is none of class 0"):
        fit_stacking(probs, gold, np.ones((2, 60), bool))
