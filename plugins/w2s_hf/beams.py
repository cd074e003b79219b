"""Beam search for a batch of prompts: probable answers as a whole, not the most probable token each time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from w2s_hf.generation import Decode, Finish, Writing
from w2s_hf.shared_prefix import plan_batches, read


class _Beam(NamedTuple):
    """What was written so far, and its log-probability."""

    ids: list[int]
    total: float


class _Ended(NamedTuple):
    """A whole answer and its log-probability a token."""

    score: float
    ids: list[int]
    finish: Finish


@dataclass
class _Search:
    """One row's search: beams under way, and the best answers that have ended."""

    row: Writing
    beams: list[_Beam] = field(default_factory=lambda: [_Beam([], 0.0)])
    ended: list[_Ended] = field(default_factory=list)


def search(
    network: Any,
    rows: Sequence[Writing],
    *,
    beams: int,
    ends: Collection[int],
    decode: Decode,
    budget: int,
    interrupted: Callable[[], None],
) -> None:
    """Fill in ``ids`` and ``finish`` of every row, as :func:`~w2s_hf.generation.write` does.

    Of a row's best continuations, those among the first ``beams`` that end are answers, and the best
    others go on. A row is done when it has ``beams`` answers of which none is worse, by log-probability a
    token, than its best beam is by now. This is ``generate(num_beams=...)`` of transformers with its usual
    settings, for many rows at once.

    Args:
        beams: two or more.
        ends: see ``write``, as the other arguments.
    """
    prompts = [row.prompt for row in rows]
    room = [(len(row.prompt) + row.most) * beams for row in rows]
    for batch in plan_batches(prompts, room, [1] * len(rows), budget):
        interrupted()
        found = read(network, prompts, batch, 1)
        cache, mask, logits = found.cache, found.mask, found.logits
        going = [_Search(rows[row]) for row in batch.rows]
        while True:
            parents, going = _step(going, logits[:, -1], beams, ends, decode)
            if not going:
                break
            interrupted()
            if parents != list(range(len(mask))):
                index = torch.tensor(parents, device=mask.device)
                cache.batch_select_indices(index)
                mask = mask[index]
            tokens = [[beam.ids[-1]] for one in going for beam in one.beams]
            mask = torch.cat([mask, mask.new_ones((len(tokens), 1))], dim=1)
            logits = network(
                input_ids=torch.tensor(tokens, device=mask.device),
                attention_mask=mask,
                position_ids=mask.sum(1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            ).logits


def _step(
    going: Sequence[_Search],
    logits: torch.Tensor,
    beams: int,
    ends: Collection[int],
    decode: Decode,
) -> tuple[list[int], list[_Search]]:
    """One more token for every beam, of which ``logits`` (b, V) holds a row each.

    Returns:
        the rows of ``logits`` from which the beams under way come, and the searches that are not done.
    """
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    kept = max(2, 1 + len(ends)) * beams  # so many that ``beams`` of them do not end
    many = min(kept, log_probs.shape[1])
    best = log_probs.topk(many, dim=-1)  # no more than these of one beam can be among a row's best
    values, tokens = best.values.tolist(), best.indices.tolist()
    parents, left, at = list[int](), list[_Search](), 0
    for one in going:
        options = [
            (beam.total + value, at + number, token)
            for number, beam in enumerate(one.beams)
            for value, token in zip(values[at + number], tokens[at + number], strict=True)
        ]
        options.sort(key=lambda option: -option[0])
        before = {at + number: beam.ids for number, beam in enumerate(one.beams)}
        at += len(one.beams)
        chosen = _sorted_out(one, options[:kept], before, beams, ends, decode)
        if _done(one, beams):
            _, one.row.ids, one.row.finish = max(one.ended, key=lambda ended: ended.score)
        else:
            parents += chosen
            left.append(one)
    return parents, left


def _sorted_out(
    one: _Search,
    options: Sequence[tuple[float, int, int]],
    before: dict[int, list[int]],
    beams: int,
    ends: Collection[int],
    decode: Decode,
) -> list[int]:
    """Put a row's best continuations among its answers or its beams; where the beams come from."""
    row, one.beams = one.row, []
    parents = list[int]()
    for rank, (total, parent, token) in enumerate(options):
        ids = before[parent] if token in ends else [*before[parent], token]
        written = len(before[parent]) + 1
        finish: Finish = ""
        if token in ends or (row.stop and any(stop in decode(ids) for stop in row.stop)):
            finish = "stop"
        elif written >= row.most:
            finish = "length"
        if not finish:
            if len(one.beams) < beams:
                one.beams.append(_Beam(ids, total))
                parents.append(parent)
        elif rank < beams:
            one.ended.append(_Ended(total / written, ids, finish))
    one.ended = sorted(one.ended, key=lambda ended: -ended.score)[:beams]
    return parents


def _done(one: _Search, beams: int) -> bool:
    """Whether no beam can still become better than the answers there are, or none is left."""
    if not one.beams:
        return True
    reached = one.beams[0].total / len(one.beams[0].ids)
    return len(one.ended) == beams and one.ended[-1].score >= reached
