"""Weights to begin with: random ones, but for one head that looks at the token before."""

from __future__ import annotations

from typing import Any

import torch

SHARP = 6.0
"""Length of query and key in each pair of dimensions that turns fast enough."""

FAST = 5e-2
"""Radians a token: slower pairs cannot tell neighbours apart."""


@torch.no_grad()
def begin(model: Any) -> None:
    """Let the first head of a fresh Llama ``model`` look at the token before.

    What a text holds can be looked up once a head knows what stood before each token; models of this
    size need millions of tokens to find that out (Olsson et al., "In-context learning and induction
    heads", 2022). A rough form of what training arrives at is a good beginning (Trockman and Kolter,
    "Mimetic initialization of self-attention layers", 2023); training is free to change it. Query and
    key are biases, the same everywhere, that differ by a turn of one position.
    """
    attention = model.model.layers[0].self_attn
    turns = model.model.rotary_emb.inv_freq.detach().cpu()
    scale = torch.where(turns > FAST, SHARP, 0.0)
    query = torch.cat([scale, torch.zeros_like(turns)])
    key = torch.cat([scale * torch.cos(turns), scale * torch.sin(turns)])
    for projection, bias in ((attention.q_proj, query), (attention.k_proj, key)):
        projection.weight[: len(bias)] *= 0.1
        projection.bias[: len(bias)] = bias
