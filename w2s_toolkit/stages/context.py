"""The :class:`~w2s_toolkit.contracts.Context` that a stage is given."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_toolkit.calls import Calls
from w2s_toolkit.contracts import EventSink, Watch
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError, ModelError
from w2s_toolkit.stages.shared import SharedObjects

T = TypeVar("T")


def _nowhere(_: Mapping[str, Any]) -> None:
    return None


class StageContext:
    """Context of one stage.

    Args:
        seed, stage, key, out, scratch, threads: see the Protocol.
        models: model components by the name the config uses for them.
        folder_of: store key -> folder of a committed artefact.
        shared: objects kept between stages.
        on_event: receives progress and warnings as they happen.
        references: for evaluators.
        gold_data: the data whose gold the component may read; None when it may not.
        calls: of hosted models; None: answers and costs are kept in this object alone.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        stage: str = "",
        key: str = "",
        out: Path,
        scratch: Path,
        threads: int = 1,
        models: Mapping[str, Any] | None = None,
        folder_of: Callable[[str], Path] | None = None,
        shared: SharedObjects | None = None,
        on_event: EventSink = _nowhere,
        references: Mapping[str, LabelSet] | None = None,
        gold_data: Dataset | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.seed = seed
        self.stage = stage
        self.key = key
        self.out = out
        self.scratch = scratch
        self.threads = threads
        self.references: Mapping[str, LabelSet] = dict(references or {})
        self.calls = calls or Calls(stage=stage)
        self.watch: Watch | None = None
        self.counters: Counter[str] = Counter()
        self.warnings: list[dict[str, str]] = []
        self._models = dict(models or {})
        self._folder_of = folder_of
        # An empty cache is false: it must still be the one that later stages see.
        self._shared = shared if shared is not None else SharedObjects()
        self._on_event = on_event
        self._gold_data = gold_data

    def model(self, name: str) -> Any:
        """See :meth:`Context.model`."""
        if name not in self._models:
            raise ModelError(
                f"the stage was not given a model called {name!r}",
                where=self.stage,
                next_step="declare the config field as ModelName so that the planner passes it on",
            )
        return self._models[name]

    def path(self, ref: ModelRef) -> Path:
        """See :meth:`Context.path`."""
        base = self._folder_of(ref.key) if ref.key and self._folder_of else self.out
        return base / ref.folder

    def shared(
        self, key: str, build: Callable[[], T], *, nbytes: int = 0, needs: Collection[str] = ()
    ) -> T:
        """See :meth:`Context.shared`."""
        return self._shared.get(key, build, nbytes, needs)

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[ProgressEvents]:
        """See :meth:`Context.progress`."""
        handle = ProgressEvents(self._on_event, self.stage, total, label)
        yield handle
        handle.flush()

    def warn(self, code: str, message: str) -> None:
        """See :meth:`Context.warn`."""
        warning = {"code": code, "message": message}
        if warning not in self.warnings:
            self.warnings.append(warning)
            self._on_event({"event": "warning", "stage": self.stage, **warning})

    def note(self, message: str) -> None:
        """See :meth:`Context.note`."""
        event = {"event": "warning", "stage": self.stage, "code": "note", "message": message}
        self._on_event(event)

    def count(self, name: str, number: int = 1) -> None:
        """See :meth:`Context.count`."""
        self.counters[name] += int(number)

    def gold(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """See :meth:`Context.gold`."""
        if self._gold_data is None:
            raise DataError(
                "gold labels were asked for by a component that does not declare uses_gold",
                where=self.stage,
                next_step="name the config field that holds the split in Component(uses_gold=...)",
            )
        rows = self._gold_data.rows_of(ids)
        self.count("gold_labels", len(rows))
        return self._gold_data.gold[rows]


class ProgressEvents:
    """Turns steps into at most five events a second."""

    def __init__(self, on_event: EventSink, stage: str, total: int, label: str) -> None:
        self._on_event, self._stage = on_event, stage
        self._total, self._label = total, label
        self._done, self._note, self._sent_at = 0, "", 0.0
        self.flush()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """See :meth:`Progress.advance`."""
        self._done += steps
        self._note = note or self._note
        if time.monotonic() - self._sent_at >= 0.2:
            self.flush()

    def flush(self) -> None:
        """Send the present state."""
        self._sent_at = time.monotonic()
        self._on_event(
            {
                "event": "progress",
                "stage": self._stage,
                "label": self._label,
                "done": self._done,
                "total": self._total,
                "note": self._note,
            }
        )
