"""Low-rank adapters around a network (LoRA)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from w2s_hf.config import LoraSettings
from w2s_hf.quiet import quiet
from w2s_toolkit.errors import ModelError


def add_lora(network: Any, settings: LoraSettings, seed: int, task: str | None = None) -> Any:
    """The network, frozen, with adapters drawn from ``seed`` in it.

    Args:
        task: peft's name of what the network is for; None for one without a head.

    Raises:
        ModelError: no layer has one of the names asked for.
    """
    import peft

    lora = peft.LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=settings.target_modules or "all-linear",
        task_type=task,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        try:
            return peft.get_peft_model(network, lora)
        except ValueError as error:
            names = sorted(
                {
                    n.rpartition(".")[2]
                    for n, m in network.named_modules()
                    if isinstance(m, nn.Linear)
                }
            )
            raise ModelError(
                f"adapters cannot be added: {str(error).splitlines()[0]}",
                next_step=f"peft.target_modules can name: {', '.join(names)}",
            ) from error


def merge_lora(adapted: Any) -> Any:
    """The network with its adapters added into the weights: a plain transformers model again."""
    with quiet():
        return adapted.merge_and_unload()
