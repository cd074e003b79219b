"""A supervisor as somebody else would write it: it iterates over the examples and counts words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from w2s_toolkit import Component, hookimpl
from w2s_toolkit.config import SupervisorConfig
from w2s_toolkit.data import Dataset, LabelSet


@hookimpl
def w2s_supervisors() -> Iterator[Component]:
    """Registers the supervisor."""
    yield Component(
        "keyword", "keyword_w2s:Keyword", "keyword_w2s:KeywordConfig", "1", "Counts words."
    )


class KeywordConfig(SupervisorConfig):
    """Words that speak for the second class and for the first."""

    positive: list[str]
    negative: list[str]


class Keyword:
    """Probability of the second class from the words of either kind in a text."""

    def __init__(self, config: KeywordConfig) -> None:
        self.positive = frozenset(config.positive)
        self.negative = frozenset(config.negative)

    def fit(self, train: Dataset | None, ctx: Any, *, val: Dataset | None = None) -> None:
        """Nothing to fit."""

    def label(self, ref: Any, data: Dataset, ctx: Any) -> LabelSet:
        """One row after the other, in plain Python."""
        ids, probs = [], []
        for example in data:
            words = example.prompt.lower().split()
            good = sum(w in self.positive for w in words)
            bad = sum(w in self.negative for w in words)
            p = (1 + good) / (2 + good + bad)
            ids.append(example.id)
            probs.append([1 - p, p])
        return LabelSet(tuple(ids), np.array(probs), data.info.classes)
