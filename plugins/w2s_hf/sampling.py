"""Which token comes next: the most probable one, or one drawn by a stream of the request's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass
class Draws:
    """How one answer is drawn.

    Attributes:
        temperature: 0 takes the most probable token.
        top_p: draw from the smallest set of tokens with at least this much probability.
        seed, sample: name the stream of random numbers, one number a token. Whatever else is in the
            batch, the same stream is used.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        self._stream = np.random.default_rng([self.seed & (2**63 - 1), self.sample])

    def uniform(self) -> float:
        """The next number of the stream, in [0, 1)."""
        return float(self._stream.random())


def next_tokens(logits: torch.Tensor, draws: list[Draws]) -> list[int]:
    """One token a row of ``logits`` (b, V)."""
    chosen: list[int] = logits.argmax(-1).tolist()
    rows = [row for row, one in enumerate(draws) if one.temperature > 0]
    if not rows:
        return chosen

    def column(values: list[float]) -> Any:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    some = [draws[row] for row in rows]
    heat = column([one.temperature for one in some])
    probs = torch.softmax(logits[rows].double() / heat, dim=-1)
    # Stable: equal probabilities keep the order of their tokens, on every device.
    ordered, tokens = probs.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    ordered = ordered.masked_fill(before >= column([one.top_p for one in some]), 0.0)
    reached = ordered.cumsum(-1)
    at = (reached <= column([one.uniform() for one in some]) * reached[:, -1:]).sum(-1)
    picked = tokens.gather(1, at.clamp(max=tokens.shape[1] - 1)[:, None])[:, 0].tolist()
    for row, token in zip(rows, picked, strict=True):
        chosen[row] = token
    return chosen
