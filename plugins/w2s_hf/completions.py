"""Prompts and answers as tokens, for models that write.

An answer is tokenised together with its prompt, so that it gets the tokens it would have in running
text, and followed by the end-of-text token. Prompts that are too long lose their front, answers
that are too long their end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from w2s_hf.choice_scores import beginning
from w2s_hf.model import HFModel
from w2s_hf.quiet import quiet
from w2s_hf.sft_config import WritingConfig
from w2s_hf.tokens import length_limit
from w2s_hf.zero_shot import render
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset
from w2s_toolkit.errors import DataError, ModelError
from w2s_toolkit.evidence import evidence_text

IGNORED = -100
"""Label of tokens that are not to be learnt, by torch's convention."""


@dataclass
class Completions:
    """n prompts and answers as token ids.

    Attributes:
        prompts: ids a model reads, beginning with the tokenizer's own first token if it has one.
        answers: ids it should write, the end-of-text token included unless the answer was cut.
        cut: number of rows that lost something.
    """

    prompts: list[list[int]]
    answers: list[list[int]] = field(default_factory=list)
    cut: int = 0

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row, prompt and answer."""
        return [len(p) + len(a) for p, a in zip(self.prompts, self.answers, strict=True)]


def require_generation(data: Dataset) -> None:
    """Refuse data whose answers are classes.

    Raises:
        DataError: it is no generation task, or it is empty.
    """
    if data.info.kind != "generation":
        raise DataError(
            f"answers are written only in a generation task; this one is {data.info.kind}",
            where=data.name,
            next_step="use students/classifier and supervisors/finetuned for classes",
        )
    if len(data) == 0:
        raise DataError("there are no rows", where=data.name, next_step="check task.splits")


def prompts_of(data: Dataset, template: str) -> list[str]:
    """What a model reads of each row before it answers."""
    return [
        render(
            template,
            prompt=e.prompt,
            question=data.info.question,
            evidence=evidence_text(e.evidence),
        )
        for e in data
    ]


def tokenise_pairs(
    model: HFModel, config: WritingConfig, data: Dataset, answers: Sequence[str], ctx: Context
) -> Completions:
    """Prompts of ``data`` with ``answers``, n texts; warns of what was cut.

    Raises:
        ModelError: the tokenizer has no end-of-text token.
    """
    tokenizer, limit = _tokenizer(model, config, ctx)
    start, end = beginning(tokenizer), int(tokenizer.eos_token_id)
    prompts = prompts_of(data, config.template)
    joined = [p + _gap(p) + a for p, a in zip(prompts, answers, strict=True)]
    with quiet():
        read: list[list[int]] = tokenizer(prompts, add_special_tokens=False)["input_ids"]
        whole: list[list[int]] = tokenizer(joined, add_special_tokens=False)["input_ids"]
        for row, (prompt, both) in enumerate(zip(read, whole, strict=True)):
            if both[: len(prompt)] != prompt:
                # Prompt and answer melt into one token, so the answer keeps the tokens it has by itself:
                # the prompt must be what it is when the answer is still to be written.
                apart = joined[row][len(prompts[row]) :]
                whole[row] = prompt + tokenizer(apart, add_special_tokens=False)["input_ids"]
    made = Completions([], [])
    for prompt, both in zip(read, whole, strict=True):
        answer = [*both[len(prompt) :], end]
        # A first token can only be learned or rated after another one.
        prompt = prompt if prompt or start else [end]
        room = None if limit is None else limit - len(start)
        short, kept = _fit(prompt, answer, room)
        made.cut += len(short) < len(prompt) or len(kept) < len(answer)
        made.prompts.append([*start, *short])
        made.answers.append(kept)
    _report(made, limit, model, ctx)
    return made


def tokenise_prompts(
    model: HFModel, config: WritingConfig, data: Dataset, ctx: Context
) -> Completions:
    """Prompts of ``data`` with room for an answer; warns of what was cut."""
    tokenizer, limit = _tokenizer(model, config, ctx)
    start = beginning(tokenizer)
    with quiet():
        read = tokenizer(prompts_of(data, config.template), add_special_tokens=False)["input_ids"]
    made = Completions([])
    room = None if limit is None else limit - len(start) - config.max_new_tokens
    if room is not None and room < 1:
        raise ModelError(
            f"{config.max_new_tokens} new tokens do not fit into the {limit} of {model.name!r}",
            next_step="lower max_new_tokens",
        )
    for prompt in read:
        short = prompt if room is None else prompt[max(0, len(prompt) - room) :]
        made.cut += len(short) < len(prompt)
        made.prompts.append([*start, *short] or [int(tokenizer.eos_token_id)])
    _report(made, limit, model, ctx)
    return made


def _fit(prompt: list[int], answer: list[int], room: int | None) -> tuple[list[int], list[int]]:
    """Both cut to ``room`` tokens: the prompt at the front, then the answer at the end."""
    if room is None or len(prompt) + len(answer) <= room:
        return prompt, answer
    answer = answer[: room - 1]  # at least one token has to be read before the first is written
    return prompt[max(0, len(prompt) - (room - len(answer))) :], answer


def _gap(prompt: str) -> str:
    return "" if not prompt or prompt[-1].isspace() else " "


def _tokenizer(model: HFModel, config: WritingConfig, ctx: Context) -> tuple[Any, int | None]:
    tokenizer = model.tokenizer(ctx)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of {model.name!r} has no end-of-text token, so answers could not end",
            where=str(model.folder),
            next_step="set eos_token in its tokenizer_config.json",
        )
    network = model.transformers_config(ctx)
    return tokenizer, length_limit(tokenizer, network, config.max_length, model.config.max_length)


def _report(made: Completions, limit: int | None, model: HFModel, ctx: Context) -> None:
    if made.cut:
        ctx.count("truncated", made.cut)
        ctx.warn(
            "truncated",
            f"{made.cut} of {len(made)} rows were cut to {limit} tokens of model {model.name!r}",
        )


def right_padded(
    rows: Sequence[Sequence[int]], device: torch.device, fill: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both (b, longest)."""
    return _padded(rows, device, fill, left=False)


def left_padded(
    rows: Sequence[Sequence[int]], device: torch.device, fill: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both (b, longest), with the padding before the ids."""
    return _padded(rows, device, fill, left=True)


def _padded(
    rows: Sequence[Sequence[int]], device: torch.device, fill: int, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), fill, dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[number, place] = torch.tensor(list(row), dtype=torch.int64)
        mask[number, place] = 1
    return ids.to(device), mask.to(device)
