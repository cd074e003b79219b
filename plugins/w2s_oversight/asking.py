"""Asks models on behalf of a protocol or a judge, and keeps every answer before the next question.

Rows are taken in chunks in the order of the data, and what a chunk asks of a model at one step is one call.
So for a model on this machine, which requests are batched together follows from the data alone: a call of
which a kill left only a part is made again as a whole. A hosted model is asked for the missing answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2s_oversight.journal import Journal
from w2s_toolkit.contracts import (
    ChatFailure,
    ChatModel,
    ChatRequest,
    ChatResult,
    ChatUsage,
    ChoiceScores,
    Context,
)
from w2s_toolkit.errors import BudgetError, ModelError, W2SError

CHUNK = 128
"""Rows of one chunk. Part of what local models answer, by rounding: not to be changed lightly."""

IN_FLIGHT = 4
"""Chunks that are under way at once, so that one waits for an answer while another one computes."""

ENDING = {
    "auth": "check the key and the permissions of its account",
    "quota": "top up the account, or name another model, and run the recipe again",
    "stopped": "run the recipe again",
    "budget": "raise the budget and run the recipe again",
}
"""Failures after which no other request to the model will do better, and what to do about each."""


@dataclass(frozen=True)
class Asked:
    """A request, its place in the journal, and the row it is about."""

    key: str
    example_id: str
    request: ChatRequest


class Asking:
    """The models, the journal and the rows that fell out.

    Args:
        chats: models by the field of the config that names them.
        journal: of this stage.
        ctx: counts what is asked.
    """

    def __init__(self, chats: Mapping[str, ChatModel], journal: Journal, ctx: Context) -> None:
        self._chats, self._journal, self._ctx = chats, journal, ctx
        self.dropped: dict[str, str] = {}
        self._ended: Exception | None = None

    async def side_by_side(self, chunks: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Chunks at the same time. Once one has failed, the others ask nothing more, and their answers
        under way, which are paid for, are waited for and kept.

        Raises:
            Exception: that of the first chunk that failed.
        """

        async def one(chunk: Coroutine[Any, Any, None]) -> None:
            try:
                await chunk
            except Exception as error:
                self._ended = self._ended or error

        await asyncio.gather(*(one(chunk) for chunk in chunks))
        if self._ended is not None:
            raise self._ended

    def local(self, model: str) -> bool:
        """Whether a model runs on this machine."""
        return self._chats[model].info().local

    def can(self, model: str, capability: str) -> bool:
        """Whether a model has a capability."""
        return capability in self._chats[model].info().capabilities

    async def texts(self, model: str, asked: Sequence[Asked]) -> list[dict[str, Any] | None]:
        """Answers as records with ``text``, ``finish``, ``usage``, ``request`` and ``flags``; None for a failure."""

        async def ask(missing: Sequence[Asked]) -> list[ChatResult | ChatFailure]:
            return await self._chats[model].generate_many([one.request for one in missing])

        return await self._answers(model, asked, ask, _text_record)

    async def scores(
        self, model: str, asked: Sequence[Asked], choices: Sequence[Sequence[str]]
    ) -> list[dict[str, Any] | None]:
        """Log-probabilities as records; ``log_probs`` is None where the model cannot tell."""
        of = {one.key: texts for one, texts in zip(asked, choices, strict=True)}

        async def ask(missing: Sequence[Asked]) -> list[ChoiceScores | ChatFailure | None]:
            requests = [one.request for one in missing]
            return await self._chats[model].score_many(requests, [of[one.key] for one in missing])

        return await self._answers(model, asked, ask, _score_record)

    async def _answers(
        self,
        model: str,
        asked: Sequence[Asked],
        ask: Callable[[Sequence[Asked]], Any],
        record: Callable[[Any, str], dict[str, Any]],
    ) -> list[dict[str, Any] | None]:
        if not asked:
            return []
        if self._ended is not None:
            raise self._ended
        prints = {one.key: fingerprint(one.request) for one in asked}
        found = {one.key: self._known(one.key, prints[one.key]) for one in asked}
        missing = [one for one in asked if found[one.key] is None]
        local = self.local(model)
        if missing and local:
            missing = list(asked)
        if missing:
            kept, fatal = list[tuple[str, dict[str, Any]]](), list[ChatFailure]()
            for one, answer in zip(missing, await ask(missing), strict=True):
                if isinstance(answer, ChatFailure):
                    made = {"asked": prints[one.key], "failed": f"{answer.code}: {answer.reason}"}
                    found[one.key] = made
                    fatal += [answer] if answer.code in ENDING else []
                    if not local:  # the next attempt may be luckier, so it is asked again
                        continue
                else:
                    made = record(answer, prints[one.key])
                kept.append((one.key, made))
            self._journal.add(kept)
            found |= dict(kept)
            if fatal:
                raise self._no_more(model, fatal[0])
        return [self._heard(one, found[one.key]) for one in asked]

    def _heard(self, one: Asked, record: dict[str, Any] | None) -> dict[str, Any] | None:
        """A record, or None for a failure, which leaves its row out."""
        if record is None or "failed" in record:
            self.dropped.setdefault(one.example_id, record["failed"] if record else "no answer")
            return None
        return record

    def _known(self, key: str, request: str) -> dict[str, Any] | None:
        record = self._journal.get(key)
        return record if record and record["asked"] == request else None

    def _no_more(self, model: str, failure: ChatFailure) -> W2SError:
        if failure.code == "budget":
            return budget_is_spent(self._ctx.stage, failure)
        if failure.code == "quota":
            return BudgetError(
                f"the account of {self._chats[model].info().name} is used up: {failure.reason}",
                where=self._ctx.stage,
                next_step=f"{ENDING[failure.code]}; what was answered is kept",
            )
        return ModelError(
            f"model {self._chats[model].info().name!r} answers no more: {failure.reason}",
            where=self._ctx.stage,
            next_step=f"{ENDING[failure.code]}; what was answered is kept",
        )


def budget_is_spent(stage: str, failure: ChatFailure) -> W2SError:
    """The error that ends a stage whose budget is spent, after what was answered has been kept."""
    return BudgetError(
        f"the budget is spent: {failure.reason}",
        where=stage,
        next_step=f"{ENDING[failure.code]}; what was answered is kept",
    )


def fingerprint(request: ChatRequest) -> str:
    """What a request asks, as 32 hex digits: an answer in the journal counts for no other request."""
    text = json.dumps(asdict(request), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def draw(*key: object) -> int:
    """A 31-bit number that follows from a key alone, for seeds and for coins."""
    digest = hashlib.sha256("/".join(map(str, key)).encode("utf-8", "surrogatepass")).hexdigest()
    return int(digest[:8], 16) & 0x7FFFFFFF


def _text_record(answer: ChatResult, asked: str) -> dict[str, Any]:
    return {
        "asked": asked,
        "text": answer.text,
        "finish": answer.finish,
        "usage": _usage(answer.usage),
        "request": answer.request_key or asked,
        "flags": list(answer.flags),
    }


def _score_record(answer: ChoiceScores | None, asked: str) -> dict[str, Any]:
    if answer is None:
        return {"asked": asked, "log_probs": None, "usage": None}
    return {
        "asked": asked,
        "log_probs": list(answer.log_probs),
        "mass": answer.mass,
        "source": answer.source,
        "censored": list(answer.censored),
        "usage": _usage(answer.usage),
    }


def _usage(usage: ChatUsage | None) -> dict[str, int] | None:
    return None if usage is None else asdict(usage)
