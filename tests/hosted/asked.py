"""Requests, and asking them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.contracts import ChatRequest, Message

if TYPE_CHECKING:
    from w2s_openai.model import OpenAIModel
    from w2s_toolkit.stages.context import StageContext


def ask(text: str, most: int = 3, **more: Any) -> ChatRequest:
    """A request with one message."""
    return ChatRequest((Message("user", text),), most, **more)


def questions(number: int, most: int = 3) -> list[ChatRequest]:
    """Requests that all differ."""
    return [ask(f"What is known about thing {i}?", most) for i in range(number)]


def generate(model: OpenAIModel, ctx: StageContext, requests: Sequence[ChatRequest]) -> list[Any]:
    """All answers, in an event loop of their own."""

    async def go() -> list[Any]:
        chat = model.chat(ctx)
        try:
            return list(await chat.generate_many(requests))
        finally:
            await chat.close()

    return asyncio.run(go())


def score(model: OpenAIModel, ctx: StageContext, requests: Any, choices: Any) -> list[Any]:
    """All scores, in an event loop of their own."""

    async def go() -> list[Any]:
        chat = model.chat(ctx)
        try:
            return list(await chat.score_many(requests, choices))
        finally:
            await chat.close()

    return asyncio.run(go())
