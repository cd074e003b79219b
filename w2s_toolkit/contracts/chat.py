"""One interface for chat models, whether they run in this process or behind a server.

An oversight protocol asks many questions at once through :meth:`ChatModel.generate_many` and
:meth:`ChatModel.score_many`; how they are batched or run side by side is the model's own
business. A request that fails comes back as a :class:`ChatFailure` in its place: it never takes
its siblings with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from w2s_toolkit.contracts.context import Context

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. ``content`` is text and nothing else: no control token survives in it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model is asked.

    Attributes:
        messages: the chat so far; the model writes the next message.
        max_tokens: at most so many tokens are written.
        temperature: 0 takes the most probable token at every place.
        top_p: sample from the smallest set of tokens that has this much probability.
        stop: texts before which the answer ends.
        seed: of sampling. Requests that differ in nothing else draw alike.
        schema: JSON Schema that the answer must follow, where the model can.
        sample_index: tells apart repeated samples of one request.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    sample_index: int = 0


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ChatResult:
    """An answer.

    Attributes:
        text: the answer, without control tokens and without the text of ``stop``.
        finish: why it ended: by itself or at ``stop``, at ``max_tokens``, by the provider's filter.
        usage: tokens; ``None`` where a server does not tell.
        model_echo: what the server says has answered.
        attempts: calls that were made for it, at least 1; 0 if it came from the cache.
        cache_hit: whether it came from the call cache.
        request_key: identity of the request (see ``w2s_toolkit/calls.py``); for transcripts.
        flags: remarks on this request, such as ``control_tokens`` (broken up in the content).
    """

    text: str
    finish: Literal["stop", "length", "filter"]
    usage: ChatUsage | None = None
    model_echo: str = ""
    attempts: int = 1
    cache_hit: bool = False
    request_key: str = ""
    flags: tuple[str, ...] = ()


FailureCode = Literal[
    "auth", "quota", "rejected", "unreachable", "malformed", "filter", "empty", "budget", "stopped"
]


@dataclass(frozen=True, slots=True)
class ChatFailure:
    """A request that got no answer.

    Attributes:
        code: ``auth`` and ``quota``: the endpoint takes no more of ours; ``rejected``: it refuses this
            request (400, 404, 422); ``unreachable``: every attempt failed or timed out;
            ``malformed``: it answers 200 with something that is no answer; ``filter``: its content
            filter stopped it; ``empty``: an answer without text; ``budget``: the cap is reached;
            ``stopped``: interrupted before it was asked.
        reason: for people, one line, without secrets.
        attempts: calls that were made.
        request_key: identity of the request.
    """

    code: FailureCode
    reason: str
    attempts: int = 0
    request_key: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceScores:
    """How probable a model finds each of several answers.

    Attributes:
        log_probs: log-probability of each choice, in their order, not normalised. Of a censored
            choice it is an upper bound.
        mass: total probability of the choices at the place of decision, 0 to 1; for
            ``likelihood``, the sum over the whole texts of the choices.
        source: ``likelihood``: of each whole choice; ``logprobs``: of the first token, from what a
            server lists.
        censored: choices that the server did not list.
        usage: tokens; ``None`` where a server does not tell.
    """

    log_probs: tuple[float, ...]
    mass: float
    source: Literal["likelihood", "logprobs"]
    censored: tuple[bool, ...]
    usage: ChatUsage | None = None
    request_key: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a chat model.

    Attributes:
        name: how messages call it.
        fingerprint: weights' hash or hub revision; of a hosted model endpoint, id and capabilities.
        local: it runs in this process: requests are best given in large batches.
        capabilities: of ``generate``, ``choice_probs``, ``logprobs``, ``schema``, ``seed``, as probed.
        context: tokens that prompt and answer may have together, if known.
    """

    name: str
    fingerprint: str
    local: bool
    capabilities: frozenset[str]
    context: int | None = None


@runtime_checkable
class ChatModel(Protocol):
    """Answers chats. A model component offers it through ``chat(ctx)``, see :class:`ChatModelSource`."""

    def info(self) -> ModelInfo:
        """Name, identity and probed capabilities. May ask the server once."""

    async def generate_many(
        self, requests: Sequence[ChatRequest]
    ) -> list[ChatResult | ChatFailure]:
        """One answer or failure for every request, in their order.

        Local: which requests are batched together is a function of ``requests`` alone, so the same
        call gives the same texts.
        """

    async def score_many(
        self, requests: Sequence[ChatRequest], choices: Sequence[Sequence[str]]
    ) -> list[ChoiceScores | ChatFailure | None]:
        """How probable each of ``choices[i]`` is as the answer to ``requests[i]``; None: it cannot tell."""

    async def close(self) -> None:
        """Let connections go. Settles what the ledger still holds open."""


@runtime_checkable
class ChatModelSource(Protocol):
    """What ``ctx.model(name)`` gives for a model that can chat (capability ``generate``)."""

    fingerprint: str

    def chat(self, ctx: Context) -> ChatModel:
        """The chat model, for use within one event loop and stage."""
