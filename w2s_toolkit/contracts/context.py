"""What a stage may use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_toolkit.calls import Calls
from w2s_toolkit.data import Dataset, LabelSet, ModelRef

T = TypeVar("T")


class Progress(Protocol):
    """Handle of a running progress bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move on by ``steps``; ``note`` is a short text such as the current loss."""


class Watch(Protocol):
    """Looks at a student while it learns, which the report draws.

    Attributes:
        data: blind rows to label at each look.
    """

    data: Dataset

    def due(self, step: int, total: int) -> bool:
        """Whether to look after ``step`` of ``total`` steps."""

    def record(self, step: int, total: int, labels: LabelSet) -> None:
        """What the student says of ``data`` then. A step that is recorded again is replaced."""


class Context(Protocol):
    """What a stage may use.

    Attributes:
        seed: derived from the recipe's seed, stage kind, role, member and round. Take every
            random number from a generator seeded with it, never from a global one.
        stage: readable name of the stage, for messages.
        key: store key of what the stage makes; empty outside a run.
        out: folder whose content becomes the stage's artefact when the call returns.
        scratch: private folder that survives a kill and is deleted on commit: checkpoints.
        threads: CPU threads this stage may use.
        references: predictions to compare with, by role; filled for evaluators only.
        calls: cache, ledger and prices of hosted models; used by their components alone.
        watch: for the training of a student that is to be looked at meanwhile; else None.
    """

    seed: int
    stage: str
    key: str
    out: Path
    scratch: Path
    threads: int
    references: Mapping[str, LabelSet]
    calls: Calls
    watch: Watch | None

    def model(self, name: str) -> Any:
        """The model component of an entry of ``models:``, constructed with its config."""

    def path(self, ref: ModelRef) -> Path:
        """The folder that holds a reference's files."""

    def shared(
        self, key: str, build: Callable[[], T], *, nbytes: int = 0, needs: Collection[str] = ()
    ) -> T:
        """An object kept between the stages of one process, such as a loaded model.

        ``key`` must name content (a fingerprint, a store key), never a path. The object must not
        be changed by its users. It is let go, least recently used first, when memory is short;
        ``nbytes`` is its size as far as known. ``needs`` are model fingerprints and store keys: once
        no stage of the plan has one of them left to read, the object is let go too.
        """

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show progress over ``total`` steps."""

    def warn(self, code: str, message: str) -> None:
        """Record a remark that is shown in the results; ``code`` is stable, such as ``truncated``."""

    def note(self, message: str) -> None:
        """Show a remark that says nothing about the result, and so is no part of it."""

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter of the stage's usage, kept with the artefact and in ``usage.json``.

        Counters are whole numbers from 0, and those of labelling add up: two halves of a data set
        count what the whole counts. Whoever puts rows through a model counts them as ``rows``;
        other names in use are ``prompt_tokens``, ``train_tokens``, ``truncated`` and
        ``unlabelled``. The toolkit itself counts ``labels``, ``training_rows`` and
        ``gold_labels``.
        """

    def gold(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Gold labels of ids of the data this stage was given, counted in the results.

        Raises:
            DataError: the component does not declare ``uses_gold``.
        """
