"""How good the first 1, 2, … members are together, and how many of them to keep.

Curves are lists of flat mappings that go into JSON: ``size``, ``accuracy``, ``accuracy_se``,
``log_loss``, ``log_loss_se`` and ``n``, the number of scored rows. They come from rows that the
members were not trained on, out-of-bag or ``val``, never from ``test``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from w2s_ensembles.combine import Combined, Rule, combine
from w2s_ensembles.logits import log_loss
from w2s_ensembles.samples import IntArray
from w2s_toolkit.data import BoolArray, FloatArray
from w2s_toolkit.errors import DataError

Pick = Literal["one_se", "best"]
Point = dict[str, Any]


class Truth(NamedTuple):
    """Gold classes and group numbers of n rows, both (n,)."""

    gold: IntArray
    groups: IntArray


def point(size: int, combined: Combined, truth: Truth) -> Point:
    """One point of a curve; values are None where no row has an answer."""
    given = ~combined.silent
    probs, gold, groups = combined.probs[given], truth.gold[given], truth.groups[given]
    right = (probs.argmax(1) == gold).astype(np.float64)
    found: Point = {"size": size, "n": int(given.sum())}
    for name, values in (("accuracy", right), ("log_loss", log_loss(probs, gold))):
        found[name] = float(values.mean()) if len(values) else None
        found[f"{name}_se"] = standard_error(values, groups)
    return found


def prefix_curve(
    rule: Rule, probs: FloatArray, weights: FloatArray, abstain: BoolArray, truth: Truth
) -> list[Point]:
    """The first 1 to m members, combined by a rule.

    Out-of-bag, the first m members give about 0.37 m votes a row, so that such a curve rises a
    little later than the ensemble does.

    Args:
        rule, probs, weights, abstain: see :func:`~w2s_ensembles.combine.combine`; for a curve
            out-of-bag, members abstain on the rows that they were trained on.
        truth: of the n rows.
    """
    sizes = range(1, len(probs) + 1)
    return [point(m, combine(rule, probs[:m], weights[:m], abstain[:m]), truth) for m in sizes]


def choose(
    curve: Sequence[Point], *, by: Literal["accuracy", "log_loss"] = "accuracy", pick: Pick
) -> int:
    """The size to keep: the smallest of the best, or within one standard error of the best.

    Source of the latter: Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3.

    Args:
        curve: points of one ensemble.
        by: ``accuracy``, of which more is better, or ``log_loss``, of which less is.
        pick: ``best`` or ``one_se``.

    Raises:
        DataError: no point has a value.
    """
    sign = 1 if by == "accuracy" else -1
    scored = [p for p in curve if p[by] is not None]
    if not scored:
        raise DataError(
            "the size of an ensemble cannot be chosen: no member has an answer on any row",
            next_step="look at why members abstain, or keep all of them",
        )
    best = max(scored, key=lambda p: (sign * p[by], -p["size"]))
    slack = best[f"{by}_se"] if pick == "one_se" else 0.0
    return min(int(p["size"]) for p in scored if sign * (p[by] - best[by]) >= -slack)


def standard_error(values: FloatArray, groups: IntArray) -> float:
    """Standard error of a mean, whole groups being the independent units; 0 for fewer than two."""
    numbers, of_row = np.unique(groups, return_inverse=True)
    count = len(numbers)
    if count < 2:
        return 0.0
    sums = np.bincount(of_row, weights=(values - values.mean()) / len(values))
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()))
