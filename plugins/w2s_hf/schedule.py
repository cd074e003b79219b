"""The learning rate as a function of the step, so that training can be entered anywhere."""

from __future__ import annotations

import math
from typing import Literal


def lr_factor(
    step: int, total: int, warmup: float, shape: Literal["cosine", "linear", "constant"]
) -> float:
    """Factor on the highest learning rate at ``step`` of ``total``, counted from 0.

    It rises over ``warmup · total`` steps, then falls to zero after the last step.
    """
    rising = warmup * total
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(1.0, total - rising)
    if shape == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if shape == "linear" else 1.0
