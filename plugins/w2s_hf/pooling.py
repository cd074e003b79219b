"""One vector per text from a network's hidden states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from w2s_hf import hub
from w2s_toolkit.errors import ModelError

Pooling = Literal["last", "first", "mean", "own"]


def choose(wanted: str, body: nn.Module, config: Any, folder: Path, name: str) -> Pooling:
    """What ``auto`` means for this model; any other value after a check.

    A decoder is read at its last real token. An encoder is read as sentence-transformers says in
    ``1_Pooling/config.json``, else by its own pooling layer if the checkpoint holds its weights,
    else at its first token.

    Raises:
        ModelError: ``own`` was asked of a model without a pooling layer.
    """
    has_own = getattr(body, "pooler", None) is not None
    if wanted == "own" and not has_own:
        raise ModelError(
            f"model {name!r} has no pooling layer in its checkpoint",
            where=str(folder),
            next_step="set pooling: auto",
        )
    if wanted in ("last", "first", "mean", "own"):
        return wanted  # type: ignore[return-value]
    if hub.family(config.to_dict()) != "encoder":
        return "last"
    return _sentence_pooling(folder) or ("own" if has_own else "first")


def pool(outputs: Any, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Hidden states (b, t, d) and mask (b, t) to (b, d)."""
    if pooling == "own":
        own: torch.Tensor = outputs.pooler_output
        return own
    hidden: torch.Tensor = outputs.last_hidden_state
    if pooling == "mean":
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1)
    at = last_real(mask) if pooling == "last" else first_real(mask)
    return hidden[torch.arange(len(hidden), device=hidden.device), at]


def last_real(mask: torch.Tensor) -> torch.Tensor:
    """Position of the last real token of each row, (b,), whatever side is padded.

    Found by the mask alone: comparing ids with a pad id fails where a real token has that id.
    """
    positions = torch.arange(mask.shape[1], device=mask.device)
    return (mask * (positions + 1)).argmax(1)


def first_real(mask: torch.Tensor) -> torch.Tensor:
    """Position of the first real token of each row, (b,)."""
    return mask.argmax(1)


def _sentence_pooling(folder: Path) -> Pooling | None:
    try:
        raw = json.loads((folder / "1_Pooling" / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if raw.get("pooling_mode_mean_tokens"):
        return "mean"
    if raw.get("pooling_mode_cls_token"):
        return "first"
    return "last" if raw.get("pooling_mode_lasttoken") else None
