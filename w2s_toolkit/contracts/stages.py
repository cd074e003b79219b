"""Stages as data, and what runs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class StageJob:
    """One stage as data: all that a worker process needs, JSON-able.

    Attributes:
        key, parts: the store key and what it was hashed from.
        kind: ``data``, ``split``, ``fit``, ``label``, ``train``, ``evaluate`` …
        label: readable name.
        component: kind and name in the registry; empty for stages of the core.
        config: the component's config, validated again by the worker.
        models: entries of ``models:`` that the config names: use, config, fingerprint, resolved.
        inputs: slot -> store key.
        args: what else the stage kind needs, such as the split.
        seed, threads: see :class:`Context`.
        store: folder of the store.
        calls: budget and prices of hosted models, see :class:`~w2s_toolkit.calls.Calls`.
    """

    key: str
    parts: Mapping[str, Any]
    kind: str
    label: str
    component: tuple[str, str]
    config: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, str]
    args: Mapping[str, Any]
    seed: int
    threads: int
    store: str
    calls: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageOutcome:
    """How a stage ended: an error (text for a user, details for the log) or none.

    ``pending`` are stages, as JSON, that must be made before this one is run again. ``partial``: the
    error is that the budget was reached.
    """

    key: str
    error: str = ""
    details: str = ""
    pending: tuple[Mapping[str, Any], ...] = ()
    partial: bool = False


class EventSink(Protocol):
    """Receives what a running stage reports."""

    def __call__(self, event: Mapping[str, Any], /) -> None:
        """Take one event, a JSON-able mapping whose ``event`` says what it is."""


@runtime_checkable
class Executor(Protocol):
    """How a stage's process is started; nothing else.

    Attributes:
        side_by_side: whether :meth:`run` may be called from several threads at once.
    """

    side_by_side: bool

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Run to the end. KeyboardInterrupt must stop the stage and pass on."""

    def release(self, names: Collection[str]) -> None:
        """No later stage needs these: see ``needs`` of :meth:`Context.shared`."""

    def close(self) -> None:
        """Stop what runs, in whatever thread, and let go of processes and loaded models."""
