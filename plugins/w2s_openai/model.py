"""The model that a recipe names with ``use: openai``."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from w2s_openai.chat import HostedChat
from w2s_openai.config import OpenAIModelConfig
from w2s_openai.endpoint import Endpoint
from w2s_openai.known import Known
from w2s_toolkit.calls import Scrubber
from w2s_toolkit.contracts import ChatModel, Context
from w2s_toolkit.digest import Digests, hash_of
from w2s_toolkit.errors import ModelError


class OpenAIModel:
    """See :class:`~w2s_toolkit.contracts.ChatModelSource`. Asks nothing until a chat is opened."""

    def __init__(self, config: OpenAIModelConfig) -> None:
        self.config = config

    @cached_property
    def fingerprint(self) -> str:
        """See :meth:`OpenAIModelConfig.fingerprint`."""
        return self.config.fingerprint(Digests())

    def chat(self, ctx: Context) -> ChatModel:
        """See :meth:`ChatModelSource.chat`.

        Raises:
            ModelError: the key is not set, the endpoint cannot be asked what it can, or it cannot do what
                the recipe says it offers.
        """
        config = self.config
        key = config.api_key()
        known = config.known()
        if known is None:
            from w2s_openai.probe import probe

            known = probe(config)
        known = _as_offered(config, known)
        scrub = Scrubber([key])
        limits = [config.timeout_s, config.max_concurrency, config.max_elapsed_s]
        facts = [config.endpoint(), hash_of(key), *limits]
        endpoint = ctx.shared(
            f"openai-endpoint:{hash_of(facts)}",
            lambda: Endpoint(
                config.endpoint(),
                key,
                timeout=config.timeout_s,
                most=config.max_concurrency,
                scrub=scrub,
                patience=config.max_elapsed_s,
            ),
        )
        return HostedChat(config, known, endpoint, self.fingerprint, ctx)


def _as_offered(config: OpenAIModelConfig, known: Known) -> Known:
    """What is used of it: no more than the recipe says.

    Raises:
        ModelError: it can less than that.
    """
    if config.offers is None:
        return known
    missing = sorted(set(config.offers) - set(known.abilities()))
    if missing:
        raise ModelError(
            f"{config.called()} was found not to offer {', '.join(missing)}, which the recipe counts on",
            where="models.NAME.offers",
            next_step="remove it there; or ask again with 'w2s probe RECIPE' if the server has changed",
        )
    return replace(
        known,
        top_logprobs=known.top_logprobs if "logprobs" in config.offers else 0,
        schema="schema" in config.offers,
        seed="seed" in config.offers,
    )
