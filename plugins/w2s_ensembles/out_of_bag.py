"""Weights from out-of-bag accuracy."""

from __future__ import annotations

import numpy as np

from w2s_ensembles.gathered import Said
from w2s_ensembles.samples import IntArray
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import BoolArray, FloatArray


def out_of_bag_weights(said: Said, gold: IntArray, ctx: Context) -> FloatArray:
    """(m,) how far each member's out-of-bag accuracy lies above chance, made to sum to one.

    The accuracy is the mean over classes of the share that is right, so that chance is 1/K whatever
    the shares of the classes. A member at chance or below has no say. Where that is all of them,
    they count alike, with a warning.

    Args:
        said: members abstain on the rows that they were trained on; every member has rows of every
            class left.
        gold: (n,) gold classes.
        ctx: takes the warning.
    """
    k = said.probs.shape[2]
    above = np.array(
        [
            max(0.0, _recall(p.argmax(1), ~a, gold, k) - 1 / k)
            for p, a in zip(*said[:2], strict=True)
        ]
    )
    if above.sum() > 0:
        return np.asarray(above / above.sum(), dtype=np.float64)
    ctx.warn(
        "members_at_chance",
        "no member is better than chance on the rows it has not seen; all count alike",
    )
    return np.full(len(above), 1 / len(above))


def _recall(predicted: IntArray, given: BoolArray, gold: IntArray, k: int) -> float:
    """Mean share right of each class; chance for a class on which the member says nothing."""
    asked = np.bincount(gold[given], minlength=k)
    right = np.bincount(gold[given & (predicted == gold)], minlength=k)
    return float(np.where(asked > 0, right / np.maximum(asked, 1), 1 / k).mean())
