"""Between probabilities and scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_toolkit.data import FloatArray

EPSILON = 1e-6
"""Probabilities are kept this far from 0 and 1 where logarithms are taken, so that no single member
can veto a class: it moves a log-odds by less than 14."""


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities (..., K) of scores (..., K)."""
    odds = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    return np.asarray(odds / odds.sum(-1, keepdims=True), dtype=np.float64)


def centred_log(probs: FloatArray) -> FloatArray:
    """Log-probabilities (..., K) minus the mean of their row: the centred logits behind a softmax."""
    logs = np.log(np.maximum(probs, EPSILON))
    return np.asarray(logs - logs.mean(-1, keepdims=True), dtype=np.float64)


def log_loss(probs: FloatArray, gold: npt.NDArray[np.int64]) -> FloatArray:
    """(n,) negative natural logarithms of the gold class's probability, of probabilities (n, K)."""
    return -np.log(np.maximum(probs[np.arange(len(gold)), gold], EPSILON))
