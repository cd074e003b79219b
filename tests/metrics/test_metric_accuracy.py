from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_metrics.accuracy import Accuracy
from w2s_metrics.bootstrap import Counts, percentiles, replicate
from w2s_metrics.config import AccuracyConfig
from w2s_metrics.intervals import cluster_se, proportion, wilson
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import AlignmentError, DataError

ACCURACY = Accuracy(AccuracyConfig(replicates=2000))


def accuracy_of(subject, data, context):
    return ACCURACY.evaluate(subject, data, context()).values["accuracy"]


def test_counts_right_rows(make_data, right_on, context):
    data = make_data([0, 1, 1, 0])
    found = accuracy_of(right_on(data, [0, 1, 2]), data, context)
    assert (found.value, found.n) == (0.75, 4)


def test_interval_of_single_rows_is_wilsons(make_data, right_on, context):
    data = make_data(np.arange(100) % 2)
    found = accuracy_of(right_on(data, range(80)), data, context)
    # Wilson 1927 for 80 of 100.
    assert (found.low, found.high) == (
        pytest.approx(0.7112, abs=2e-4),
        pytest.approx(0.8666, abs=2e-4),
    )


def test_copies_of_a_row_in_its_group_add_no_certainty():
    hits, alone = np.arange(100) % 4 != 0, np.arange(100)
    single = proportion(hits, alone)
    copied = proportion(np.repeat(hits, 5), np.repeat(alone, 5))
    assert copied.low == pytest.approx(single.low, abs=2e-3)
    assert copied.high == pytest.approx(single.high, abs=2e-3)


def test_negatively_related_rows_do_not_make_the_interval_vanish():
    hits = np.tile([True, False], 50)  # one of each pair, always
    found = proportion(hits, np.arange(100) // 2)
    assert (found.low, found.high) == pytest.approx(wilson(0.5, 100))


def test_all_right_counts_groups():
    found = proportion(np.ones(40, dtype=bool), np.arange(40) // 4)
    assert (found.low, found.high) == pytest.approx(wilson(1.0, 10))


def test_cluster_se_of_single_rows_is_the_usual_one():
    x = np.random.default_rng(0).normal(size=50)
    se = cluster_se((x - x.mean()) / 50, np.arange(50))
    assert se == pytest.approx(x.std(ddof=1) / np.sqrt(50))


def test_interval_covers_grouped_rows_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    groups, covered, trials = np.repeat(np.arange(60), 4), 0, 400
    for _ in range(trials):
        rate = rng.beta(3, 1, size=60)  # mean 0.75; rows of a group share a rate
        found = proportion(rng.random(240) < rate[groups], groups)
        covered += found.low <= 0.75 <= found.high
    assert 0.92 <= covered / trials <= 0.985


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_interval_holds_the_value_and_ignores_order(rows, random):
    hits, groups = (np.array(x) for x in zip(*rows, strict=True))
    found = proportion(hits, groups)
    assert 0 <= found.low <= found.value <= found.high <= 1
    random.shuffle(rows)
    again = proportion(*(np.array(x) for x in zip(*rows, strict=True)))
    assert again == pytest.approx(found)


def test_abstaining_rows_are_not_scored(make_data, right_on, context):
    data = make_data(np.arange(10) % 2)
    found = accuracy_of(right_on(data, range(5), abstain=[0, 9]), data, context)
    assert (found.value, found.n) == (0.5, 8)
    assert "2 of 10 rows" in found.reason


def test_no_answer_at_all_has_no_value(make_data, right_on, context):
    data = make_data([0, 1])
    found = accuracy_of(right_on(data, [0], abstain=[0, 1]), data, context)
    assert found.value is None and found.n == 0 and found.reason


def test_ties_count_as_the_first_class(make_data, make_labels, context):
    data = make_data([0, 0, 1])
    found = accuracy_of(make_labels(data, [0, 0, 0], confidence=0.5), data, context)
    assert found.value == pytest.approx(2 / 3)


def test_labels_are_joined_by_id(make_data, right_on, context):
    data = make_data([0, 1, 1, 0])
    labels = right_on(data, [0, 1, 2])
    assert accuracy_of(labels.take(np.array([3, 1, 0, 2])), data, context).value == 0.75
    with pytest.raises(AlignmentError):
        accuracy_of(labels.take(np.array([0, 1])), data, context)


def test_classes_are_joined_by_name(make_data, right_on, context):
    data = make_data([0, 1, 1, 0])
    labels = right_on(data, [0, 1, 2])
    turned = LabelSet(labels.ids, labels.probs[:, ::-1], ("yes", "no"))
    assert accuracy_of(turned, data, context).value == 0.75


def test_blind_data_is_refused(make_data, right_on, context):
    data = make_data([0, 1])
    with pytest.raises(DataError, match="gold"):
        accuracy_of(right_on(data, [0]), data.blind(), context)


def test_predictions_for_too_few_classes_are_refused(context):
    rows = [Example("a", "p", ("x", "y", "z"), 2)]
    data = Dataset.from_examples(rows, TaskInfo("classification"), "test")
    with pytest.raises(DataError, match="2 classes"):
        accuracy_of(LabelSet(("a",), np.array([[0.5, 0.5]])), data, context)


def test_a_generated_answer_is_right_if_it_is_the_gold_one(context):
    rows = [Example(name, "p", gold_text="x") for name in ("a", "b")]
    data = Dataset.from_examples(rows, TaskInfo("generation"))
    subject = LabelSet(("a", "b"), np.zeros((2, 0)), texts=("The X.", "y"))
    assert accuracy_of(subject, data, context).value == 0.5


def test_mean_over_seeds(make_data, right_on, context):
    data = make_data(np.arange(200) % 2)
    seeds = [Observation(s, data, right_on(data, range(k))) for s, k in enumerate((120, 140, 160))]
    found = ACCURACY.aggregate(seeds, context())
    assert found.values["accuracy"].value == pytest.approx(0.7)
    assert found.values["accuracy"].low < 0.65 and found.values["accuracy"].high > 0.75
    assert [row["accuracy"] for row in found.tables["seeds"]] == [0.6, 0.7, 0.8]


def test_a_seed_that_cannot_be_scored_leaves_no_mean(make_data, right_on, context):
    data = make_data([0, 1])
    silent = right_on(data, [0], abstain=[0, 1])
    seeds = [Observation(0, data, right_on(data, [0])), Observation(7, data, silent)]
    found = ACCURACY.aggregate(seeds, context()).values["accuracy"]
    assert found.value is None and "seed 7" in found.reason


def test_same_items_do_not_average_out_over_seeds(make_data, right_on, context):
    data = make_data(np.arange(200) % 2)
    one = ACCURACY.aggregate([Observation(0, data, right_on(data, range(140)))], context())
    many = ACCURACY.aggregate(
        [Observation(s, data, right_on(data, range(140))) for s in range(4)], context()
    )
    width = [m.values["accuracy"].high - m.values["accuracy"].low for m in (one, many)]
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_both_ways_to_draw_groups_agree():
    """Few patterns are drawn by a multinomial, many one by one: the spread must be the same."""
    n, rng = 400, np.random.default_rng(3)
    hits = (rng.random(n) < 0.7).astype(float)[:, None]
    few = replicate([Counts(hits, np.ones((n, 1)))], shared=True, replicates=6000, bootstrap_seed=0)
    noise = np.arange(n)[:, None] * 1e-9  # makes every group a pattern of its own
    many = replicate(
        [Counts(hits + noise, np.ones((n, 1)))], shared=True, replicates=6000, bootstrap_seed=0
    )
    exact = hits.std() / np.sqrt(n)
    assert few.std() == pytest.approx(exact, rel=0.05)
    assert many.std() == pytest.approx(exact, rel=0.05)
    assert few.mean() == pytest.approx(many.mean(), abs=exact / 10)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)))
def test_replicates_do_not_depend_on_the_order_of_groups(order):
    hits = np.arange(12.0)[:, None] % 3
    counts = [Counts(h, np.full((12, 1), 2.0)) for h in (hits, hits[list(order)])]
    drawn = [replicate([c], shared=True, replicates=50, bootstrap_seed=4) for c in counts]
    assert np.array_equal(*drawn)


def test_percentiles_leave_out_what_is_not_a_number():
    assert percentiles(np.array([np.nan, 1.0, 2.0])) == (1.0, 2.0)
    assert percentiles(np.array([np.nan])) == (None, None)
    assert percentiles(np.array([-np.inf, 0.0, 1.0])) == (None, 1.0)


def test_nearly_equal_answers_are_told_of_unless_gold_is_like_that(make_data, make_labels, context):
    balanced = make_data(np.arange(40) % 2)

    def said(data, predicted, **more):
        ctx = context()
        ACCURACY.evaluate(make_labels(data, predicted, **more), data, ctx)
        return [w["message"] for w in ctx.warnings if w["code"] == "same_answer"]

    (message,) = said(balanced, [1] * 39 + [0])
    assert "'yes' on 98% of them, which is right on 50%" in message
    assert said(balanced, [1] * 30 + [0] * 10) == []
    assert said(make_data([1] * 38 + [0] * 2), [1] * 40) == []
    assert said(make_data([0, 1] * 5), [1] * 10) == [], "ten rows tell nothing"
    assert len(said(balanced, [1] * 30 + [0] * 10, abstain=range(30, 40))) == 1
