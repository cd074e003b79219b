"""Members for ensemblers that are tested: trained in no time, or promised and waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import hash_of
from w2s_toolkit.testing.breach import breach, expected_to_work

T = TypeVar("T")
ROUNDS = 200


class NotMadeYet(Exception):  # noqa: N818 - no error: it says that the call is run again
    """A prediction was asked for that is still to be made."""


class _Ridge(NamedTuple):
    """Weights (words, K), and how much larger the outputs are: gold is to be told with some certainty."""

    weights: npt.NDArray[np.float64]
    scale: float


@dataclass
class TinyMembers:
    """A member factory that trains ridge regressions over words, and remembers what was asked.

    Attributes:
        waits: whether a prediction that is asked for the first time raises :class:`NotMadeYet`,
            as in a run, until :meth:`make` is called.
        asked: one entry a call of :meth:`fit`: index, ids, and a hash of the request.
        ended: how often :class:`NotMadeYet` was raised since :meth:`make` was called.
        rounds: how often :meth:`make` was called.
    """

    waits: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    ended: int = 0
    rounds: int = 0
    _models: dict[str, _Ridge] = field(default_factory=dict)
    _made: set[tuple[str, str]] = field(default_factory=set)
    _wanted: set[tuple[str, str]] = field(default_factory=set)

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
        key = hash_of(asked)
        self.asked.append({"index": index, "ids": list(train.ids), "hash": key})
        self._models[key] = _Ridge(
            np.asarray(model, dtype=np.float64), 4.0 if target is None else 1.0
        )
        return ModelRef("members/tiny", key=key, classes=train.info.classes)

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        """See :meth:`MemberFactory.predict`."""
        return self.predict_all([ref], data)[0]

    def predict_all(self, refs: Sequence[ModelRef], data: Dataset) -> list[LabelSet]:
        """See :meth:`MemberFactory.predict_all`.

        Raises:
            NotMadeYet: see :attr:`waits`.
        """
        missing = {(ref.key, data.digest) for ref in refs} - self._made
        if self.waits and missing:
            self._wanted |= missing
            self.ended += 1
            raise NotMadeYet
        return [self._predicted(ref, data) for ref in refs]

    def make(self) -> None:
        """Make what was asked for, so that the next call finds it."""
        self._made |= self._wanted
        self._wanted, self.ended = set(), 0
        self.rounds += 1

    def _predicted(self, ref: ModelRef, data: Dataset) -> LabelSet:
        model = self._models[ref.key]
        scores = model.scale * (_features(data) @ model.weights)
        odds = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        probs = odds / odds.sum(1, keepdims=True)
        return LabelSet(data.ids, probs, data.info.classes, data_digest=data.digest)


def _features(data: Dataset, size: int = 64) -> npt.NDArray[np.float64]:
    x = np.zeros((len(data), size))
    for row, prompt in enumerate(data.prompts):
        for word in prompt.split():
            x[row, int(hash_of(word)[:8], 16) % size] += 1
    return x


def patiently(members: TinyMembers, call: Callable[[], T]) -> T:
    """Run a call from its beginning until it ends by itself, as the core does."""
    answer = None
    while answer is None:
        if members.rounds >= ROUNDS:
            breach(
                "build() and label() come to an end",
                f"after {ROUNDS} rounds there was still something new to ask for",
                "ask for the same predictions in every run: draw nothing but from ctx.seed",
            )
        members.make()
        with (
            expected_to_work("it runs again from its beginning", "see the error"),
            suppress(NotMadeYet),
        ):
            answer = call()
        if members.ended > (answer is None):
            breach(
                "the exception of a prediction that is still to be made ends the call",
                "it was caught, and the call went on",
                "catch no exceptions around members.predict() and members.predict_all()",
            )
    return answer
