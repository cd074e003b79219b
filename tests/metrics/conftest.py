"""Small data sets with predictions of known quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.stages.context import StageContext

MakeData = Callable[..., Dataset]
MakeLabels = Callable[..., LabelSet]


@pytest.fixture
def make_data() -> MakeData:
    """Rows e0 … with the given gold classes; ``per_group`` rows share a group."""

    def make(
        gold: Sequence[int],
        *,
        classes: Sequence[str] = ("no", "yes"),
        per_group: int = 1,
        prefix: str = "e",
    ) -> Dataset:
        rows = [
            Example(f"{prefix}{i}", f"p{i}", tuple(classes), int(k), group=f"g{i // per_group}")
            for i, k in enumerate(gold)
        ]
        return Dataset.from_examples(rows, TaskInfo("classification", tuple(classes)), "test")

    return make


@pytest.fixture
def make_labels() -> MakeLabels:
    """Labels that predict ``predicted`` with the given confidence."""

    def make(
        data: Dataset,
        predicted: Sequence[int],
        *,
        confidence: float | Sequence[float] = 0.9,
        abstain: Sequence[int] = (),
    ) -> LabelSet:
        k = data.num_classes
        sure = np.broadcast_to(np.asarray(confidence, dtype=float), (len(data),))
        probs = np.repeat(((1 - sure) / (k - 1))[:, None], k, 1)
        probs[np.arange(len(data)), np.asarray(predicted)] = sure
        silent = np.zeros(len(data), dtype=bool)
        silent[list(abstain)] = True
        return LabelSet(tuple(data.ids), probs, data.info.classes, abstain=silent)

    return make


@pytest.fixture
def right_on(make_labels: MakeLabels) -> MakeLabels:
    """Labels for two classes that are right on exactly the given rows."""

    def make(data: Dataset, rows: Sequence[int], **more: object) -> LabelSet:
        predicted = 1 - data.gold
        predicted[list(rows)] = data.gold[list(rows)]
        return make_labels(data, predicted, **more)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., StageContext]:
    """A context with references by role."""

    def make(**references: LabelSet) -> StageContext:
        return StageContext(out=tmp_path, scratch=tmp_path, references=references)

    return make
