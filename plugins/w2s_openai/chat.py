"""The chat model behind an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, TypeVar

from w2s_openai.asking import Asked, Asker
from w2s_openai.config import OpenAIModelConfig
from w2s_openai.content import CONTROL
from w2s_openai.endpoint import Endpoint
from w2s_openai.known import Known
from w2s_openai.replies import Reply
from w2s_openai.scores import choice_scores
from w2s_openai.wire import Wire
from w2s_toolkit.contracts import (
    ChatFailure,
    ChatRequest,
    ChatResult,
    ChoiceScores,
    Context,
    ModelInfo,
    Progress,
)

T = TypeVar("T")

NO_TEXT = {
    "": "the answer holds no text",
    "tools": "the model called a tool in place of an answer",
    "reasoning": "all tokens went into reasoning and none into an answer; raise max_tokens, or lower the "
    "reasoning effort in extra_body",
}
FILTERED = frozenset({"content_filter", "filter", "safety", "SAFETY"})


class HostedChat:
    """See :class:`~w2s_toolkit.contracts.ChatModel`. For one stage and event loop.

    Args:
        known: what the endpoint can.
        fingerprint: see :meth:`OpenAIModelConfig.fingerprint`.
    """

    def __init__(
        self,
        config: OpenAIModelConfig,
        known: Known,
        endpoint: Endpoint,
        fingerprint: str,
        ctx: Context,
    ) -> None:
        self._config, self._known, self._endpoint = config, known, endpoint
        self._fingerprint, self._ctx = fingerprint, ctx
        self._wire = Wire(config, known)
        self._asker = Asker(config, endpoint, ctx.calls, ctx.calls.price(config.called()))
        self._open = False
        self._bar: Progress | None = None
        self._active = self._wanted = self._answered = 0

    def info(self) -> ModelInfo:
        """See :meth:`ChatModel.info`."""
        return ModelInfo(
            name=self._config.called(),
            fingerprint=self._fingerprint,
            local=False,
            capabilities=frozenset({"generate", *self._known.abilities()}),
            context=self._known.context,
        )

    async def generate_many(
        self, requests: Sequence[ChatRequest]
    ) -> list[ChatResult | ChatFailure]:
        """See :meth:`ChatModel.generate_many`. Requests run side by side as far as the endpoint lets them."""
        self._begin()
        with self._progress(len(requests), f"asking {self._config.id}"):
            return await self._side_by_side([partial(self._answer, r) for r in requests])

    async def score_many(
        self, requests: Sequence[ChatRequest], choices: Sequence[Sequence[str]]
    ) -> list[ChoiceScores | ChatFailure | None]:
        """See :meth:`ChatModel.score_many`: from the log-probabilities of the first token.

        None for all where the endpoint lists none, and for a request of which the choices together have
        less than ``min_mass``: the model would have answered something else.
        """
        if not self._known.top_logprobs:
            return [None] * len(requests)
        self._begin()
        with self._progress(len(requests), f"scoring with {self._config.id}"):
            pairs = zip(requests, choices, strict=True)
            return await self._side_by_side([partial(self._score, *pair) for pair in pairs])

    async def close(self) -> None:
        """See :meth:`ChatModel.close`."""
        if self._open:
            self._open = False
            await self._endpoint.close()
        self._ctx.calls.ledger.close()

    async def _side_by_side(self, asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """All answers in order. Some more than may be under way, since those that wait to be tried again
        hold no slot; not all at once, so that the first is sent before the last is put together."""
        answers: dict[int, T] = {}
        left = iter(enumerate(asks))

        async def work() -> None:
            for number, ask in left:
                answers[number] = await ask()

        width = min(len(asks), 2 * self._config.max_concurrency + 8)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(width):
                    group.create_task(work())
        except (
            BaseExceptionGroup
        ) as several:  # cache or ledger cannot be written: one reason will do
            raise several.exceptions[0] from None
        return [answers[number] for number in range(len(asks))]

    @contextmanager
    def _progress(self, number: int, label: str) -> Iterator[None]:
        """One count over all calls side by side, which would else overwrite one another's."""
        self._active += 1
        self._wanted += number
        try:
            with self._ctx.progress(self._wanted, label) as bar:
                bar.advance(self._answered)
                self._bar = bar
                yield
        finally:
            self._active -= 1
            if not self._active:
                self._bar, self._wanted, self._answered = None, 0, 0

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self._endpoint.open()

    async def _answer(self, request: ChatRequest) -> ChatResult | ChatFailure:
        call, flags = self._wire.answer(request)
        asked = await self._asker.ask(call, request.max_tokens, _is_answer)
        self._counted(asked)
        if asked.reply is None:
            return _failure(asked, call.key)
        reply, attempts = asked.reply, asked.attempts
        if reply.finish in FILTERED:
            return ChatFailure("filter", "the content filter stopped it", attempts, call.key)
        text, finish = _finished(reply, request.stop)
        text = self._ctx.calls.scrub(text)
        if not text.strip():
            return ChatFailure("empty", NO_TEXT.get(reply.spent, NO_TEXT[""]), attempts, call.key)
        return ChatResult(
            text=text,
            finish=finish,
            usage=reply.usage,
            model_echo=self._ctx.calls.scrub(reply.says),
            attempts=attempts,
            cache_hit=asked.hit,
            request_key=call.key,
            flags=flags,
        )

    async def _score(
        self, request: ChatRequest, choices: Sequence[str]
    ) -> ChoiceScores | ChatFailure | None:
        call = self._wire.scores(request)
        asked = await self._asker.ask(call, 1, _lists_alternatives)
        self._counted(asked)
        if asked.reply is None:
            return _failure(asked, call.key)
        if not asked.reply.top:
            return ChatFailure(
                "malformed",
                "no log-probabilities in the answer, though the endpoint was found to give them; "
                "'w2s probe' asks it again",
                asked.attempts,
                call.key,
            )
        usage = asked.reply.usage
        scores = choice_scores(asked.reply.top, choices, usage=usage, request_key=call.key)
        return scores if scores.mass >= self._config.min_mass else None

    def _counted(self, asked: Asked) -> None:
        self._ctx.count("hosted_cached" if asked.hit else "hosted_calls", 1)
        self._answered += 1
        if self._bar is not None:
            self._bar.advance()


def _is_answer(reply: Reply) -> bool:
    return bool(reply.text.strip()) and reply.finish not in FILTERED


def _lists_alternatives(reply: Reply) -> bool:
    return bool(reply.top) and reply.finish not in FILTERED


def _failure(asked: Asked, key: str) -> ChatFailure:
    assert asked.failure is not None
    return ChatFailure(asked.failure.code, asked.failure.reason, asked.attempts, key)


def _finished(reply: Reply, stop: Sequence[str]) -> tuple[str, Literal["stop", "length"]]:
    """The text without control tokens at its ends and without the text of ``stop``, and why it ended."""
    text = reply.text
    cut = min((at for s in stop if s and (at := text.find(s)) >= 0), default=-1)
    if cut >= 0:
        return text[:cut], "stop"
    while (end := list(CONTROL.finditer(text))) and end[-1].end() == len(text.rstrip()):
        text = text[: end[-1].start()]
    while begin := CONTROL.match(text):
        text = text[begin.end() :]
    return text, "length" if reply.finish in ("length", "max_tokens") else "stop"
