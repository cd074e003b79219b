"""Which rows go together: optimizer batches, micro-batches, and batches for prediction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

MEGA_BATCHES = 32
"""Batches whose rows are put in order of length together. Padding all but vanishes at this size;
what a batch holds still changes from epoch to epoch."""

MICRO_TOKENS = 8192
"""Padded tokens of one micro-batch. The same on every device, so that results do not depend on it."""


def label_budget(wanted: int | None, device: str) -> int:
    """Padded tokens of one batch when predicting: ``wanted``, or what suits the device.

    On a CPU the hidden states of a batch should stay in its cache: 1,024 tokens were up to 1.4 times
    as fast as 4,096. Elsewhere large batches fill the device.
    """
    return wanted or (1024 if device == "cpu" else 16_384)


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Optimizer steps of one pass; the last one may be smaller."""
    return -(-rows // batch_size)


def epoch_batches(
    lengths: npt.NDArray[np.int64], classes: Rows, batch_size: int, seed: int, epoch: int
) -> list[Rows]:
    """Every row once, in batches of about equal lengths and of about equal class shares.

    Rows are shuffled, cut into mega-batches, put in order of length inside each and cut into
    batches, whose order is shuffled again. Depends on nothing but the arguments, so an interrupted
    epoch is entered again at any step. The one smaller batch, if any, comes last.

    Args:
        lengths: tokens of each row (n,).
        classes: the class that each row's label favours (n,).
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    full = len(order) // batch_size * batch_size
    batches: list[Rows] = []
    for start in range(0, full, batch_size * MEGA_BATCHES):
        mega = order[start : min(start + batch_size * MEGA_BATCHES, full)]
        mega = mega[np.argsort(_rank_in_class(lengths[mega], classes[mega]), kind="stable")]
        batches += [mega[i : i + batch_size] for i in range(0, len(mega), batch_size)]
    batches = [batches[i] for i in rng.permutation(len(batches))]
    return [*batches, order[full:]] if full < len(order) else batches


def _rank_in_class(lengths: Rows, classes: Rows) -> npt.NDArray[np.float64]:
    """Each row's place by length among the rows of its class, from 0 to 1.

    Rows in this order are nearly in order of length, yet every stretch of them holds the classes
    in the shares of the whole. By length alone a batch of long texts would lean to the class whose
    texts are longer, and its gradient would teach the head that class's share.
    """
    ranks = np.empty(len(lengths))
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        ranks[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return ranks


def micro_batches(lengths: npt.NDArray[np.int64], size: int | None = None) -> list[slice]:
    """Rows of these lengths in parts that pass through the model one at a time.

    ``size`` rows each, or as many as :data:`MICRO_TOKENS` hold.
    """
    if size is None:
        size = max(1, MICRO_TOKENS // int(lengths.max()))
    return [slice(i, i + size) for i in range(0, len(lengths), size)]


def by_tokens(lengths: npt.NDArray[np.int64], budget: int) -> Iterator[Rows]:
    """All rows, longest first, in batches of at most ``budget`` padded tokens (at least one row).

    Longest first, so that a batch that does not fit in memory fails at once.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
