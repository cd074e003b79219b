"""Members that write as they are told to, and data for them."""

from __future__ import annotations

import numpy as np

from w2s_toolkit.data import Dataset, Example, LabelSet, ModelRef, TaskInfo
from w2s_toolkit.jagged import Jagged

TOKENS = 3
"""Tokens of every answer."""


def answers(rows=40, name="weak_train"):
    examples = [
        Example(f"{name}{i}", f"question {i}", gold_text="one two", group=f"g{i}")
        for i in range(rows)
    ]
    return Dataset.from_examples(examples, TaskInfo("generation", (), ""), name)


class Scripted:
    """Members whose hits follow from what they were trained with, so that sums can be done by hand.

    Args:
        hits: (weights or None, rows, attempt seed) -> (n, TOKENS) of bool for a whole data set.
    """

    def __init__(self, hits, before):
        self.hits, self.before = hits, before
        self.asked: list[dict] = []
        self.together: list = []

    def fit(self, index, train, *, weights=None, token_weights=None, target=None, variation=None):
        self.asked.append(
            {"index": index, "rows": list(train.ids), "token_weights": token_weights,
             "weights": weights, "variation": variation}
        )  # fmt: skip
        return ModelRef("supervisors/sft", key=f"m{len(self.asked) - 1}")

    def score_all(self, refs, data):
        return [self._scores(self._of(ref, data), data) for ref in refs]

    def score(self, together, data):
        self.together.append(together)
        likely = np.zeros((len(data), TOKENS))
        shares = np.array(together.weights) / np.sum(together.weights)
        for ref, share in zip(together.refs, shares, strict=True):
            likely += share * np.where(self._of(ref, data), 0.8, 0.1)
        return self._scores(likely > 0.45, data, likely)

    def write(self, together, data):
        self.together.append(together)
        return LabelSet(data.ids, np.zeros((len(data), 0)), texts=["x"] * len(data))

    def predict_all(self, refs, data):
        texts = [["one two"] * len(data), ["three"] * len(data), ["three"] * len(data)]
        nothing = np.zeros((len(data), 0))
        return [LabelSet(data.ids, nothing, texts=texts[i % 3]) for i in range(len(refs))]

    def _of(self, ref, data):
        return self.before(data) if ref is None else self.hits(self.asked[int(ref.key[1:])], data)

    @staticmethod
    def _scores(hits, data, likely=None):
        likely = np.where(hits, 0.8, 0.1) if likely is None else likely
        return LabelSet(
            data.ids, np.zeros((len(data), 0)),
            token_log_probs=Jagged.of(np.log(likely)), token_hits=Jagged.of(hits, np.bool_),
        )  # fmt: skip


def knows_what_weighs_most(asked, data):
    """Of each answer, the two tokens that weighed most in training on average."""
    weights = asked["token_weights"]
    mean = np.ones(TOKENS) if weights is None else np.mean(weights, axis=0)
    known = np.argsort(-np.round(mean, 9), kind="stable")[:2]
    return np.tile(np.isin(np.arange(TOKENS), known), (len(data), 1))


def nothing(data):
    hits = np.zeros((len(data), TOKENS), bool)
    hits[:, 0] = np.arange(len(data)) % 2 == 0
    return hits
