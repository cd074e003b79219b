"""Lets a language model write answers: batched, greedily, with one KV cache a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from w2s_hf.batches import by_tokens
from w2s_hf.completions import Completions, left_padded
from w2s_hf.quiet import quiet
from w2s_toolkit.contracts import Context


def writing_budget(wanted: int | None, device: str) -> int:
    """Padded tokens of one batch: ``wanted``, or what suits the device."""
    return wanted or (4096 if device == "cpu" else 32_768)


def readers_of(network: Any) -> int:
    """How many networks read each token: one, or the members of a mixture."""
    return int(getattr(network, "readers", 1))


def write_answers(
    network: Any,
    tokenizer: Any,
    rows: Completions,
    ctx: Context,
    *,
    max_new_tokens: int,
    budget: int,
) -> list[str]:
    """Fill in ``rows.answers`` and return them as texts, in row order.

    The most probable token is taken at every place (greedy decoding), so texts follow from prompts
    and weights, up to ties that rounding decides. The end-of-text token is part of ``rows.answers``
    where the model wrote it.
    """
    torch.set_num_threads(ctx.threads)
    device = network.device
    end = int(tokenizer.eos_token_id)
    pad = end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
    lengths = np.array([len(p) + max_new_tokens for p in rows.prompts], dtype=np.int64)
    rows.answers = [[] for _ in rows.prompts]
    with torch.inference_mode(), quiet(), ctx.progress(len(rows), "write") as bar:
        for batch in by_tokens(lengths, budget):
            ids, mask = left_padded([rows.prompts[r] for r in batch], device, pad)
            written = network.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=1,
                eos_token_id=end,
                pad_token_id=pad,
            )[:, ids.shape[1] :].tolist()
            for r, answer in zip(batch, written, strict=True):
                stop = answer.index(end) + 1 if end in answer else len(answer)
                rows.answers[r] = answer[:stop]
            bar.advance(len(batch))
    many = readers_of(network)
    ctx.count("prompt_tokens", many * sum(map(len, rows.prompts)))
    ctx.count("completion_tokens", many * sum(map(len, rows.answers)))
    with quiet():
        texts = tokenizer.batch_decode(rows.answers, skip_special_tokens=True)
    return [str(text).strip() for text in texts]
