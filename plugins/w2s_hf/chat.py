"""A transformers model that answers chats in this process, see :class:`w2s_toolkit.contracts.ChatModel`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

import torch

from w2s_hf.beams import search
from w2s_hf.chat_scores import Choices, score_choices
from w2s_hf.chat_text import ChatText, Encoded
from w2s_hf.generation import Writing, write
from w2s_hf.memory import out_of_memory
from w2s_hf.model import HFModel
from w2s_hf.quiet import quiet
from w2s_hf.sampling import Draws
from w2s_hf.tokens import length_limit
from w2s_hf.train import autocast
from w2s_toolkit.contracts import (
    ChatFailure,
    ChatRequest,
    ChatResult,
    ChatUsage,
    ChoiceScores,
    Context,
    ModelInfo,
)
from w2s_toolkit.errors import ModelError, W2SError

T = TypeVar("T")

_COMPUTING = threading.Lock()
"""Torch work of one process happens one call at a time; calls of hosted models go on meanwhile."""


class InterruptedChat(Exception):  # noqa: N818
    """The chat was closed while a batch was being computed."""


class HFChat:
    """Chats with one model, batched.

    Which requests are batched together follows from the requests of one call alone. A prompt that does
    not fit into the model's context fails by itself, as ``rejected``.

    Args:
        model: what is asked.
        ctx: of the stage; counts ``prompt_tokens`` and ``completion_tokens``.
    """

    def __init__(self, model: HFModel, ctx: Context) -> None:
        self._model, self._ctx = model, ctx
        self._closed = threading.Event()
        tokenizer = model.tokenizer(ctx)
        self._text = ChatText(tokenizer, model.name)
        self._tokenizer = tokenizer
        config = model.transformers_config(ctx)
        self._limit = length_limit(tokenizer, config, model.config.max_length)

    def info(self) -> ModelInfo:
        """See :meth:`ChatModel.info`."""
        can = frozenset({"generate", "choice_probs", "seed"})
        name, fingerprint = self._model.name, self._model.fingerprint
        return ModelInfo(name, fingerprint, local=True, capabilities=can, context=self._limit)

    async def generate_many(
        self, requests: Sequence[ChatRequest]
    ) -> list[ChatResult | ChatFailure]:
        """See :meth:`ChatModel.generate_many`."""
        return await self._compute(lambda: self._generate(list(requests)))

    async def score_many(
        self, requests: Sequence[ChatRequest], choices: Sequence[Sequence[str]]
    ) -> list[ChoiceScores | ChatFailure | None]:
        """See :meth:`ChatModel.score_many`: log-likelihood of each whole choice after the prompt.

        The token that would end the answer is not part of a choice.
        """
        return await self._compute(lambda: self._score(list(requests), list(choices)))

    async def close(self) -> None:
        """Stop what is being computed."""
        self._closed.set()

    async def _compute(self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with _COMPUTING:
                self._go_on()
                torch.set_num_threads(self._ctx.threads)
                with (
                    torch.inference_mode(),
                    quiet(),  # around all texts at once, see there
                    out_of_memory(self._model.name, "max_tokens"),
                    autocast(self._model.device, self._model.dtype),
                ):
                    return work()

        return await asyncio.to_thread(locked)

    def _go_on(self) -> None:
        if self._closed.is_set():
            raise InterruptedChat

    @property
    def _budget(self) -> int:
        return 8192 if self._model.device.type == "cpu" else 65_536

    def _generate(self, requests: list[ChatRequest]) -> list[ChatResult | ChatFailure]:
        beams = self._model.config.beams
        hot = max((request.temperature for request in requests), default=0.0)
        if beams > 1 and hot > 0:
            raise ModelError(
                f"model {self._model.name!r} searches for its answers with {beams} beams, and is asked to draw "
                f"them at temperature {hot:g}",
                next_step="set temperature: 0, or name a second entry of models: without beams",
            )
        network = self._model.language_model(self._ctx)
        answers: list[ChatResult | ChatFailure | None] = [None] * len(requests)
        rows, where, read = list[Writing](), list[int](), list[Encoded]()
        for number, request in enumerate(requests):
            prompt = self._prompt(request, request.max_tokens)
            if isinstance(prompt, ChatFailure):
                answers[number] = prompt
                continue
            draws = Draws(
                request.temperature, request.top_p, request.seed or 0, request.sample_index
            )
            stop = (*request.stop, *self._text.stop)
            rows.append(Writing(prompt.ids, request.max_tokens, draws, stop))
            where.append(number)
            read.append(prompt)
        write_all = write if beams == 1 else partial(search, beams=beams)
        write_all(
            network,
            rows,
            ends=self._ends(network),
            decode=self._decode,
            budget=self._budget,
            interrupted=self._go_on,
        )
        for number, row, prompt in zip(where, rows, read, strict=True):
            text, finish = _before(self._decode(row.ids), row.stop), row.finish or "length"
            usage = ChatUsage(len(row.prompt), len(row.ids))
            answers[number] = (
                ChatResult(text.strip(), finish, usage, self._model.name, flags=prompt.flags)
                if text.strip()
                else ChatFailure("empty", "the model wrote nothing", attempts=1)
            )
        self._ctx.count("prompt_tokens", sum(len(row.prompt) for row in rows))
        self._ctx.count("completion_tokens", sum(len(row.ids) for row in rows))
        return [answer for answer in answers if answer is not None]

    def _score(
        self, requests: list[ChatRequest], choices: list[Sequence[str]]
    ) -> list[ChoiceScores | ChatFailure | None]:
        network = self._model.language_model(self._ctx)
        answers: list[ChoiceScores | ChatFailure | None] = [None] * len(requests)
        wanted, where = list[Choices](), list[int]()
        answer = cache(self._text.answer)  # the same few answers again and again
        for number, (request, texts) in enumerate(zip(requests, choices, strict=True)):
            ids = [answer(text) for text in texts]
            if not all(ids):
                raise ModelError(
                    f"a choice of {list(texts)} gives no token with the tokenizer of "
                    f"{self._model.name!r}",
                    next_step="name the choices with letters or words",
                )
            prompt = self._prompt(request, max(map(len, ids)))
            if isinstance(prompt, ChatFailure):
                answers[number] = prompt
                continue
            wanted.append(Choices(prompt.ids, ids))
            where.append(number)
        scores = score_choices(network, wanted, budget=self._budget, interrupted=self._go_on)
        for number, one, found in zip(where, wanted, scores, strict=True):
            usage = ChatUsage(len(one.prompt) + sum(map(len, one.choices)), 0)
            mass = float(sum(torch.tensor(found, dtype=torch.float64).exp().tolist()))
            uncensored = (False,) * len(found)
            answers[number] = ChoiceScores(
                tuple(found), min(1.0, mass), "likelihood", uncensored, usage
            )
        self._ctx.count("prompt_tokens", sum(len(w.prompt) for w in wanted))
        return answers

    def _prompt(self, request: ChatRequest, room: int) -> Encoded | ChatFailure:
        try:
            prompt = self._text.prompt(request.messages)
        except W2SError as error:
            return ChatFailure("rejected", error.what)
        if not prompt.ids:
            return ChatFailure("rejected", "the prompt is empty")
        if self._limit is not None and len(prompt.ids) + room > self._limit:
            return ChatFailure(
                "rejected",
                f"a prompt of {len(prompt.ids)} tokens and {room} more do not fit into the "
                f"{self._limit} of model {self._model.name!r}",
            )
        return prompt

    def _ends(self, network: Any) -> set[int]:
        """Tokens that end an answer: the tokenizer's, and those that the model's own settings name."""
        named = getattr(network.generation_config, "eos_token_id", None)
        found = named if isinstance(named, list) else [named]
        return {int(i) for i in (*found, self._tokenizer.eos_token_id) if i is not None}

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def _before(text: str, stops: Sequence[str]) -> str:
    """A text up to the first of ``stops``."""
    ends = [text.index(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text
