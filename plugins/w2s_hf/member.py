"""What makes the members of an ensemble differ: how deep they read, and which features they see.

Sang et al. 2024 (arXiv 2402.00667), section 3: members of a bagging ensemble that see different data,
features or layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from w2s_hf.network import PooledClassifier
from w2s_toolkit.errors import DataError, ModelError


class Variation(NamedTuple):
    """How one member differs from its siblings.

    Attributes:
        seed: another order of the rows, other adapters to start from.
        layer: the head reads the layer nearest to this share of the depth, in (0, 1]; those above are
            cut off.
        features: share of the hidden dimensions that the head sees, in (0, 1].
    """

    seed: int | None = None
    layer: float | None = None
    features: float | None = None


AS_IT_IS = Variation()


def read_variation(given: Mapping[str, Any]) -> Variation:
    """Check what an ensembler asked for.

    Raises:
        DataError: there is something else in it, or a share is out of its range.
    """
    unknown = sorted(set(given) - set(Variation._fields))
    if unknown:
        raise DataError(
            f"members cannot be varied by {', '.join(unknown)}",
            next_step=f"known are {', '.join(Variation._fields)}",
        )
    for name in ("layer", "features"):
        if name in given and not 0 < float(given[name]) <= 1:
            raise DataError(f"{name} of a member should be a share above 0 and at most 1")
    return Variation(**given)


def cut_layers(body: Any, share: float, name: str) -> None:
    """Leave only the lower layers of a network, at least one.

    What follows the layers, such as a last norm, stays. Of two layers that are equally near the upper
    one is read.

    Raises:
        ModelError: the network has no plain list of its layers, or only one layer.
    """
    config = body.config.get_text_config()
    many = int(config.num_hidden_layers)
    lists = [
        (parent, child)
        for parent in body.modules()
        for child, module in parent.named_children()
        if isinstance(module, nn.ModuleList) and len(module) == many
    ]
    if len(lists) != 1:
        raise ModelError(
            f"model {name!r} keeps its layers in a way that cannot be cut",
            next_step="leave layers out of the ensemble's by:",
        )
    if many == 1:
        raise ModelError(
            f"members cannot differ by the layer that is read: model {name!r} has only one",
            next_step="leave layers out of the ensemble's by:",
        )
    # Rounding up would leave a network of two layers whole at every depth above a half.
    keep = max(1, math.floor(share * many + 0.5))
    parent, child = lists[0]
    setattr(parent, child, getattr(parent, child)[:keep])
    config.num_hidden_layers = keep
    if getattr(config, "layer_types", None):
        config.layer_types = list(config.layer_types)[:keep]


def hide_features(network: PooledClassifier, share: float, seed: int) -> None:
    """Let the head see a random share of the hidden dimensions, at least one.

    Columns of the head that always meet zero get no gradient and stay zero, so the saved head does
    without the mask.
    """
    width = network.head.in_features
    keep = max(1, round(share * width))
    generator = torch.Generator().manual_seed(seed % 2**63)
    mask = torch.zeros(width)
    mask[torch.randperm(width, generator=generator)[:keep]] = 1.0
    network.seen = mask
