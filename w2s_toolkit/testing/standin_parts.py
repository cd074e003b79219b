"""The stand-ins themselves: small, real and quick."""

from __future__ import annotations

import json

import numpy as np

from w2s_toolkit.contracts import Context, Row, TaskData
from w2s_toolkit.data import Dataset, LabelSet, Metric, Metrics, ModelRef
from w2s_toolkit.testing.made_up import tiny_dataset, tiny_labels
from w2s_toolkit.testing.standin_configs import (
    StandinMeasureConfig,
    StandinModelConfig,
    StandinStudentConfig,
    StandinTaskConfig,
    StandinTeacherConfig,
)


class Model:
    """Holds its config."""

    def __init__(self, config: StandinModelConfig) -> None:
        self.config = config


class Rows:
    """Made-up sentences as a task."""

    def __init__(self, config: StandinTaskConfig) -> None:
        self.config = config

    def load(self, ctx: Context) -> TaskData:
        """See :meth:`Task.load`."""
        data = tiny_dataset(self.config.rows, name="all", classes=self.config.classes)
        rows = [Row(e.prompt, e.choices, e.gold, group=e.group) for e in data]
        return TaskData(data.info, {"train": rows}, {"*": "train"})


class Teacher:
    """Labels by the made-up words of a text."""

    def __init__(self, config: StandinTeacherConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Nothing to fit."""
        return None

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`."""
        return tiny_labels(data)


class Student:
    """Naive Bayes over words with soft labels."""

    def __init__(self, config: StandinStudentConfig) -> None:
        self.config = config

    def train(
        self,
        pool: Dataset,
        labels: LabelSet,
        ctx: Context,
        *,
        val: Dataset | None = None,
        init: ModelRef | None = None,
    ) -> ModelRef:
        """See :meth:`Student.train`."""
        counts: dict[str, list[float]] = {}
        keep = labels.weight * ~labels.abstain
        for prompt, p in zip(pool.prompts, labels.probs * keep[:, None], strict=True):
            for word in prompt.split():
                before = counts.get(word, [0.0] * len(p))
                counts[word] = [a + float(b) for a, b in zip(before, p, strict=True)]
        (ctx.out / "counts.json").write_text(json.dumps(counts, sort_keys=True))
        return ModelRef("", capabilities=("choice_probs",), classes=labels.classes)

    def label(self, ref: ModelRef, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Student.label`."""
        counts = json.loads((ctx.path(ref) / "counts.json").read_text())
        scores = np.zeros((len(data), data.num_classes))
        for row, prompt in enumerate(data.prompts):
            for word in prompt.split():
                c = np.asarray(counts.get(word, [0.0] * data.num_classes)) + 1.0
                scores[row] += np.log(c / c.sum())
        odds = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        return LabelSet(tuple(data.ids), odds / odds.sum(1, keepdims=True), data.info.classes)


class Measure:
    """Mean of the largest probability."""

    def __init__(self, config: StandinMeasureConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """See :meth:`Evaluator.evaluate`."""
        return Metrics({"confidence": Metric(float(subject.probs.max(1).mean()), n=len(data))})
