"""Weights under which a mean of members' distributions explains answers best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from w2s_ensembles.answers import require_equal_tokens, tokens_of
from w2s_toolkit.data import FloatArray, LabelSet

_STEPS, _ENOUGH = 1000, 1e-9


def mixing_weights(scores: Sequence[LabelSet]) -> list[float]:
    """Maximum-likelihood weights of a mixture of m members, by expectation maximisation.

    The likelihood is concave in the weights, so what is found is the best there is; it depends on
    neither the order of members nor that of rows.

    Source: Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data via the EM
    algorithm", section 4.3, with fixed components.

    Args:
        scores: of the same gold answers, one a member, with equal tokens.

    Returns:
        m weights that sum to one.

    Raises:
        DataError: members cut the answers into different tokens.
    """
    nll = [tokens_of(one).nll for one in scores]
    require_equal_tokens(nll)
    log_probs = np.stack([-np.concatenate(rows) for rows in nll])
    return _fitted(log_probs).tolist()  # type: ignore[no-any-return]


def _fitted(log_probs: FloatArray) -> FloatArray:
    """Weights (m,) from log-probabilities (m, t)."""
    likely = np.exp(log_probs - log_probs.max(0))
    weights = np.full(len(likely), 1.0 / len(likely))
    for _ in range(_STEPS):
        share = weights[:, None] * likely
        new = (share / share.sum(0)).mean(1)
        if np.abs(new - weights).max() < _ENOUGH:
            return np.asarray(new)
        weights = new
    return weights
