from __future__ import annotations

import json

import numpy as np
import pytest

from w2s_ensembles.combine import Combined, combine
from w2s_ensembles.curve import Truth, choose, point, prefix_curve
from w2s_toolkit.errors import DataError


def at(size, accuracy, se=0.02):
    return {"size": size, "accuracy": accuracy, "accuracy_se": se, "log_loss": 1 - accuracy,
            "log_loss_se": se, "n": 100}  # fmt: skip


CURVE = [at(1, 0.70), at(2, 0.79), at(3, 0.78), at(4, 0.80), at(5, 0.80)]


@pytest.mark.parametrize("by", ["accuracy", "log_loss"])
def test_the_smallest_within_a_standard_error_of_the_best_or_the_best(by):
    assert choose(CURVE, by=by, pick="one_se") == 2
    assert choose(CURVE, by=by, pick="best") == 4


def test_without_answers_there_is_nothing_to_choose():
    nothing = {**at(1, 0.5), "accuracy": None, "log_loss": None}
    assert choose([nothing, at(2, 0.1)], pick="best") == 2
    with pytest.raises(DataError, match="cannot be chosen"):
        choose([nothing], pick="best")


def test_point_scores_the_rows_with_an_answer():
    probs = np.array([[0.8, 0.2], [0.3, 0.7], [0.5, 0.5], [0.9, 0.1]])
    silent = np.array([False, False, True, False])
    truth = Truth(np.array([0, 1, 0, 1]), np.arange(4))
    found = point(3, Combined(probs, silent), truth)
    assert (found["n"], found["accuracy"]) == (3, pytest.approx(2 / 3))
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.7, 0.1]).mean())
    assert found["accuracy_se"] == pytest.approx(np.std([1, 1, 0], ddof=1) / np.sqrt(3))
    none = point(1, Combined(probs, np.ones(4, bool)), truth)
    assert none["accuracy"] is None and json.dumps(none, allow_nan=False)


def test_copies_of_a_row_in_its_group_add_no_certainty():
    gold = np.arange(40) % 2
    probs = np.eye(2)[np.where(np.arange(40) % 4 == 0, 1 - gold, gold)] * 0.8 + 0.1
    alone = point(1, Combined(probs, np.zeros(40, bool)), Truth(gold, np.arange(40)))
    copies = np.repeat(np.arange(40), 3)
    tripled = point(1, Combined(probs[copies], np.zeros(120, bool)), Truth(gold[copies], copies))
    assert tripled["accuracy_se"] == pytest.approx(alone["accuracy_se"])
    assert tripled["log_loss_se"] == pytest.approx(alone["log_loss_se"])


def test_each_point_is_the_ensemble_of_the_first_members():
    rng = np.random.default_rng(3)
    probs, gold = rng.dirichlet(np.ones(3), size=(4, 60)), rng.integers(3, size=60)
    weights, abstain = rng.random(4), rng.random((4, 60)) < 0.3
    curve = prefix_curve("product", probs, weights, abstain, Truth(gold, np.arange(60)))
    assert [p["size"] for p in curve] == [1, 2, 3, 4]
    found = combine("product", probs[:3], weights[:3], abstain[:3])
    right = (found.probs.argmax(1) == gold)[~found.silent]
    assert curve[2]["accuracy"] == pytest.approx(right.mean()) and curve[2]["n"] == len(right)
    assert curve[0]["n"] == (~abstain[0]).sum() < curve[3]["n"]
