from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_ensembles.samples import (
    Use,
    bootstrap,
    folds,
    member_seed,
    out_of_bag,
    resample,
    stream,
)

GROUPS = st.lists(st.integers(0, 9), min_size=2, max_size=40).map(
    lambda rows: np.unique(rows, return_inverse=True)[1].astype(np.int64)
)


def test_about_two_thirds_of_the_groups_are_drawn():
    groups = np.repeat(np.arange(300), 2)
    shares = [
        len(np.unique(groups[bootstrap(groups, stream(seed, Use.BOOTSTRAP, 0)).rows])) / 300
        for seed in range(200)
    ]
    assert abs(np.mean(shares) - (1 - (1 - 1 / 300) ** 300)) < 0.005
    assert np.std(shares) > 0.005


def test_groups_are_drawn_alike_often():
    groups, drawn = np.arange(20), np.zeros(20)
    for seed in range(2000):
        sample = bootstrap(groups, stream(seed, Use.BOOTSTRAP, 3))
        drawn[sample.rows] += sample.counts
    assert np.all(np.abs(drawn / 2000 - 1) < 0.12)


@given(GROUPS, st.integers(0, 2**31 - 1))
@settings(deadline=None)
def test_a_sample_holds_whole_groups_as_many_as_there_are(groups, seed):
    sample = bootstrap(groups, np.random.default_rng(seed))
    counts = np.zeros(len(groups))
    counts[sample.rows] = sample.counts
    of_group = [set(counts[groups == g]) for g in np.unique(groups)]
    assert all(len(values) == 1 for values in of_group)
    assert sum(values.pop() for values in of_group) == len(of_group)
    assert sample.counts.min() >= 1 and np.all(np.diff(sample.rows) > 0)


@given(GROUPS, st.integers(0, 2**31 - 1))
@settings(deadline=None)
def test_out_of_bag_never_holds_a_group_that_was_drawn(groups, seed):
    sample = bootstrap(groups, np.random.default_rng(seed))
    left = out_of_bag(sample, len(groups))
    assert not set(groups[left]) & set(groups[sample.rows])
    assert left.sum() + len(sample.rows) == len(groups)


@given(GROUPS, st.integers(2, 6), st.integers(0, 2**31 - 1))
@settings(deadline=None)
def test_folds_cut_no_group_and_are_even(groups, number, seed):
    found = folds(groups, number, np.random.default_rng(seed))
    pairs = set(zip(groups.tolist(), found.tolist(), strict=True))
    assert len(pairs) == len(np.unique(groups))
    sizes = np.bincount([fold for _, fold in pairs], minlength=number)
    assert sizes.max() - sizes.min() <= 1


def test_rows_are_redrawn_by_weight():
    weights, drawn = np.array([0.1, 0.2, 0.3, 0.4]), np.zeros(4)
    for seed in range(2000):
        sample = resample(weights * 7, np.random.default_rng(seed))
        assert sample.counts.sum() == 4
        drawn[sample.rows] += sample.counts
    np.testing.assert_allclose(drawn / 8000, weights, atol=0.02)


def test_random_numbers_differ_by_use_seed_and_member():
    draws = {
        float(stream(seed, use, member).random())
        for seed in (0, 1)
        for use in Use
        for member in (0, 1, 2)
    }
    assert len(draws) == 2 * len(Use) * 3
    assert len({member_seed(1, i) for i in range(100)}) == 100
    assert member_seed(1, 2) == member_seed(1, 2) < 2**31
