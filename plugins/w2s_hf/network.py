"""A transformers body with a linear head that starts at zero."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from w2s_hf import pooling as pool_by
from w2s_hf.adapters import save_adapters
from w2s_hf.model import HFModel, files_digest
from w2s_hf.quiet import quiet
from w2s_toolkit.errors import ModelError

FOLDER = "model"
"""Folder of a trained classifier inside its artefact."""


class PooledClassifier(nn.Module):
    """Logits of K classes from one pooled hidden state.

    The head is float32 and zero at first, so every text begins at exactly 1/K and the first steps
    move no random direction into the body (Burns et al. 2023, appendix A, initialise it from the
    unembeddings or at random; zero needs neither and makes class names interchangeable).

    Args:
        body: a network without a head.
        classes: K, the number of outputs.
        pooling: see :mod:`w2s_hf.pooling`.
    """

    def __init__(self, body: Any, classes: int, pooling: pool_by.Pooling) -> None:
        super().__init__()
        if pooling != "own" and getattr(body, "pooler", None) is not None:
            body.pooler = None  # its weights would get no gradient and be saved untrained
        self.body = body
        self.pooling = pooling
        # Made on no device first: nn.Linear would draw numbers nobody wants from the global
        # generator.
        head = nn.Linear(hidden_size(body), classes, dtype=torch.float32, device="meta")
        self.head = head.to_empty(device="cpu")
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # Which dimensions the head sees; all without a mask. Not saved: see member.hide_features.
        self.seen: torch.Tensor | None
        self.register_buffer("seen", None, persistent=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask (b, t) to float32 logits (b, K)."""
        options = {"use_cache": False} if hasattr(self.body.config, "use_cache") else {}
        outputs = self.body(input_ids=input_ids, attention_mask=attention_mask, **options)
        vector = pool_by.pool(outputs, attention_mask, self.pooling)
        if self.seen is not None:
            vector = vector * self.seen.to(vector.dtype)
        with torch.autocast(vector.device.type, enabled=False):
            logits: torch.Tensor = self.head(vector.float())
        return logits


def round_weights(network: PooledClassifier, dtype: torch.dtype) -> PooledClassifier:
    """Keep the matrices of a network that will only predict in the format autocast computes in.

    Autocast would round them to the same numbers again in every batch.
    """
    if dtype is not torch.float32:
        for module in network.body.modules():
            if isinstance(module, nn.Linear | Conv1D):
                module.to(dtype)
    return network


def trained_parameters(network: PooledClassifier) -> dict[str, nn.Parameter]:
    """What training changes, by name."""
    return {n: p for n, p in network.named_parameters() if p.requires_grad}


def hidden_size(body: Any) -> int:
    """Width of the hidden states."""
    return int(body.config.get_text_config().hidden_size)


def save(
    network: PooledClassifier,
    folder: Path,
    tokenizer: Any,
    classes: Sequence[str],
    details: dict[str, Any],
    base: str | None = None,
) -> str:
    """Write body, tokenizer, ``head.safetensors`` and ``head.json``; return :func:`weights_digest`.

    ``base`` says that the body is adapters in a network of that name, which alone are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body: Any = network.body
    if base is not None:
        save_adapters(body, folder, base)
    with quiet():
        if base is None:
            body.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    head = {k: v.detach().cpu().contiguous() for k, v in network.head.state_dict().items()}
    save_file(head, folder / "head.safetensors")
    about = {"pooling": network.pooling, "classes": list(classes), **details}
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "head.json").write_text(text + "\n", "utf-8")
    return weights_digest(folder)


def load(folder: Path, model: HFModel, dtype: torch.dtype) -> PooledClassifier:
    """Read what :func:`save` wrote.

    Raises:
        ModelError: a file is missing or broken.
    """
    return with_head(model.new_body(dtype, folder), folder)


def with_head(body: Any, folder: Path) -> PooledClassifier:
    """A body with the head that :func:`save` wrote.

    Raises:
        ModelError: a file is missing or broken.
    """
    try:
        about = json.loads((folder / "head.json").read_text("utf-8"))
        head = load_file(folder / "head.safetensors")
    except Exception as error:  # safetensors has an error class of its own for a broken file
        raise ModelError(
            f"the trained classifier cannot be read: {error}",
            where=str(folder),
            next_step="remove its stage from the store with `w2s cache` and run again",
        ) from error
    network = PooledClassifier(body, len(about["classes"]), about["pooling"])
    network.head.load_state_dict(head)
    return network


def weights_digest(folder: Path) -> str:
    """Hash of every weight file and the head's description, by name and content."""
    return files_digest([*folder.glob("*.safetensors"), folder / "head.json"])
