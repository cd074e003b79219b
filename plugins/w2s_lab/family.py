"""The models of the family: their shapes, what they read, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = 2048
CONTEXT = 1024
"""Positions a model is made for."""

FOLDER = Path(__file__).parent / "models"
"""Where the shipped models lie."""


@dataclass(frozen=True)
class Member:
    """One model of the family.

    Attributes:
        name: as recipes call it.
        width: size of a hidden state.
        inner: size of the hidden layer of each block's gated network.
        tokens: what the shares of courses are of; it reads 1.1 times as many, each document once.
        lr: highest learning rate.
    """

    name: str
    width: int
    layers: int
    heads: int
    inner: int
    tokens: int
    lr: float

    def config(self) -> dict[str, Any]:
        """Arguments of a Llama config."""
        return {
            "vocab_size": VOCABULARY,
            "hidden_size": self.width,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "max_position_embeddings": CONTEXT,
            "rope_theta": 100_000.0,
            "attention_bias": True,
            "tie_word_embeddings": True,
            "initializer_range": 0.4 / self.width**0.5,
        }


MEMBERS = {
    member.name: member
    for member in (
        Member("lab-xs", 32, 2, 1, 88, 6_000_000, 1e-2),
        Member("lab-s", 64, 3, 2, 176, 8_000_000, 1e-2),
        Member("lab-m", 128, 4, 4, 352, 10_000_000, 6e-3),
        Member("lab-l", 256, 4, 8, 704, 12_000_000, 4.5e-3),
    )
}
"""From the weakest to the strongest."""


def folder(name: str) -> Path:
    """The folder of a shipped model."""
    return FOLDER / name
