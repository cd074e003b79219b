"""Log-likelihood of several answers to each of many prompts, batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from w2s_hf.shared_prefix import plan_batches, read


@dataclass(frozen=True)
class Choices:
    """A prompt and its answers, as ids; none is empty."""

    prompt: list[int]
    choices: list[list[int]]


class _Target(NamedTuple):
    """The answer ``choice`` of row ``row``: the last tokens of an input, and one more."""

    row: int
    choice: int
    ids: list[int]


def score_choices(
    network: Any, rows: Sequence[Choices], *, budget: int, interrupted: Callable[[], None]
) -> list[list[float]]:
    """Log-likelihood in nats of each choice of each row.

    What a model reads ends one token before what it is asked for, so choices of one token are all scored
    by one pass over the prompt. Equal inputs are read once, and a score does not depend on the order of
    rows or of choices.

    Args:
        budget: padded tokens of one batch.
        interrupted: called before every batch; what it raises passes.
    """
    wanted: dict[tuple[int, ...], list[_Target]] = {}
    for number, row in enumerate(rows):
        for choice, ids in enumerate(row.choices):
            wanted.setdefault((*row.prompt, *ids[:-1]), []).append(_Target(number, choice, ids))
    inputs = sorted(wanted)
    keeps = [max(len(target.ids) for target in wanted[one]) for one in inputs]
    scores = [[0.0] * len(row.choices) for row in rows]
    for batch in plan_batches(inputs, list(map(len, inputs)), keeps, budget):
        interrupted()
        keep = max(keeps[which] for which in batch.rows)
        logits = read(network, inputs, batch, keep).logits
        at_row, at_column, at_token, targets = [], [], [], list[_Target]()
        for place, which in enumerate(batch.rows):
            for target in wanted[inputs[which]]:
                targets.append(target)
                for step, token in enumerate(target.ids):
                    at_row.append(place)
                    at_column.append(logits.shape[1] - len(target.ids) + step)
                    at_token.append(token)
        index = [torch.tensor(one, device=logits.device) for one in (at_row, at_column, at_token)]
        log_probs = torch.log_softmax(logits[index[0], index[1]].float(), dim=-1)
        found = log_probs.gather(1, index[2][:, None])[:, 0].double().tolist()
        for target in targets:
            many = len(target.ids)
            scores[target.row][target.choice] = float(sum(found[:many]))
            found = found[many:]
    return scores
