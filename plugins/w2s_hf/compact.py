"""Training only those rows of the input embeddings that occur in the data.

A row that no text contains gets no gradient, so Adam never moves it; yet gradient, clipping and
both moments of the optimizer would be computed for it in every step. Most of a vocabulary is like
that in a fine-tuning set, and in small models most weights are embeddings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

WORTH_IT = 0.75
"""Only when fewer than this share of the rows occur."""


class OccurringRows(nn.Module):
    """Stands in for an ``nn.Embedding``: takes the same ids, holds only the rows ``used``.

    Args:
        whole: the embedding it stands in for; not changed until :meth:`put_back`.
        used: ids that may occur, ascending.
    """

    place: torch.Tensor
    used: torch.Tensor

    def __init__(self, whole: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        place = torch.zeros(whole.num_embeddings, dtype=torch.long)
        place[used] = torch.arange(len(used))
        self.register_buffer("place", place.to(whole.weight.device), persistent=False)
        self.register_buffer("used", used.to(whole.weight.device), persistent=False)
        self.weight = nn.Parameter(whole.weight.detach()[self.used])
        self.embedding_dim = whole.embedding_dim
        pad = whole.padding_idx
        self.padding_idx = None if pad is None or pad not in used else int(place[pad])
        self._whole = [whole]  # in a list, so that its weights are not parameters of this module

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Ids of the whole vocabulary (b, t) to vectors (b, t, d)."""
        return nn.functional.embedding(self.place[input_ids], self.weight, self.padding_idx)

    def put_back(self) -> nn.Embedding:
        """The whole embedding with the rows held here written into it."""
        whole = self._whole[0].to(self.weight.device)
        with torch.no_grad():
            whole.weight[self.used] = self.weight.detach()
        return whole


def compact(body: nn.Module, whole: Any, occurring: npt.NDArray[np.bool_], decay: float) -> bool:
    """Put :class:`OccurringRows` into ``body`` where that changes nothing; whether it was done.

    Not with weight decay, which moves every row; not where the embedding is frozen or of a class
    of its own, which may scale or clip.

    Args:
        whole: the input embedding of ``body``.
        occurring: for each id whether any text holds it, as long as the vocabulary.
        decay: the optimizer's weight decay.
    """
    plain = type(whole) is nn.Embedding and whole.max_norm is None and not whole.sparse
    if not plain or whole.scale_grad_by_freq or decay or not whole.weight.requires_grad:
        return False
    used = np.flatnonzero(occurring)
    if len(used) > WORTH_IT * whole.num_embeddings:
        return False
    tied = [p for _, p in body.named_parameters(remove_duplicate=False) if p is whole.weight]
    if len(tied) > 1:  # something else of the body reads all rows
        return False
    _replace(body, whole, OccurringRows(whole, torch.from_numpy(used)))
    return True


def restore(body: nn.Module) -> None:
    """Undo :func:`compact`, with what was learnt."""
    for module in list(body.modules()):
        if isinstance(module, OccurringRows):
            _replace(body, module, module.put_back())


def _replace(body: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for name, module in list(body.named_modules()):
        if module is old:
            parent, _, leaf = name.rpartition(".")
            setattr(body.get_submodule(parent), leaf, new)
