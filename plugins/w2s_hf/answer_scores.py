"""How probable given answers are under a language model, token by token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from w2s_hf.batches import by_tokens
from w2s_hf.completions import Completions, right_padded
from w2s_toolkit.contracts import Context
from w2s_toolkit.jagged import Jagged

Logits = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Ids and mask (b, t), padded on the right, to logits or log-probabilities (b, t, V)."""

LOGITS_HELD = 2**26
"""Numbers of one batch of logits: over a large vocabulary they dwarf the model."""


def score_answers(
    logits_of: Logits,
    rows: Completions,
    ctx: Context,
    *,
    device: torch.device,
    budget: int,
    vocabulary: int,
    label: str = "score",
) -> tuple[Jagged, Jagged]:
    """Log-probability in nats of every answer token, and whether it is the most probable one.

    Each token is read given the prompt and the answer's tokens before it (teacher forcing).

    Args:
        budget: padded tokens of one batch.
        vocabulary: V.
    """
    torch.set_num_threads(ctx.threads)
    lengths = np.array(rows.lengths, dtype=np.int64)
    log_probs: list[npt.NDArray[np.float64]] = [np.zeros(0)] * len(rows)
    hits: list[npt.NDArray[np.bool_]] = [np.zeros(0, np.bool_)] * len(rows)
    budget = max(1, min(budget, LOGITS_HELD // max(1, vocabulary)))
    with torch.inference_mode(), ctx.progress(len(rows), label) as bar:
        for batch in by_tokens(lengths, budget):
            whole = [rows.prompts[r] + rows.answers[r] for r in batch]
            ids, mask = right_padded([row[:-1] for row in whole], device)
            logits = logits_of(ids, mask)
            for place, r in enumerate(batch):
                first, many = len(rows.prompts[r]) - 1, len(rows.answers[r])
                at = torch.log_softmax(logits[place, first : first + many].float(), dim=-1)
                wanted = torch.tensor(rows.answers[r], device=device)
                picked = at.gather(1, wanted[:, None])[:, 0]
                log_probs[r] = picked.double().cpu().numpy()
                hits[r] = (at.argmax(-1) == wanted).cpu().numpy()
            bar.advance(len(batch))
    return Jagged.of(log_probs), Jagged.of(hits, np.bool_)
