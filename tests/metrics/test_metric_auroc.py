from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from w2s_metrics.auroc import Auroc, area
from w2s_metrics.config import AurocConfig
from w2s_metrics.intervals import wilson
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo

AUROC = Auroc(AurocConfig(replicates=2000))


def auroc_of(probs, data, context, **more):
    subject = LabelSet(tuple(data.ids), np.asarray(probs), data.info.classes, **more)
    return AUROC.evaluate(subject, data, context()).values["auroc"]


def two(p):
    return np.stack([1 - np.asarray(p), p], 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_area_is_sklearns_ties_included(rows):
    scores, positive = (np.array(x) for x in zip(*rows, strict=True))
    if positive.all() or not positive.any():
        return
    value, influence = area(scores.astype(float), positive)
    assert value == pytest.approx(roc_auc_score(positive, scores))
    assert influence.sum() == pytest.approx(0, abs=1e-9)


def test_binary_value_and_interval(make_data, context):
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 400)
    scores = np.clip(0.5 + 0.2 * (gold - 0.5) + 0.2 * rng.normal(size=400), 0, 1).round(2)
    found = auroc_of(two(scores), make_data(gold), context)
    assert found.value == pytest.approx(roc_auc_score(gold, scores))
    resampled = []
    for _ in range(600):
        rows = rng.integers(0, 400, 400)
        resampled.append(roc_auc_score(gold[rows], scores[rows]))
    assert found.high - found.low == pytest.approx(3.92 * np.std(resampled), rel=0.12)


def test_copied_rows_in_a_group_add_no_certainty(make_data, context):
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 100)
    scores = np.clip(0.5 + 0.2 * (gold - 0.5) + 0.2 * rng.normal(size=100), 0, 1)
    alone = auroc_of(two(scores), make_data(gold), context)
    copied = make_data(np.repeat(gold, 4), per_group=4)
    found = auroc_of(two(np.repeat(scores, 4)), copied, context)
    assert (found.low, found.high) == (pytest.approx(alone.low), pytest.approx(alone.high))


def test_many_classes_are_one_against_the_rest(make_data, context):
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 3, 200)
    probs = rng.dirichlet(np.ones(3), 200)
    probs[np.arange(200), gold] += 0.3
    probs /= probs.sum(1, keepdims=True)
    found = auroc_of(probs, make_data(gold, classes="abc"), context)
    assert found.value == pytest.approx(roc_auc_score(gold, probs, multi_class="ovr"))
    assert found.low < found.value < found.high


def test_class_that_does_not_occur_is_left_out_and_named(make_data, context):
    probs = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    found = auroc_of(probs, make_data([0, 1, 0], classes="abc"), context)
    assert found.value == 1.0 and "without c" in found.reason


def test_class_swap_changes_nothing(make_data, context):
    rng = np.random.default_rng(3)
    gold, scores = rng.integers(0, 2, 60), rng.random(60).round(1)
    one = auroc_of(two(scores), make_data(gold), context)
    other = auroc_of(two(1 - scores), make_data(1 - gold), context)
    assert other.value == pytest.approx(one.value)
    assert (other.low, other.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_perfect_ranking_keeps_an_interval(make_data, context):
    found = auroc_of(two([0.1, 0.2, 0.8, 0.9]), make_data([0, 0, 1, 1]), context)
    assert found.value == 1.0
    assert (found.low, found.high) == pytest.approx(wilson(1.0, 2))


def test_one_class_only_has_no_value(make_data, context):
    found = auroc_of(two([0.1, 0.9]), make_data([1, 1]), context)
    assert found.value is None and "two classes" in found.reason


def test_abstaining_rows_are_not_ranked(make_data, context):
    silent = np.array([False, True, False, False])
    found = auroc_of(two([0.1, 0.9, 0.8, 0.3]), make_data([0, 0, 1, 0]), context, abstain=silent)
    assert (found.value, found.n) == (1.0, 3) and "1 of 4" in found.reason


def test_choices_of_their_own_cannot_be_ranked(context):
    rows = [Example(str(i), "p", (f"a{i}", f"b{i}"), i % 2) for i in range(4)]
    data = Dataset.from_examples(rows, TaskInfo("classification"), "test")
    assert auroc_of(two([0.1, 0.9, 0.2, 0.8]), data, context).value is None


def test_mean_over_seeds(make_data, context):
    rng = np.random.default_rng(4)
    gold = rng.integers(0, 2, 300)
    data = make_data(gold)
    seeds = []
    for seed in range(3):
        scores = np.clip(0.5 + 0.2 * (gold - 0.5) + 0.2 * rng.normal(size=300), 0, 1)
        seeds.append(Observation(seed, data, LabelSet(tuple(data.ids), two(scores), ("no", "yes"))))
    found = AUROC.aggregate(seeds, context())
    each = [row["auroc"] for row in found.tables["seeds"]]
    assert found.values["auroc"].value == pytest.approx(np.mean(each))
    assert 0 <= found.values["auroc"].low < np.mean(each) < found.values["auroc"].high <= 1
    assert AUROC.aggregate(seeds, context()) == found
