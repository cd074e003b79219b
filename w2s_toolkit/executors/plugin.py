"""Registers the executors that need nothing but this machine."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl


@hookimpl
def w2s_executors() -> Iterable[Component]:
    """See the hook specification."""
    config = "w2s_toolkit.executors.config:ExecutorConfig"
    yield Component(
        "inprocess",
        "w2s_toolkit.executors.inprocess:InProcess",
        config,
        "1",
        "Stages run in this process and share loaded models.",
    )
    yield Component(
        "subprocess",
        "w2s_toolkit.executors.subprocess:Subprocess",
        config,
        "1",
        "Each stage runs in a process of its own.",
    )
    yield Component(
        "workers",
        "w2s_toolkit.executors.workers:Workers",
        config,
        "1",
        "Stages run side by side in processes that stay and share loaded models.",
    )
