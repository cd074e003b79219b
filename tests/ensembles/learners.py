"""Members that scikit-learn trains at once on features written in the prompt, and data for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from w2s_toolkit.data import Dataset, Example, LabelSet, ModelRef, TaskInfo
from w2s_toolkit.digest import hash_of

NAMES = ("red", "green", "blue", "black")


def make_data(x, y, groups=None, *, name="data", classes=2) -> Dataset:
    """Rows whose prompt is their features, exactly; each a group of its own unless told."""
    info = TaskInfo("classification", NAMES[:classes])
    rows = [
        Example(
            f"{name}-{i}",
            json.dumps([float(v) for v in features]),
            info.classes,
            int(gold),
            group=f"{name}-{i if groups is None else int(groups[i])}",
        )
        for i, (features, gold) in enumerate(zip(x, y, strict=True))
    ]
    return Dataset.from_examples(rows, info, name)


def features_of(data: Dataset) -> np.ndarray:
    return np.array([json.loads(p) for p in data.prompts], dtype=np.float64)


class Asked(NamedTuple):
    """One call of fit."""

    index: int
    ids: tuple[str, ...]
    weights: np.ndarray | None
    target: np.ndarray | None
    variation: Mapping[str, Any] | None

    @property
    def key(self) -> str:
        arrays = [None if a is None else a.tolist() for a in (self.weights, self.target)]
        return hash_of([self.index, self.ids, *arrays, dict(self.variation or {})])


class SklearnMembers:
    """Trains on gold with weights, or on targets; decision stumps by default.

    ``distort(asked, data, probs)`` may change what a member says; it returns probabilities, or
    probabilities and where it abstains.
    """

    def __init__(self, depth: int | None = 1, distort: Callable[..., Any] | None = None) -> None:
        self.depth, self.distort = depth, distort
        self.asked: list[Asked] = []
        self._models: dict[str, tuple[Asked, Any]] = {}

    def fit(
        self, index, train, *, weights=None, token_weights=None, target=None, variation=None
    ) -> ModelRef:
        asked = Asked(index, tuple(train.ids), weights, target, variation)
        self.asked.append(asked)
        x = features_of(train)
        if target is None:
            model = DecisionTreeClassifier(max_depth=self.depth, random_state=0)
            model.fit(x, train.gold, sample_weight=weights)
        else:
            model = DecisionTreeRegressor(max_depth=self.depth, random_state=0)
            model.fit(x, target, sample_weight=weights)
        self._models[asked.key] = (asked, model)
        return ModelRef("members/sklearn", key=asked.key, classes=train.info.classes)

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        asked, model = self._models[ref.key]
        x, k = features_of(data), data.num_classes
        if asked.target is None:
            probs = np.zeros((len(data), k))
            probs[:, model.classes_] = model.predict_proba(x)
        else:
            odds = np.exp(model.predict(x))
            probs = odds / odds.sum(1, keepdims=True)
        told = probs if self.distort is None else self.distort(asked, data, probs)
        probs, abstain = told if isinstance(told, tuple) else (told, np.zeros(len(data), bool))
        return LabelSet(data.ids, probs, data.info.classes, abstain=abstain)

    def predict_all(self, refs: Sequence[ModelRef], data: Dataset) -> list[LabelSet]:
        return [self.predict(ref, data) for ref in refs]


def blobs(rows, *, classes=2, dims=5, noise=1.0, seed=0):
    """Features and gold of noisy classes that no single feature tells apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, dims))
    # The same for every seed, so that training and test data tell the same story.
    scores = x @ np.random.default_rng(99).normal(size=(dims, classes))
    return x, (scores + noise * rng.normal(size=scores.shape)).argmax(1)
