"""A chat request as the body that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_openai.config import OpenAIModelConfig
from w2s_openai.content import FLAG, plain_content
from w2s_openai.known import Known
from w2s_toolkit.calls import Call
from w2s_toolkit.contracts import ChatRequest
from w2s_toolkit.digest import hash_of

MOST_STOPS = 4
"""So many stop texts are sent; answers are cut at all of them here."""


class Wire:
    """Puts requests to one model the way its endpoint takes them."""

    def __init__(self, config: OpenAIModelConfig, known: Known) -> None:
        self._config, self._known = config, known

    def answer(self, request: ChatRequest) -> tuple[Call, tuple[str, ...]]:
        """A request for a text, and remarks on it."""
        body, flags = self._common(request, request.max_tokens)
        sampling: dict[str, Any] = {"temperature": request.temperature}
        if request.top_p < 1:
            sampling["top_p"] = request.top_p
        if request.stop:
            sampling["stop"] = list(request.stop[:MOST_STOPS])
        if request.seed is not None:
            sampling["seed"] = wire_seed(request.seed, request.sample_index)
        for name, value in sampling.items():
            if name not in self._known.refused:
                body[name] = value
            elif name == "temperature":
                flags += ("temperature_refused",)
        if request.schema is not None:
            if self._known.schema:
                body["response_format"] = json_schema(request.schema)
            else:
                flags += ("schema_ignored",)
        return self._frozen(body, request), flags

    def scores(self, request: ChatRequest) -> Call:
        """A request for what may come first, with the model's own probabilities: temperature 1."""
        body, _ = self._common(request, 1)
        if "temperature" not in self._known.refused:
            body["temperature"] = 1.0
        body |= {"logprobs": True, "top_logprobs": self._known.top_logprobs}
        return self._frozen(body, request)

    def _common(self, request: ChatRequest, limit: int) -> tuple[dict[str, Any], tuple[str, ...]]:
        cleaned = [(m.role, *plain_content(m.content)) for m in request.messages]
        messages = [{"role": role, "content": text} for role, text, _ in cleaned]
        flags = (FLAG,) if any(broken for _, _, broken in cleaned) else ()
        body = {"model": self._config.id, "messages": messages, self._known.limit: limit}
        return body, flags

    def _frozen(self, body: Mapping[str, Any], request: ChatRequest) -> Call:
        return Call.of(
            endpoint=self._config.endpoint(),
            model=self._config.id,
            revision=self._config.revision,
            body={**self._config.extra_body, **body},
            sample_index=request.sample_index,
        )


def wire_seed(seed: int, sample_index: int) -> int:
    """Repeated samples of one request get seeds of their own."""
    if sample_index == 0:
        return seed
    return int(hash_of([seed, sample_index])[:8], 16) & 0x7FFFFFFF


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``response_format`` for a JSON Schema."""
    inner = {"name": "answer", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": inner}
