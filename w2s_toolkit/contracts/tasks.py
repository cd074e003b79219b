"""Data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from w2s_toolkit.contracts.context import Context
from w2s_toolkit.data import TaskInfo


class Row(NamedTuple):
    """One example as a task gives it, before it has an id.

    ``group`` is the text that ties rows together (the question, the passage); the core normalises
    and hashes it, and takes the prompt where it is empty. ``id`` only where the data has ids of
    its own that label files refer to.
    """

    prompt: str
    choices: tuple[str, ...] = ()
    gold: int | None = None
    gold_text: str | None = None
    group: str = ""
    meta: Mapping[str, Any] = {}
    id: str | None = None


class TaskData(NamedTuple):
    """What a task loads.

    Attributes:
        info: kind, class names and question.
        sources: rows by source split (``train``, ``validation``, ``test`` …), read once, lazily.
        feeds: recipe split -> source it is drawn from; ``"*"`` stands for all others. Several
            recipe splits may share a source: the core keeps them disjoint by group.
    """

    info: TaskInfo
    sources: Mapping[str, Iterable[Row]]
    feeds: Mapping[str, str]


@runtime_checkable
class Task(Protocol):
    """A data set."""

    def load(self, ctx: Context) -> TaskData:
        """Read the data.

        Raises:
            DataError: a file, column or value is not as it should be.
        """
