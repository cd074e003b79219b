"""Writing answers for a batch of prompts: shared beginnings, one KV cache a batch, streams of its own for each row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from w2s_hf.sampling import Draws, next_tokens
from w2s_hf.shared_prefix import plan_batches, read

Decode = Callable[[list[int]], str]

Finish = Literal["stop", "length", ""]
"""How an answer ended; empty while it is being written."""


@dataclass
class Writing:
    """One answer to be written.

    Attributes:
        prompt: ids.
        most: at most so many tokens are written.
        draws: how tokens are chosen.
        stop: texts before which the answer ends.
        ids: what was written, without the token that ended it.
        finish: how it ended.
    """

    prompt: list[int]
    most: int
    draws: Draws
    stop: tuple[str, ...] = ()
    ids: list[int] = field(default_factory=list)
    finish: Finish = ""


def write(
    network: Any,
    rows: Sequence[Writing],
    *,
    ends: Collection[int],
    decode: Decode,
    budget: int,
    interrupted: Callable[[], None],
) -> None:
    """Fill in ``ids`` and ``finish`` of every row.

    Args:
        ends: tokens that end an answer.
        decode: ids to text, for rows with ``stop``.
        budget: padded tokens of one batch, answers included.
        interrupted: called before every step; what it raises passes.
    """
    prompts = [row.prompt for row in rows]
    room = [len(row.prompt) + row.most for row in rows]
    for batch in plan_batches(prompts, room, [1] * len(rows), budget):
        interrupted()
        found = read(network, prompts, batch, 1)
        cache, mask = found.cache, found.mask
        writing = [rows[row] for row in batch.rows]
        tokens = next_tokens(found.logits[:, -1].float(), [row.draws for row in writing])
        while True:
            going = [
                at
                for at, (row, token) in enumerate(zip(writing, tokens, strict=True))
                if not row.finish and _goes_on(row, token, ends, decode)
            ]
            if not going:
                break
            interrupted()
            if len(going) <= 0.75 * len(writing):  # finished rows cost as much as others
                index = torch.tensor(going, device=mask.device)
                cache.batch_select_indices(index)
                mask = mask[index]
                writing = [writing[at] for at in going]
                tokens = [tokens[at] for at in going]
            one = torch.ones((len(writing), 1), dtype=mask.dtype, device=mask.device)
            mask = torch.cat([mask, one], dim=1)
            logits = network(
                input_ids=torch.tensor(tokens, device=mask.device)[:, None],
                attention_mask=mask,
                position_ids=mask.sum(1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            ).logits
            tokens = next_tokens(logits[:, -1].float(), [row.draws for row in writing])


def _goes_on(row: Writing, token: int, ends: Collection[int], decode: Decode) -> bool:
    """Take in a token; whether another one is wanted."""
    if token in ends:
        row.finish = "stop"
        return False
    row.ids.append(token)
    if row.stop and any(stop in decode(row.ids) for stop in row.stop):
        row.finish = "stop"
    elif len(row.ids) >= row.most:
        row.finish = "length"
    return not row.finish
