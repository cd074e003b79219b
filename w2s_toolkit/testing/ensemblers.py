"""The contract of ensemblers, as far as it is settled: how members are trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s_toolkit.contracts import Ensembler
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import hash_of
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.component import ComponentContract
from w2s_toolkit.testing.made_up import tiny_dataset


@dataclass
class TinyMembers:
    """A member factory that trains ridge regressions over words, and remembers what was asked.

    Attributes:
        asked: one entry a member that was trained: index, ids, and a hash of the rest.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    _models: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def fit(
        self,
        index: int,
        train: Dataset,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        token_weights: Sequence[npt.NDArray[np.float64]] | None = None,
        target: npt.NDArray[np.float64] | None = None,
        variation: Mapping[str, Any] | None = None,
    ) -> ModelRef:
        """See :meth:`MemberFactory.fit`."""
        n, k = len(train), train.num_classes
        weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        y = np.eye(k)[train.gold] if target is None else np.asarray(target, dtype=np.float64)
        if weight.shape != (n,) or not np.all(np.isfinite(weight)) or weight.min(initial=0) < 0:
            breach("member weights are n numbers from 0", f"{weight!r}", "give one weight a row")
        if y.shape != (n, k) or not np.all(np.isfinite(y)):
            breach("member targets are n rows of K numbers", f"shape {y.shape}", "give (n, K)")
        x = _features(train)
        wide = x.T @ (weight[:, None] * x) + np.eye(x.shape[1])
        model = np.linalg.solve(wide, x.T @ (weight[:, None] * y))
        asked = [index, list(train.ids), weight.tolist(), y.tolist(), dict(variation or {})]
        self.asked.append({"index": index, "ids": list(train.ids), "hash": hash_of(asked)})
        key = hash_of(asked)
        self._models[key] = np.asarray(model, dtype=np.float64)
        return ModelRef("members/tiny", key=key, classes=train.info.classes)

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        """See :meth:`MemberFactory.predict`."""
        scores = 4 * (_features(data) @ self._models[ref.key])
        odds = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        probs = odds / odds.sum(1, keepdims=True)
        return LabelSet(tuple(data.ids), probs, data.info.classes)


def _features(data: Dataset, size: int = 64) -> npt.NDArray[np.float64]:
    x = np.zeros((len(data), size))
    for row, prompt in enumerate(data.prompts):
        for word in prompt.split():
            x[row, int(hash_of(word)[:8], 16) % size] += 1
    return x


class EnsemblerContract(ComponentContract):
    """Ways to train and combine members. Members and data are made up."""

    kind: ClassVar[str] = "ensemblers"
    protocol: ClassVar[type | None] = Ensembler

    # It stands in no recipe yet.
    test_a_recipe_with_it_is_valid = None  # type: ignore[assignment]
    test_mistakes_in_its_config_are_explained = None  # type: ignore[assignment]

    rows: ClassVar[int] = 40
    classes: ClassVar[int] = 2

    def _built(self, bench: Bench, seed: int = 1) -> tuple[TinyMembers, ModelRef]:
        members = TinyMembers()
        train = tiny_dataset(self.rows, name="weak_train", classes=self.classes)
        val = tiny_dataset(self.rows, name="val", classes=self.classes)
        context = bench.context(seed=seed)
        with expected_to_work("build() trains members on made-up data", "see Ensembler.build"):
            ref = bench.instance().build(members, train, val, context)
        return members, ref

    def test_members_are_trained(self, bench: Bench) -> None:
        """At least one, on rows of the training data."""
        members, ref = self._built(bench)
        known = set(tiny_dataset(self.rows, name="weak_train", classes=self.classes).ids)
        strange = {i for asked in members.asked for i in asked["ids"]} - known
        if not members.asked or strange or not isinstance(ref, ModelRef):
            breach(
                "members are trained on the training data, and a reference is returned",
                f"{len(members.asked)} members, {len(strange)} rows from elsewhere, {ref!r}",
                "train with members.fit(index, train.take(...)), never on val",
            )

    def test_the_same_seed_asks_for_the_same_members(self, bench: Bench) -> None:
        """Samples and weights follow from ``ctx.seed``, so members are found again in the store."""
        first, second = self._built(bench)[0], self._built(bench)[0]
        if [a["hash"] for a in first.asked] != [a["hash"] for a in second.asked]:
            breach(
                "the same seed asks for the same members",
                "rows, weights or targets differ between two calls",
                "use np.random.default_rng([ctx.seed, index])",
            )

    def test_reference_is_plain_data(self, bench: Bench) -> None:
        """What is built comes back from JSON as it was."""
        ref = self._built(bench)[1]
        with expected_to_work("a reference can be written as JSON", "put plain data in details"):
            back = ModelRef.from_json(json.loads(json.dumps(ref.to_json())))
        if back != ref:
            breach("a reference is plain data", f"{ref} comes back as {back}", "use lists")
