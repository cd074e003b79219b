"""Asks an endpoint what it can, with a dozen short calls, and believes only what it sees."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from w2s_openai.asking import Asked, Asker
from w2s_openai.config import OpenAIModelConfig
from w2s_openai.endpoint import Endpoint
from w2s_openai.known import Known
from w2s_openai.replies import Reply
from w2s_openai.wire import json_schema
from w2s_toolkit.calls import Call, Calls, Scrubber
from w2s_toolkit.errors import ModelError

LIMITS = ("max_tokens", "max_completion_tokens")
SAMPLING: Mapping[str, Any] = {"temperature": 0.0, "top_p": 0.9, "stop": ["\n\n\n"], "seed": 7}
TOPS = (20, 5)
"""Numbers of alternatives that are asked for, most first: endpoints allow different ones."""

LONG = "Count from one to one hundred in English words, without anything else."
SHORT = "Say hello."
WORD = "quince"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"fruit": {"type": "string", "enum": [WORD]}},
    "required": ["fruit"],
    "additionalProperties": False,
}
"""Nobody says this by chance when asked for a greeting."""


def probe(config: OpenAIModelConfig) -> Known:
    """Ask, and remember the findings. Works with and without a running event loop.

    Raises:
        ModelError: the key is not set, or the endpoint does not answer even a plain question.
        OutputError: the findings cannot be kept.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        known = thread.submit(asyncio.run, _Probe(config).ask()).result()
    known.write()
    return known


class _Probe:
    def __init__(self, config: OpenAIModelConfig) -> None:
        key = config.api_key()
        scrub = Scrubber([key])
        self._config = config
        self._endpoint = Endpoint(
            config.endpoint(), key, timeout=config.timeout_s, most=4, scrub=scrub
        )
        self._calls = Calls(scrub=scrub, stage="probe")
        self._asker = Asker(config, self._endpoint, self._calls, None)
        self._number = 0

    async def ask(self) -> Known:
        """All questions, one after the other: each depends on what the last ones showed."""
        self._endpoint.open()
        try:
            limit, first = await self._limit()
            refused = tuple(sorted([n for n in SAMPLING if not await self._takes(limit, n)]))
            return Known(
                endpoint=self._config.endpoint(),
                model=self._config.id,
                date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                limit=limit,
                top_logprobs=await self._logprobs(limit, refused),
                schema=await self._schema(limit),
                seed="seed" not in refused
                and "temperature" not in refused
                and await self._seed(limit),
                refused=refused,
                context=await self._context(),
                says=self._calls.scrub(first.says),
                tokens=self._calls.ledger.total().tokens,
            )
        finally:
            await self._endpoint.close()

    async def alive(self) -> None:
        """Whether it answers at all.

        Raises:
            ModelError: it does not.
        """
        self._endpoint.open()
        try:
            await self._limit()
        finally:
            await self._endpoint.close()

    async def _limit(self) -> tuple[str, Reply]:
        """The field that really limits an answer; where none does, one that is at least taken."""
        taken: list[tuple[str, Reply]] = []
        failures: list[Asked] = []
        for name in LIMITS:
            asked = await self._say(LONG, {name: 4})
            if asked.reply is None:
                failures.append(asked)
                continue
            taken.append((name, asked.reply))
            if _is_short(asked.reply):
                return taken[-1]
        if taken:
            return taken[0]
        raise self._no_answer(failures[0])

    def _no_answer(self, asked: Asked) -> ModelError:
        failure = asked.failure
        assert failure is not None
        steps = {
            "auth": f"check the key in {self._config.key_name or 'api_key_env'} and what it may use",
            "quota": "top up the account, or use another key or endpoint",
            "rejected": "check id and base_url: the server knows no such model or address, or refuses "
            "the request",
            "malformed": "check base_url: it should end in /v1, and something that speaks the chat "
            "completions API should listen there",
        }
        step = steps.get(failure.code, "start the server, or correct base_url")
        return ModelError(
            f"{self._config.called()} cannot be asked what it can do: {failure.reason}",
            next_step=step,
        )

    async def _takes(self, limit: str, name: str) -> bool:
        """Whether a setting is taken without an error. What it does is not told by that."""
        return (await self._say(SHORT, {limit: 4, name: SAMPLING[name]})).reply is not None

    async def _logprobs(self, limit: str, refused: tuple[str, ...]) -> int:
        for number in TOPS:
            settings: dict[str, Any] = {limit: 1, "logprobs": True, "top_logprobs": number}
            if "temperature" not in refused:
                settings["temperature"] = 1.0
            reply = (await self._say(SHORT, settings)).reply
            if reply is not None and len(reply.top) >= 2:
                return number
        return 0

    async def _schema(self, limit: str) -> bool:
        settings = {limit: 64, "response_format": json_schema(SCHEMA)}
        reply = (await self._say(SHORT, settings)).reply
        with contextlib.suppress(ValueError, RecursionError):
            return reply is not None and json.loads(reply.text) == {"fruit": WORD}
        return False

    async def _seed(self, limit: str) -> bool:
        """Equal seeds, equal texts; other seeds, at least one other text."""
        first = None
        for seed in (11, 11, 12, 13, 14):
            settings = {limit: 16, "temperature": 1.0, "seed": seed}
            reply = (await self._say(LONG, settings)).reply
            if reply is None or (seed == 11 and first not in (None, reply.text)):
                return False
            if seed != 11 and reply.text != first:
                return True
            first = reply.text if first is None else first
        return False

    async def _context(self) -> int | None:
        """From the list of models, where the server writes it there."""
        try:
            models = json.loads(await self._endpoint.get("/models"))["data"]
            mine = [m for m in models if isinstance(m, Mapping)]
            entry = next((m for m in mine if m.get("id") == self._config.id), mine[0])
            meta = entry.get("meta") or {}
            for value in (
                entry.get("max_model_len"),
                entry.get("context_length"),
                meta.get("n_ctx"),
                meta.get("n_ctx_train"),
            ):
                if isinstance(value, int) and value > 0:
                    return value
        except Exception:
            # Whatever a server does with this address, the answer is only that it does not say.
            return None
        return None

    async def _say(self, question: str, settings: Mapping[str, Any]) -> Asked:
        self._number += 1  # the same question is asked anew each time
        message = {"role": "user", "content": question}
        body = {
            **self._config.extra_body,
            "model": self._config.id,
            "messages": [message],
            **settings,
        }
        call = Call.of(
            endpoint=self._config.endpoint(),
            model=self._config.id,
            revision=self._config.revision,
            body=body,
            sample_index=self._number,
        )
        asked = await self._asker.ask(call, 64, lambda _: False)
        final = asked.failure is not None and asked.failure.code in ("auth", "quota", "budget")
        # What a broken line would hide must not count as an inability.
        lost = asked.failure is not None and asked.failure.status is None
        if (final or lost) and self._number > len(LIMITS):
            raise self._no_answer(asked)
        return asked


def _is_short(reply: Reply) -> bool:
    if reply.usage is not None:
        return reply.usage.completion_tokens <= 8
    return len(reply.text) <= 60


def ping(config: OpenAIModelConfig) -> None:
    """One short question, to see whether it answers; nothing is remembered.

    Raises:
        ModelError: it does not.
    """

    async def once() -> None:
        await _Probe(config).alive()

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, once()).result()
