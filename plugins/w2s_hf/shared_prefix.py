"""Batches of prompts of which many begin alike: what they share is read once.

Prompts of one example (two debaters, two orders, several samples) share a system prompt and a text.
:func:`plan_batches` puts such prompts together, and :func:`read` computes keys and values of what they share
once a group, copies them to the rows, and then reads what differs. Everything is padded on the left,
so that the last token of each row stands in the last column.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import transformers

SHORTEST = 16
"""Tokens that a shared beginning has at least."""

WORTH = 0.75
"""Beginnings are shared where this share of the padded tokens, or less, is then read."""


@dataclass(frozen=True)
class Batch:
    """Rows that are read together.

    Attributes:
        rows: numbers of the prompts.
        stems: length of the shared beginning of each group; empty where nothing is shared.
        group: for each row the number of its group.
    """

    rows: list[int]
    stems: list[int]
    group: list[int]


class Read(NamedTuple):
    """What reading a batch gives: logits (b, keep, V) of the last columns, cache, mask (b, t)."""

    logits: torch.Tensor
    cache: Any
    mask: torch.Tensor


def plan_batches(
    prompts: Sequence[Sequence[int]], room: Sequence[int], keeps: Sequence[int], budget: int
) -> list[Batch]:
    """All prompts in batches of at most ``budget`` padded tokens, groups that begin alike together.

    A function of the prompts, whatever their order, as long as no two are equal.

    Args:
        prompts: ids, at least one each.
        room: tokens that each row will need in all.
        keeps: last tokens of each row that logits are wanted of; they are never shared.
        budget: at least one row is in a batch whatever it says.
    """
    batches, held, widest, many = list[Batch](), list[list[int]](), 0, 0
    groups = _groups(prompts)
    for group in sorted(groups, key=lambda g: (-max(room[r] for r in g), list(prompts[g[0]]))):
        held.append([])
        for row in group:
            if many and max(widest, room[row]) * (many + 1) > budget:
                batches.append(_batch(prompts, keeps, held))
                held, widest, many = [[]], 0, 0
            held[-1].append(row)
            widest, many = max(widest, room[row]), many + 1
    return [*batches, _batch(prompts, keeps, held)] if many else batches


def _groups(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Prompts in lexical order, cut where two neighbours share less than half of the shorter one."""
    order = sorted(range(len(prompts)), key=lambda row: list(prompts[row]))
    groups = list[list[int]]()
    stem = 0
    for row in order:
        if groups:
            first = prompts[groups[-1][0]]
            common = min(stem, _common(first, prompts[row]))
            shortest = min(len(first), len(prompts[row]))
            if common >= max(SHORTEST, shortest // 2):
                groups[-1].append(row)
                stem = common
                continue
        groups.append([row])
        stem = len(prompts[row]) - 1
    return groups


def _batch(prompts: Sequence[Sequence[int]], keeps: Sequence[int], held: list[list[int]]) -> Batch:
    """A batch of groups in lexical order; nothing is shared where that saves too little."""
    groups = [group for group in held if group]
    rows = [row for group in groups for row in group]
    stems = []
    for group in groups:
        # In lexical order the first and the last differ the earliest.
        common = _common(prompts[group[0]], prompts[group[-1]])
        stems.append(min(common, *(len(prompts[row]) - keeps[row] for row in group)))
    number = [g for g, group in enumerate(groups) for _ in group]
    rest = max(len(prompts[row]) - stems[g] for row, g in zip(rows, number, strict=True))
    whole = len(rows) * max(len(prompts[row]) for row in rows)
    if min(stems) < 1 or len(groups) * max(stems) + len(rows) * rest > WORTH * whole:
        return Batch(rows, [], [])
    return Batch(rows, stems, number)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    for at, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return at
    return min(len(first), len(second))


def read(network: Any, prompts: Sequence[Sequence[int]], batch: Batch, keep: int) -> Read:
    """Read the prompts of a batch; ``keep`` is how many last columns logits are wanted of.

    Every row has at least ``keep`` tokens after its shared beginning.
    """
    device = network.device
    cache: Any = transformers.DynamicCache(config=network.config)
    rest = [prompts[row] for row in batch.rows]
    mask = torch.zeros((len(rest), 0), dtype=torch.int64, device=device)
    if batch.stems:
        firsts = [batch.group.index(number) for number in range(len(batch.stems))]
        stems = [rest[at][:n] for at, n in zip(firsts, batch.stems, strict=True)]
        ids, stem_mask = _left_padded(stems, device)
        _forward(network, ids, stem_mask, stem_mask, cache, 1)
        index = torch.tensor(batch.group, device=device)
        cache.batch_select_indices(index)
        mask = stem_mask[index]
        rest = [row[batch.stems[g] :] for row, g in zip(rest, batch.group, strict=True)]
    ids, own = _left_padded(rest, device)
    mask = torch.cat([mask, own], dim=1)
    return Read(_forward(network, ids, own, mask, cache, keep), cache, mask)


def _forward(
    network: Any, ids: torch.Tensor, own: torch.Tensor, mask: torch.Tensor, cache: Any, keep: int
) -> torch.Tensor:
    """Logits (b, keep, V). ``own`` is the part of ``mask`` that belongs to ``ids``."""
    places = (mask.cumsum(1) - 1).clamp(min=0)[:, mask.shape[1] - own.shape[1] :]
    options: dict[str, Any] = {}
    # Over a large vocabulary, logits of every column would dwarf the model.
    if "logits_to_keep" in inspect.signature(network.forward).parameters:
        options["logits_to_keep"] = keep
    logits: torch.Tensor = network(
        input_ids=ids,
        attention_mask=mask,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        **options,
    ).logits
    return logits[:, -keep:]


def _left_padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor(
        [[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device
    )
    return ids, mask
