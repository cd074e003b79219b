"""What a server answered, checked before anything believes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s_openai.content import whole_characters
from w2s_openai.streams import is_stream, joined
from w2s_toolkit.contracts import ChatUsage

MOST_TOKENS = 100_000_000
"""A usage beyond this is no usage but a server's mistake, and must not eat up a budget."""


class MalformedError(Exception):
    """An answer with status 200 that is no answer.

    Attributes:
        usage: if it says what it cost.
        error: the error object that some gateways send with status 200, or None.
    """

    def __init__(
        self, why: str, usage: ChatUsage | None = None, error: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(why)
        self.usage, self.error = usage, error


@dataclass(frozen=True, slots=True)
class Reply:
    """One completion.

    Attributes:
        text: what the model wrote.
        finish: the server's word for why it ended: ``stop``, ``length``, ``content_filter`` …
        usage: None where it does not tell.
        says: the model's name as the server gives it.
        spent: on what, where there is no text: ``reasoning`` or ``tools``; else empty.
        top: alternatives for the first token with their log-probabilities, most probable first;
            empty where none were listed.
    """

    text: str
    finish: str
    usage: ChatUsage | None
    says: str
    top: tuple[tuple[str, float], ...] = ()
    spent: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the call cache."""
        usage = self.usage and [self.usage.prompt_tokens, self.usage.completion_tokens]
        top = [list(pair) for pair in self.top]
        return {
            "text": self.text,
            "finish": self.finish,
            "usage": usage,
            "says": self.says,
            "top": top,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Reply:
        """What :meth:`to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        usage = None if raw["usage"] is None else ChatUsage(*map(int, raw["usage"]))
        top = tuple((str(token), float(log_prob)) for token, log_prob in raw["top"])
        return cls(str(raw["text"]), str(raw["finish"]), usage, str(raw["says"]), top)


def read_reply(content: bytes) -> Reply:
    """The completion in a body.

    Raises:
        MalformedError: it is no JSON object, has no choice, or a choice of another shape.
    """
    try:
        raw = joined(content) if is_stream(content) else json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedError("it is no JSON, but " + _kind(content)) from None
    if not isinstance(raw, Mapping):
        raise MalformedError("it is JSON, but no object")
    usage = _usage(raw.get("usage"))
    choices = raw.get("choices")
    if isinstance(raw.get("error"), Mapping) and not choices:
        raise MalformedError("it holds an error", usage, raw["error"])
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise MalformedError("it holds no choices", usage)
    message = choices[0].get("message")
    if not isinstance(message, Mapping):
        raise MalformedError("its choice holds no message", usage)
    refusal = message.get("refusal")
    finish = choices[0].get("finish_reason")
    text = whole_characters(_text(message.get("content"), usage))
    return Reply(
        text=text,
        finish="content_filter"
        if isinstance(refusal, str) and refusal
        else _word(finish or "stop"),
        usage=usage,
        says=_word(raw.get("model") or ""),
        top=_top(choices[0].get("logprobs")),
        spent="" if text.strip() else _spent(message),
    )


def _word(value: Any) -> str:
    return whole_characters(str(value)[:200])


def _spent(message: Mapping[str, Any]) -> str:
    """What a model did in place of writing an answer."""
    if message.get("tool_calls") or message.get("function_call"):
        return "tools"
    thought = (message.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
    return "reasoning" if any(thought) else ""


def _kind(content: bytes) -> str:
    start = content.lstrip()[:200].lower()
    if not start:
        return "empty"
    return "a page of HTML" if start.startswith((b"<!doctype", b"<html")) else "something else"


def _text(content: Any, usage: ChatUsage | None) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # parts, of which those with text count
        parts = [p.get("text") for p in content if isinstance(p, Mapping)]
        return "".join(p for p in parts if isinstance(p, str))
    raise MalformedError("its message holds no text", usage)


def _usage(raw: Any) -> ChatUsage | None:
    if not isinstance(raw, Mapping):
        return None
    given = (raw.get("prompt_tokens"), raw.get("completion_tokens", 0))
    numbers = [n for n in given if isinstance(n, int) and not isinstance(n, bool)]
    if len(numbers) < 2 or min(numbers) < 0 or max(numbers) > MOST_TOKENS:
        return None
    return ChatUsage(*numbers)


def _top(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """The alternatives for the first token; empty for anything that is not as it should be."""
    try:
        listed = logprobs["content"][0]["top_logprobs"]
        found = [(whole_characters(str(i["token"])), float(i["logprob"])) for i in listed]
    except (KeyError, IndexError, TypeError, ValueError):
        return ()
    sound = [(token, value) for token, value in found if value <= 1e-6 and not math.isnan(value)]
    # Some servers write minus infinity as a large negative number, others as -Infinity.
    finite = [(token, max(value, -9999.0)) for token, value in sound]
    return tuple(sorted(finite, key=lambda pair: -pair[1]))
