"""A supervisor that asks a hosted model about every row, for tests of runs."""

from __future__ import annotations

import os

from w2s_toolkit.hookspecs import Component, hookimpl


@hookimpl
def w2s_supervisors():
    yield Component(
        "asking",
        "asking_w2s.asking:Asking",
        "asking_w2s.config:AskingConfig",
        "1",
        "Labels by what a hosted model says.",
        needs=("generate",),
    )


@hookimpl
def w2s_price(model, usage):
    """A price for whoever asks for one by this variable."""
    each = os.environ.get("ASKING_PRICE")
    if each is None or model["use"] != "openai":
        return None
    return float(each) * (usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6
