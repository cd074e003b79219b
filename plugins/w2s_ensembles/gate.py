"""Combinations that are learned on validation data: a gate of one weight a member, and stacking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from w2s_ensembles.combine import Combined
from w2s_ensembles.logits import EPSILON, centred_log, softmax
from w2s_ensembles.samples import IntArray
from w2s_toolkit.data import BoolArray, FloatArray
from w2s_toolkit.errors import DataError, MissingDependencyError

PENALTY = 1.0
"""Inverse strength of the L2 penalty of stacking, scikit-learn's ``C``."""


def gate_weights(
    probs: FloatArray,
    gold: IntArray,
    abstain: BoolArray,
    *,
    tolerance: float = 1e-6,
    iterations: int = 20_000,
) -> FloatArray:
    """(m,) weights from 0 that sum to one and minimise the log-loss of the weighted mean.

    The problem is convex; the update is that of expectation maximisation for the shares of a
    mixture (Dempster, Laird and Rubin 1977, section 4.3). It ends when the mean log-likelihood is
    within ``tolerance`` of its maximum: the largest gradient of a weight, minus one, bounds the
    distance.

    Args:
        probs: (m, n, K) members' probabilities on validation rows; those of the gold class are
            raised to :data:`~w2s_ensembles.logits.EPSILON`.
        gold: (n,) gold classes.
        abstain: (m, n); rows on which any member has no say are left out.
        tolerance: in nats a row.
        iterations: at most so many.

    Raises:
        DataError: there is no row on which all members have a say.
    """
    heard = ~abstain.any(0)
    if not heard.any():
        raise DataError(
            "a gate needs validation rows on which every member has an answer; there is none",
            next_step="give it more validation rows, or combine by mean",
        )
    of_gold = np.maximum(probs[:, np.flatnonzero(heard), gold[heard]], EPSILON)
    weights = np.full(len(probs), 1.0 / len(probs))
    for _ in range(iterations):
        gradient = (of_gold / (weights @ of_gold)).mean(1)
        if gradient.max() - 1 <= tolerance:
            break
        weights = weights * gradient
        weights /= weights.sum()
    return weights


def require_stacking() -> Any:
    """scikit-learn's logistic regression.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError(
            "combine: stacking needs scikit-learn, which is not installed",
            next_step='pip install "w2s-toolkit[ensembles]", or combine by gate',
        ) from None
    return LogisticRegression


def fit_stacking(probs: FloatArray, gold: IntArray, abstain: BoolArray) -> dict[str, Any]:
    """A multinomial logistic regression on the members' centred log-probabilities, as JSON.

    Source: Wolpert 1992, "Stacked generalization". A member that abstains contributes zeros.

    Args:
        probs, gold, abstain: as for :func:`gate_weights`.

    Returns:
        ``weights`` (K, mK) and ``bias`` (K,) as lists.

    Raises:
        DataError: a class has no validation row.
        MissingDependencyError: scikit-learn is not installed.
    """
    k = probs.shape[2]
    missing = sorted(set(range(k)) - set(gold.tolist()))
    if missing:
        raise DataError(
            f"stacking needs validation rows of every class; there is none of class {missing[0]}",
            next_step="give it more validation rows, or combine by mean or gate",
        )
    heard = ~abstain.all(0)
    missing = sorted(set(range(k)) - set(gold[heard].tolist()))
    if missing:
        raise DataError(
            f"stacking learns from validation rows on which some member has an answer, and among these "
            f"{int(heard.sum())} of {len(gold)} there is none of class {missing[0]}",
            next_step="give members validation rows that they can answer, or combine by mean",
        )
    features = _features(probs[:, heard], abstain[:, heard])
    model = require_stacking()(C=PENALTY, max_iter=1000).fit(features, gold[heard])
    weights, bias = model.coef_, model.intercept_
    if k == 2:  # one row tells the second class from the first
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return {"weights": weights.tolist(), "bias": bias.tolist()}


def apply_stacking(state: Mapping[str, Any], probs: FloatArray, abstain: BoolArray) -> Combined:
    """What a fitted stacking makes of members' probabilities (m, n, K)."""
    scores = _features(probs, abstain) @ np.asarray(state["weights"]).T
    silent = np.asarray(abstain.all(0), dtype=np.bool_)
    mixed = softmax(scores + np.asarray(state["bias"]))
    mixed[silent] = 1.0 / max(1, probs.shape[2])
    return Combined(mixed, silent)


def _features(probs: FloatArray, abstain: BoolArray) -> FloatArray:
    """(n, mK) centred log-probabilities, member by member."""
    m, n, k = probs.shape
    said = np.where(abstain[:, :, None], 1.0, probs)  # all alike, which centred are zeros
    logs = centred_log(said)
    return np.asarray(logs.transpose(1, 0, 2).reshape(n, m * k), dtype=np.float64)
