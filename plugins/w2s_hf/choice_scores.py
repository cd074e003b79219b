"""Log-likelihood of answers after a prompt under a language model.

Where prompt and answer meet, tokens may join (": yes" as one token). So each answer is tokenised
together with its prompt, and scored from the first token that is not common to the prompt and all
of its answers: the answers of a row are then compared over exactly the text in which they differ
from the prompt, however it is cut. A blank is put between prompt and answer unless the prompt ends
in white space.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from w2s_hf.batches import by_tokens
from w2s_hf.model import HFModel
from w2s_hf.quiet import quiet
from w2s_hf.tokens import Tokens, from_lists, length_limit, require_vocabulary
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import FloatArray
from w2s_toolkit.errors import ModelError


class Question(NamedTuple):
    """A prompt and the answers whose likelihoods are wanted."""

    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class _Target:
    """Tokens to be scored: of answer ``answer`` of row ``row``, the first at ``start``."""

    row: int
    answer: int
    start: int
    ids: list[int]


def log_likelihoods(
    model: HFModel, questions: Sequence[Question], ctx: Context, *, mean: bool, budget: int
) -> FloatArray:
    """Log-likelihood (n, K) of every answer; with ``mean``, per token.

    Answers that share all tokens but the last are scored in one pass, since what a model reads
    ends one token before what it is asked for.

    Raises:
        ModelError: an answer gives no token, or does not fit into the model's context.
    """
    torch.set_num_threads(ctx.threads)
    inputs, targets = _prepare(model, questions, ctx)
    require_vocabulary(inputs, _vocabulary(model, ctx), model)
    network = model.language_model(ctx)
    keeps = "logits_to_keep" in inspect.signature(network.forward).parameters
    scores = np.zeros((len(questions), len(questions[0].answers)))
    with torch.inference_mode(), ctx.progress(len(inputs), "label") as bar:
        for rows in by_tokens(inputs.lengths, budget):
            _score(network, inputs, targets, rows, scores, model.device, keeps=keeps, mean=mean)
            bar.advance(len(rows))
    ctx.count("prompt_tokens", len(inputs.flat))
    return scores


def _score(
    network: Any,
    inputs: Tokens,
    targets: list[list[_Target]],
    rows: Any,
    scores: FloatArray,
    device: torch.device,
    *,
    keeps: bool,
    mean: bool,
) -> None:
    """Fill in the scores of one batch of inputs."""
    batch = inputs.batch(rows, device)
    # Logits are made only at positions that some row of the batch needs: over a vocabulary of
    # 150,000 they would otherwise dwarf the model.
    wanted = [t for r in rows for t in targets[r]]
    used = sorted({t.start - 1 + j for t in wanted for j in range(len(t.ids))})
    options: dict[str, Any] = {"use_cache": False}
    if keeps:
        options["logits_to_keep"] = torch.tensor(used, device=device)
    logits = network(**batch, **options).logits
    column = {p: i for i, p in enumerate(used)} if keeps else {p: p for p in used}

    at_row, at_column, ids = [], [], []
    for place, r in enumerate(rows):
        for target in targets[r]:
            for j, token in enumerate(target.ids):
                at_row.append(place)
                at_column.append(column[target.start - 1 + j])
                ids.append(token)
    picked = logits[torch.tensor(at_row, device=device), torch.tensor(at_column, device=device)]
    log_probs = torch.log_softmax(picked.float(), dim=-1)
    values = log_probs.gather(1, torch.tensor(ids, device=device)[:, None])[:, 0].double().cpu()
    at = 0
    for target in wanted:
        part = values[at : at + len(target.ids)].numpy()
        scores[target.row, target.answer] = part.mean() if mean else part.sum()
        at += len(target.ids)


def _prepare(
    model: HFModel, questions: Sequence[Question], ctx: Context
) -> tuple[Tokens, list[list[_Target]]]:
    tokenizer = model.tokenizer(ctx)
    limit = length_limit(tokenizer, model.transformers_config(ctx), model.config.max_length)
    start_ids = beginning(tokenizer)
    texts: list[str] = []
    for q in questions:
        gap = "" if q.prompt[-1:].isspace() or not q.prompt else " "
        texts += [q.prompt, *(f"{q.prompt}{gap}{answer}" for answer in q.answers)]
    with quiet():
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]

    inputs: list[tuple[int, ...]] = []
    targets: list[list[_Target]] = []
    truncated, at = 0, 0
    for row, question in enumerate(questions):
        group = ids[at : at + 1 + len(question.answers)]
        at += len(group)
        common = _common(group)
        needed = max(len(answer) for answer in group[1:]) - common
        if min(len(answer) for answer in group[1:]) == common:
            raise ModelError(
                f"an answer of {list(question.answers)} gives no token of its own after its prompt",
                where=str(model.name),
                next_step="use answers that the model's tokenizer can write and tell apart",
            )
        room = None if limit is None else limit - needed - len(start_ids) + 1
        if room is not None and room < 1:
            raise ModelError(
                f"an answer of {needed} tokens does not fit into {limit} tokens",
                where=str(model.name),
            )
        cut = 0 if room is None else max(0, common - room)
        truncated += cut > 0
        first: dict[tuple[int, ...], int] = {}
        for number, answer in enumerate(group[1:]):
            whole = [*start_ids, *answer[cut:]]
            start = len(start_ids) + common - cut
            if start == 0:
                raise ModelError(
                    "the prompt is empty and the tokenizer has no token to begin with",
                    where=str(model.name),
                    next_step="give the template some text before the answer",
                )
            read = tuple(whole[:-1])
            if read not in first:
                first[read] = len(inputs)
                inputs.append(read)
                targets.append([])
            targets[first[read]].append(_Target(row, number, start, whole[start:]))
    if truncated:
        ctx.count("truncated", truncated)
        ctx.warn(
            "truncated",
            f"{truncated} of {len(questions)} prompts were cut at the front to fit {limit} tokens "
            f"of model {model.name!r}",
        )
    return from_lists(inputs), targets


def _common(group: list[list[int]]) -> int:
    """Length of the longest prefix that all lists share."""
    shortest, longest = min(group), max(group)
    for i, token in enumerate(shortest):
        if i >= len(longest) or token != longest[i]:
            return i
    return len(shortest)


def beginning(tokenizer: Any) -> list[int]:
    """The token that the tokenizer puts before every text, if any."""
    with quiet():
        around = tokenizer("")["input_ids"]
    begin = tokenizer.bos_token_id
    if begin is not None and begin in around[:1]:
        return [int(begin)]
    return []


def _vocabulary(model: HFModel, ctx: Context) -> int:
    return int(model.language_model(ctx).get_input_embeddings().weight.shape[0])
