"""Samples of rows and groups, and random numbers that follow from a seed and a member's number.

Nothing here depends on how many members there are, so that an ensemble grows without changing the
members it has. Groups are never cut: rows of one question are in a sample together, or outside of
it together.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_toolkit.data import BoolArray, FloatArray

IntArray = npt.NDArray[np.int64]


class Use(IntEnum):
    """What random numbers are for; no two uses share a stream. From 1, since seeds are padded with 0."""

    BOOTSTRAP = 1
    SEED = 2
    LAYER = 3
    FOLDS = 4
    RESAMPLE = 5


class Sample(NamedTuple):
    """A sample with replacement.

    Attributes:
        rows: (r,) positions drawn at least once, ascending.
        counts: (r,) how often each was drawn, as float.
    """

    rows: IntArray
    counts: FloatArray


def stream(seed: int, use: Use, *path: int) -> np.random.Generator:
    """Random numbers of one use, for one member, attempt and the like, all from 0."""
    return np.random.default_rng([seed, int(use), *path])


def member_seed(seed: int, *path: int) -> int:
    """A 31-bit seed for the training of one member."""
    return int(stream(seed, Use.SEED, *path).integers(2**31))


def bootstrap(groups: IntArray, rng: np.random.Generator) -> Sample:
    """As many groups as there are, drawn with replacement, each with all its rows.

    Source: Breiman 1996, "Bagging predictors", with groups in the place of rows.

    Args:
        groups: (n,) group numbers from 0.
        rng: source of the draw.
    """
    number = int(groups.max(initial=-1)) + 1
    drawn = np.bincount(rng.integers(number, size=number), minlength=number)[groups]
    rows = np.flatnonzero(drawn)
    return Sample(rows, drawn[rows].astype(np.float64))


def resample(weights: FloatArray, rng: np.random.Generator) -> Sample:
    """As many rows as there are, drawn with replacement in proportion to ``weights`` (n,)."""
    counts = drawn(weights, rng)
    rows = np.flatnonzero(counts)
    return Sample(rows, counts[rows])


def drawn(weights: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(n,) how often each was drawn, of n draws with replacement in proportion to ``weights`` (n,)."""
    return rng.multinomial(len(weights), weights / weights.sum()).astype(np.float64)


def out_of_bag(sample: Sample, rows: int) -> BoolArray:
    """(n,) which of ``rows`` rows a sample left out."""
    left = np.ones(rows, dtype=np.bool_)
    left[sample.rows] = False
    return left


def folds(groups: IntArray, number: int, rng: np.random.Generator) -> IntArray:
    """(n,) the fold of each row, from 0; folds have equally many groups, give or take one.

    Args:
        groups: (n,) group numbers from 0.
        number: how many folds, at most as many as groups.
        rng: source of the order of groups.
    """
    of_group = rng.permutation(int(groups.max(initial=-1)) + 1) % number
    return np.asarray(of_group[groups], dtype=np.int64)
