"""What this plugin offers. Nothing here imports a client."""

from __future__ import annotations

from collections.abc import Iterable

import click

from w2s_toolkit.hookspecs import Component, Finding, hookimpl


@hookimpl
def w2s_models() -> Iterable[Component]:
    """The model a recipe names with ``use: openai``."""
    yield Component(
        "openai",
        "w2s_openai.model:OpenAIModel",
        "w2s_openai.config:OpenAIModelConfig",
        "1",
        "A chat model behind an OpenAI-compatible endpoint, such as OpenAI, vLLM or llama.cpp.",
        requires=("openai", "tenacity"),
        extra="openai",
    )


@hookimpl
def w2s_commands() -> Iterable[click.Command]:
    """``w2s probe``."""
    from w2s_openai.cli import probe

    yield probe


@hookimpl
def w2s_doctor() -> Iterable[Finding]:
    """Endpoints that were asked what they can."""
    from w2s_openai.doctor import known_endpoints

    return known_endpoints()
