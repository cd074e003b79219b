"""The built-in ensemblers, on members that are trained in no time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from w2s_toolkit.data import Dataset
from w2s_toolkit.testing import EnsemblerContract, tiny_dataset


class NoisyContract(EnsemblerContract):
    """Every fifth gold label is another one, so that a round always leaves something to learn."""

    def make_data(self, name: str) -> Dataset:
        data, k = tiny_dataset(self.rows, name=name, classes=self.classes), self.classes
        wrong = np.random.default_rng(7).random(len(data)) < 0.2
        rows = [
            replace(e, gold=(e.gold + 1) % k) if w else e for e, w in zip(data, wrong, strict=True)
        ]
        return Dataset.from_examples(rows, data.info, name)


class TestBagging(NoisyContract):
    use = "bagging"
    config = {"members": 4}
    other_values = {"by": ["data", "seeds"]}
    bad_configs = [
        {"members": 1},
        {"by": []},
        {"by": ["data", "data"]},
        {"by": ["seeds"], "combine": "oob"},
        {"by": ["seeds"], "size": "oob"},
        {"features": 1.0},
    ]


class TestBaggingOutOfBag(NoisyContract):
    use = "bagging"
    classes = 3
    rows = 90
    config = {"members": 4, "by": ["data", "features", "layers"], "combine": "oob", "size": "oob"}
    other_values = {"by": ["data"]}


class TestBaggingStacked(NoisyContract):
    use = "bagging"
    config = {"members": 4, "by": ["seeds", "data"], "combine": "stacking", "size": "val"}
    other_values = {"by": ["data"]}


class TestAdaBoost(NoisyContract):
    use = "adaboost"
    config = {"rounds": 3, "learning_rate": 0.5}
    bad_configs = [{"rounds": 1}, {"cross_fit": 1}, {"learning_rate": 0}, {"reweight": "both"}]


class TestAdaBoostResampled(NoisyContract):
    use = "adaboost"
    classes = 3
    rows = 90
    config = {"rounds": 2, "reweight": "resample", "cross_fit": 0, "stop": "val"}


class TestGradientBoosting(NoisyContract):
    use = "gradient_boosting"
    classes = 3
    config = {"rounds": 3, "stop": "val", "cross_fit": 2}
    bad_configs = [{"rounds": 1}, {"cross_fit": 1}, {"learning_rate": 2.5}]


class TestGradientBoostingOnSeenRows(NoisyContract):
    use = "gradient_boosting"
    config = {"rounds": 2}


class WritingContract(EnsemblerContract):
    """Every fifth gold answer is another one."""

    def make_data(self, name: str) -> Dataset:
        data = tiny_dataset(self.rows, name=name, kind="generation")
        texts = sorted(set(data.gold_texts))
        wrong = np.random.default_rng(7).random(len(data)) < 0.2
        rows = [
            replace(e, gold_text=texts[e.gold_text == texts[0]] if w else e.gold_text)
            for e, w in zip(data, wrong, strict=True)
        ]
        return Dataset.from_examples(rows, data.info, name)


class TestTokenBoosting(WritingContract):
    use = "token_boosting"
    config = {"rounds": 3}
    bad_configs = [{"rounds": 1}, {"cross_fit": 1}, {"rule": "vote"}]


class TestTokenBoostingDrawn(WritingContract):
    use = "token_boosting"
    config = {"rounds": 2, "cross_fit": 2, "reweight": "resample"}


class TestTokenBoostingChosen(WritingContract):
    use = "token_boosting"
    config = {"rounds": 3, "stop": "val", "cross_fit": 0, "rule": "product"}


class TestWriters(WritingContract):
    use = "writers"
    config = {"members": 3}
    other_values = {"by": ["data", "seeds"]}
    bad_configs = [{"members": 1}, {"by": ["data", "data"]}, {"combine": "vote", "size": "val"}]


class TestWritersThatLearn(WritingContract):
    use = "writers"
    config = {"members": 3, "combine": "learned", "size": "val"}
    other_values = {"by": ["seeds"]}


class TestWritersThatKnowWhenTheyAreSure(WritingContract):
    use = "writers"
    config = {"members": 3, "combine": "gate", "size": "val"}
    other_values = {"by": ["seeds"]}


class TestWritersThatRescore(WritingContract):
    use = "writers"
    config = {"members": 3, "combine": "rescore"}
    fixed = {"size": "whole answers give tokens no probability to choose a size by"}
    other_values = {"by": ["data", "seeds"]}


class TestWritersThatVote(WritingContract):
    use = "writers"
    config = {"members": 3, "combine": "vote", "by": ["seeds"]}
    fixed = {"size": "votes give tokens no probability to choose a size by"}
    other_values = {"by": ["data"]}
