"""What ``w2s doctor`` says about hosted models."""

from __future__ import annotations

import os
from collections.abc import Iterator

from w2s_openai.config import OpenAIModelConfig
from w2s_openai.known import Known
from w2s_toolkit.calls.scrub import SHORTEST
from w2s_toolkit.errors import W2SError
from w2s_toolkit.hookspecs import Finding


def known_endpoints() -> Iterator[Finding]:
    """One finding for each endpoint and model that was asked what it can, with the date."""
    for known in Known.all():
        yield Finding(f"{known.model}@{known.endpoint}", "ok", said(known))


def said(known: Known) -> str:
    """What is known, in a line."""
    able = ", ".join(known.abilities()) or "none of logprobs, schema and seed"
    refused = f"; refuses {', '.join(known.refused)}" if known.refused else ""
    context = f"; {known.context} tokens of context" if known.context else ""
    return f"asked on {known.date}: {able}; answers limited by {known.limit}{refused}{context}"


def model_findings(config: OpenAIModelConfig) -> Iterator[Finding]:
    """Key, connection and abilities of one entry of a recipe; asks the server."""
    name = config.called()
    step = f"export {config.key_name}=..."
    key = os.environ.get(config.key_name, "").strip() if config.key_name else ""
    if config.key_name and not key:
        yield Finding(name, "fail", f"the environment variable {config.key_name} is not set", step)
        return
    if key and len(key) < SHORTEST:
        what = f"the key in {config.key_name} is so short that it is taken for no secret"
        yield Finding(name, "warn", what, "leave api_key_env out where the server needs no key")
    if key and config.endpoint().startswith("http://") and not _is_here(config.endpoint()):
        what = "the key is sent over http, readable on the way"
        yield Finding(name, "warn", what, "use https in base_url")
    yield from _answers(config, name)


def _answers(config: OpenAIModelConfig, name: str) -> Iterator[Finding]:
    try:
        from w2s_openai.probe import probe
    except ImportError as error:
        step = 'pip install "w2s-toolkit[openai]"'
        yield Finding(name, "fail", f"a package is missing: {error}", step)
        return
    before = config.known()
    quick = config.model_copy(
        update={"max_attempts": 2, "max_elapsed_s": 30.0, "timeout_s": min(config.timeout_s, 30.0)}
    )
    try:
        now = before or probe(quick)
        if before is not None:
            _ping(quick)
    except W2SError as error:
        yield Finding(name, "fail", error.what, error.next_step)
        return
    yield Finding(name, "ok", f"it answers; {said(now)}")
    missing = sorted(set(config.offers or ()) - set(now.abilities()))
    if missing:
        what = f"the recipe counts on {', '.join(missing)}, which it was found not to offer"
        yield Finding(name, "fail", what, "correct offers:, or ask again with 'w2s probe'")


def _ping(config: OpenAIModelConfig) -> None:
    from w2s_openai.probe import ping

    ping(config)


def _is_here(endpoint: str) -> bool:
    host = endpoint.partition("://")[2].partition("/")[0]
    return host.startswith(("127.", "localhost", "[::1]"))
