"""The arithmetic of AdaBoost for K classes (SAMME), for rows and for tokens.

Source: Zhu, Zou, Rosset and Hastie 2009, "Multi-class AdaBoost", algorithm 2; for weak supervisors
Sang et al. 2024 (arXiv 2402.00667), section 3, and EnsemW2S (arXiv 2410.04571).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from w2s_toolkit.data import BoolArray, FloatArray

ROUNDING = 1e-9
"""How much better than chance a member has to be, in error or in say."""


def clamped(error: float, rows: int) -> float:
    """An error of ``rows`` rows at least half a row's share away from 0 and from 1.

    Fewer wrong rows than that cannot be told from none, and would give one member all the say.
    """
    least = 0.5 / max(1, rows)
    return min(max(error, least), 1 - least)


def weighted_error(weights: FloatArray, wrong: BoolArray, given: BoolArray) -> float:
    """The share of weight on wrong rows, all arrays (n,), of the rows that have an answer.

    1 where no row with a weight has one.
    """
    total = float(weights[given].sum())
    return float(weights[given & wrong].sum()) / total if total > 0 else 1.0


def alpha(error: float, classes: int, learning_rate: float = 1.0) -> float:
    """A member's say: ``learning_rate * (ln((1 - error) / error) + ln(classes - 1))``.

    Positive where the error is below 1 - 1/K, that of guessing. For two classes it is twice the
    half logarithm of the odds by which Freund and Schapire 1997 weigh members.
    """
    return learning_rate * (math.log((1 - error) / error) + math.log(classes - 1))


def reweighted(weights: FloatArray, wrong: BoolArray, say: float) -> FloatArray:
    """Weights (n,) times ``exp(say)`` where a member was wrong, made to sum to one."""
    grown = np.where(wrong, weights * math.exp(say), weights)
    return np.asarray(grown / grown.sum(), dtype=np.float64)


def token_alpha(error: float, error_before: float) -> float:
    """An expert's say in token-level boosting.

    ``ln((1 - e) / e) + ln(1 / (1 - e_pre) - 1)`` with e the expert's teacher-forced weighted error
    and e_pre that of the model before fine-tuning, under the first weights. SAMME's ln(V - 1) over
    a whole vocabulary of V tokens would make all experts vote alike, so its place takes the error
    that is really to be beaten; at e_pre = 1 - 1/V both are equal. Positive where e < e_pre. After
    an update the expert's weighted error on the same tokens is e_pre.

    This is our reconstruction of EnsemW2S (Agrawal et al. 2024, arXiv 2410.04571) from secondary
    sources; it has not been compared with the authors' code.

    Args:
        error, error_before: in (0, 1), see :func:`clamped`.
    """
    return math.log((1 - error) / error) + math.log(1 / (1 - error_before) - 1)


def initial_token_weights(lengths: Sequence[int]) -> list[FloatArray]:
    """For each answer of so many tokens, one weight a token: one over the tokens of all answers."""
    total = max(1, sum(lengths))
    return [np.full(length, 1.0 / total) for length in lengths]


def reweighted_tokens(
    weights: Sequence[FloatArray], wrong: Sequence[BoolArray], say: float
) -> list[FloatArray]:
    """As :func:`reweighted`, over the tokens of all answers: they sum to one together."""
    flat = reweighted(np.concatenate(weights), np.concatenate(wrong), say)
    return as_tokens(flat, weights)


def as_tokens(flat: FloatArray, like: Sequence[FloatArray]) -> list[FloatArray]:
    """One number a token of all answers, (t,), cut into answers as long as those of ``like``."""
    ends = np.cumsum([len(row) for row in like])[:-1]
    return [np.asarray(part, dtype=np.float64) for part in np.split(flat, ends)]
