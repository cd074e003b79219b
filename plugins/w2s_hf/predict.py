"""Class probabilities of texts from a trained network."""

from __future__ import annotations

import numpy as np
import torch

from w2s_hf.batches import by_tokens, label_budget
from w2s_hf.network import PooledClassifier
from w2s_hf.tokens import Tokens
from w2s_hf.train import autocast
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import FloatArray


def predict_logits(
    network: PooledClassifier,
    tokens: Tokens,
    ctx: Context,
    *,
    dtype: torch.dtype,
    budget: int | None,
    label: str = "label",
) -> FloatArray:
    """Logits (n, K) in row order; batches are made by length and every row is kept."""
    torch.set_num_threads(ctx.threads)
    device = network.head.weight.device
    out = np.zeros((len(tokens), network.head.out_features))
    with torch.inference_mode(), ctx.progress(len(tokens), label) as bar:
        for rows in by_tokens(tokens.lengths, label_budget(budget, device.type)):
            with autocast(device, dtype):
                logits = network(**tokens.batch(rows, device))
            out[rows] = logits.double().cpu().numpy()
            bar.advance(len(rows))
    return out


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities (n, K) of logits (n, K), in float64."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))
