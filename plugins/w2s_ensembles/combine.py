"""Rules that combine the probabilities of several members.

All take every member's probabilities, a weight a member, and who has no say on which row. The
result does not depend on the order of members, and classes that change places in all members
change places in the result.

Source: Sang et al. 2024 (arXiv 2402.00667), section 3; the rules are compared in Kuncheva 2014,
"Combining Pattern Classifiers", chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from w2s_ensembles.logits import EPSILON, softmax
from w2s_toolkit.data import BoolArray, FloatArray

Rule = Literal["mean", "log_odds", "product", "vote"]

_TIE = 1e-12


class Combined(NamedTuple):
    """What an ensemble says.

    Attributes:
        probs: (n, K) probabilities; 1/K on silent rows.
        silent: (n,) rows on which no member with a weight has a say.
    """

    probs: FloatArray
    silent: BoolArray


def combine(
    rule: Rule,
    probs: FloatArray,
    weights: FloatArray | None = None,
    abstain: BoolArray | None = None,
) -> Combined:
    """Combine members row by row; weights of those that have a say are made to sum to one.

    Args:
        rule: ``mean`` of probabilities; ``log_odds``: sigmoid of the mean of each class's
            log-odds, normalised; ``product``: geometric mean, normalised, a product of experts
            (Hinton 2002); ``vote``: shares of the members' most probable classes, a tie counting
            in equal parts.
        probs: (m, n, K) probabilities of the members, anything where they abstain.
        weights: (m,) from 0; all alike when None.
        abstain: (m, n) where a member has no say; nowhere when None.
    """
    m, n, k = probs.shape
    weight = np.ones(m) if weights is None else np.asarray(weights, dtype=np.float64)
    says = np.broadcast_to(weight[:, None], (m, n))
    says = says if abstain is None else np.where(abstain, 0.0, says)
    total = says.sum(0)
    silent = total <= 0
    # What is not said may be anything, NaN too: it must not be multiplied by a weight of 0.
    heard = np.where((says > 0)[:, :, None], probs, 1.0 / max(1, k))
    mixed = _RULES[rule](heard, says / np.where(silent, 1.0, total))
    mixed[silent] = 1.0 / max(1, k)
    return Combined(mixed, silent)


def _mean(probs: FloatArray, share: FloatArray) -> FloatArray:
    return _normalised(_weighted(probs, share))


def _log_odds(probs: FloatArray, share: FloatArray) -> FloatArray:
    kept = np.clip(probs, EPSILON, 1 - EPSILON)
    return _normalised(1 / (1 + np.exp(-_weighted(np.log(kept / (1 - kept)), share))))


def _product(probs: FloatArray, share: FloatArray) -> FloatArray:
    return softmax(_weighted(np.log(np.maximum(probs, EPSILON)), share))


def _vote(probs: FloatArray, share: FloatArray) -> FloatArray:
    top = probs >= probs.max(-1, keepdims=True, initial=0.0) - _TIE
    return _normalised(_weighted(top / top.sum(-1, keepdims=True), share))


def _weighted(values: FloatArray, share: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("mn,mnk->nk", share, values), dtype=np.float64)


def _normalised(values: FloatArray) -> FloatArray:
    total = values.sum(1, keepdims=True)
    return np.asarray(values / np.where(total > 0, total, 1.0), dtype=np.float64)


_RULES: dict[Rule, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "mean": _mean,
    "log_odds": _log_odds,
    "product": _product,
    "vote": _vote,
}
