"""Registers the tasks. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl


@hookimpl
def w2s_tasks() -> Iterable[Component]:
    """The built-in tasks."""
    yield Component(
        "table",
        "w2s_tasks.table:Table",
        "w2s_tasks.config:TableConfig",
        "1",
        "Your own labelled table: JSON lines, CSV, Parquet or a hub data set.",
    )
    yield Component(
        "sst2",
        "w2s_tasks.sst2:Sst2",
        "w2s_tasks.config:Sst2Config",
        "1",
        "Sentiment of film reviews (SST-2).",
    )
    yield Component(
        "sciq",
        "w2s_tasks.sciq:Sciq",
        "w2s_tasks.config:SciqConfig",
        "1",
        "Science exam questions with a right and a wrong candidate (SciQ).",
    )
