import ray  # noqa: F401

from w2s_toolkit import Component, hookimpl


@hookimpl
def w2s_oversight_protocols():
    yield Component(
        "heavy", "toy_w2s.words:Hint", "toy_w2s.config:HintConfig", "1", "Adds a hint, slowly."
    )
