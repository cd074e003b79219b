"""What one member of a bagging ensemble is asked to be, from the seed and its number alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from w2s_ensembles.config import BaggingConfig
from w2s_ensembles.samples import IntArray, Use, bootstrap, member_seed, out_of_bag, stream
from w2s_toolkit.data import BoolArray, FloatArray

_GOLDEN = (5**0.5 - 1) / 2


class Bag(NamedTuple):
    """One member's request.

    Attributes:
        rows: (r,) its rows, ascending; None for all.
        weights: (r,) how often each was drawn; None with ``rows``.
        variation: what else differs.
        left: (n,) rows that it is not trained on.
    """

    rows: IntArray | None
    weights: FloatArray | None
    variation: dict[str, Any]
    left: BoolArray


def make_bag(config: BaggingConfig, groups: IntArray, index: int, seed: int) -> Bag:
    """The request of member ``index``.

    Source: Sang et al. 2024 (arXiv 2402.00667), section 3: bootstrap samples and random subspaces
    (Ho 1998); layers, seeds and models are ours.

    Args:
        config: how members differ; how many there are does not matter.
        groups: (n,) group numbers of the training rows.
        index: number of the member.
        seed: the stage's seed.
    """
    variation = _variation(config, index, seed)
    if "data" not in config.by:
        return Bag(None, None, variation, np.zeros(len(groups), dtype=np.bool_))
    sample = bootstrap(groups, stream(seed, Use.BOOTSTRAP, index))
    return Bag(sample.rows, sample.counts, variation, out_of_bag(sample, len(groups)))


def _variation(config: BaggingConfig, index: int, seed: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "seeds" in config.by or "features" in config.by:
        made["seed"] = member_seed(seed, index)  # which features are seen is drawn by it
    if "features" in config.by:
        made["features"] = config.features
    if "layers" in config.by:
        made["layer"] = _depth(config.shallowest, index, seed)
    return made | {"supervisor": index}


def _depth(shallowest: float, index: int, seed: int) -> float:
    """Relative depths in (shallowest, 1] at even distances, however many are drawn (Weyl)."""
    start = float(stream(seed, Use.LAYER).random())
    return round(1 - (1 - shallowest) * ((start + index * _GOLDEN) % 1), 4)
