"""Which rows go together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_hf.batches import by_tokens, epoch_batches, micro_batches, steps_per_epoch
from w2s_hf.schedule import lr_factor
from w2s_hf.team import Team
from w2s_hf.tokens import from_lists

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=200).map(np.asarray)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(0, 2**64), st.integers(0, 5), st.integers(1, 4))
def test_an_epoch_is_every_row_once(lengths, size, seed, epoch, many):
    classes = np.arange(len(lengths)) % many
    batches = epoch_batches(lengths, classes, size, seed, epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), size)
    assert all(len(b) == size for b in batches[:-1])
    again = epoch_batches(lengths, classes, size, seed, epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 400))
def test_prediction_batches_keep_every_row_within_the_budget(lengths, budget):
    batches = list(by_tokens(lengths, budget))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * lengths[b].max() <= budget for b in batches)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_length_buckets_pad_little_and_keep_class_shares(share):
    # The texts of class 1 are longer by nearly half a standard deviation.
    rng = np.random.default_rng(0)
    classes = (rng.random(4096) < share).astype(np.int64)
    lengths = 10 + 4 * classes + rng.integers(0, 30, 4096)
    batches = [b for epoch in range(4) for b in epoch_batches(lengths, classes, 32, 1, epoch)]
    counts = np.array([classes[b].sum() for b in batches])
    assert abs(counts - 32 * classes.mean()).max() < 4
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.15 * 4 * lengths.sum()
    assert len({tuple(sorted(b)) for b in batches}) == len(batches)


def test_micro_batches_cover_a_batch():
    assert micro_batches(np.array([5, 5, 5]), 2) == [slice(0, 2), slice(2, 4)]
    assert micro_batches(np.full(4, 4096)) == [slice(0, 2), slice(2, 4)]


def test_a_batch_is_padded_on_the_right_under_its_mask():
    import torch

    tokens = from_lists([[1, 2, 3], [0], [5, 0]])
    batch = tokens.batch(np.array([2, 0]), torch.device("cpu"))
    assert batch["input_ids"].tolist() == [[5, 0, 0], [1, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_processes_share_a_batch_and_bring_it_back_in_order(size):
    import torch

    rows = np.arange(10, 17)
    shares = []
    for rank in range(size):
        team = object.__new__(Team)
        team.size, team.rank = size, rank
        shares.append(team.share(rows))
    counted = np.concatenate([mine[c > 0] for mine, c in shares])
    assert sorted(counted) == list(rows)
    assert len({len(mine) for mine, _ in shares}) == 1
    team = object.__new__(Team)
    team.size = size
    together = torch.from_numpy(np.concatenate([mine for mine, _ in shares]))[:, None]
    team._accelerator = type("Fake", (), {"gather": staticmethod(lambda mine: together)})()
    mine = torch.from_numpy(shares[0][0])[:, None]
    assert team.gather(mine, len(rows))[:, 0].tolist() == list(rows)


def test_the_learning_rate_is_a_function_of_the_step():
    assert lr_factor(0, 100, 0.0, "cosine") == 1.0
    assert lr_factor(50, 100, 0.0, "cosine") == pytest.approx(0.5)
    assert lr_factor(75, 100, 0.0, "linear") == 0.25
    assert lr_factor(99, 100, 0.0, "constant") == 1.0
    rising = [lr_factor(s, 100, 0.1, "cosine") for s in range(11)]
    assert rising == sorted(rising)
    assert 0 < rising[0] < rising[10] == 1.0
