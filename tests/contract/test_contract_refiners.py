"""The built-in refiners, and the supervisor made of students."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing import RefinerContract, SupervisorContract, tiny_labels
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.component import Values

pytest.importorskip("sklearn")


class TestTemperature(RefinerContract):
    use = "calibrate"
    other_values = {"rounds": [1]}
    bad_configs = [{"method": "magic"}, {"on": "no_such_split"}]


class TestPlatt(TestTemperature):
    config = {"method": "platt"}


class TestIsotonic(TestTemperature):
    config = {"method": "isotonic"}


class TestConfidenceFilter(RefinerContract):
    use = "confidence_filter"
    config = {"keep": 0.5}
    fixed = {"keep": "keep and least exclude each other", "least": "likewise"}
    other_values = {"rounds": [1]}
    bad_configs = [{"keep": 0.0}, {"least": 0.6}]


class TestLabelNoise(RefinerContract):
    use = "label_noise"
    config = {"rate": 0.3}
    other_values = {"rounds": [1]}
    bad_configs = [{"rate": 2.0}]


class TestAutoAligner(SupervisorContract):
    """It labels with what students say on the same rows, which the contract makes up."""

    use = "auto_aligner"
    config = {"model": "@phase.first.student", "train_on": "weak_train", "generations": "all"}
    counts_rows = False
    bad_configs = [{"method": "magic"}, {"model": "@phase.nobody.student"}, {"model": "@prev"}]

    def said(self, data: Dataset) -> dict[str, LabelSet]:
        """By id, so that order and neighbours of a row change nothing."""
        order = np.argsort(data.ids)
        back = np.argsort(order)
        if not len(data):
            return {"generation_0": tiny_labels(data), "generation_1": tiny_labels(data)}
        probs = np.array([[int(one[:6], 16) / 16**6] for one in data.ids])
        first = LabelSet(data.ids, np.hstack([probs, 1 - probs]), data.info.classes)
        silent = probs[:, 0] < 0.1
        return {
            "generation_0": replace(first, abstain=silent).take(order).take(back),
            "generation_1": replace(first, probs=first.probs[:, ::-1] * 0.5 + 0.25),
        }

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        train, data = self.make_data("weak_train"), self.make_data("test")
        slots = [
            {n.replace("n_", "n:"): bench.put_labels(one) for n, one in self.said(split).items()}
            for split in (train, data)
        ]
        fit = bench.job("fit", {"train": bench.put(train), **slots[0]}, values=values)
        inputs = {"data": bench.put(data), "ref": fit.key, **slots[1]}
        return [fit, bench.job("label", inputs, values=values)]

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        context.references = self.said(data)
        return super().answer(bench, data, context)
