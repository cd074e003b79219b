"""Members for ensemblers that are tested: trained in no time, or promised and waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from w2s_toolkit.contracts import Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import hash_of
from w2s_toolkit.jagged import Jagged
from w2s_toolkit.testing.breach import breach, expected_to_work

T = TypeVar("T")
ROUNDS = 200


class NotMadeYet(Exception):  # noqa: N818 - no error: it says that the call is run again
    """A prediction was asked for that is still to be made."""


class _Ridge(NamedTuple):
    """Weights (words, K), and how much larger the outputs are: gold is to be told with some certainty.

    ``answers`` are the K answers of a member that writes; empty for classes.
    """

    weights: npt.NDArray[np.float64]
    scale: float
    answers: tuple[str, ...] = ()


@dataclass
class TinyMembers:
    """A member factory that trains ridge regressions over words, and remembers what was asked.

    In a generation task a member chooses among the answers it was trained on. An answer has two
    tokens, itself and its end; the weights of rows and of first tokens count.

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
        writes = train.info.kind == "generation"
        answers = tuple(sorted(set(train.gold_texts))) if writes else ()
        n, k = len(train), len(answers) if writes else train.num_classes
        weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        if token_weights is not None:
            weight = weight * np.array([float(row[0]) for row in token_weights])
        gold = np.array([answers.index(t) for t in train.gold_texts]) if writes else None
        y = np.eye(k)[train.gold if gold is None else gold] if target is None else np.array(target)
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
            np.asarray(model, dtype=np.float64), 4.0 if target is None else 1.0, answers
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
        self._wait([("label", ref.key) for ref in refs], data)
        return [self._predicted(ref, data) for ref in refs]

    def score_all(
        self,
        refs: Sequence[ModelRef | None],
        data: Dataset,
        answers: Sequence[str] | None = None,
    ) -> list[LabelSet]:
        """See :meth:`MemberFactory.score_all`."""
        if answers is not None:
            if len(answers) != len(data):
                breach("one answer a row is scored", f"{len(answers)} answers", "give n texts")
            data = data.with_gold_texts(answers)
        self._wait([("score", ref.key if ref else "") for ref in refs], data)
        alone = Together((), (1.0,))
        return [self._scores([self._chances(ref, data)], alone, data) for ref in refs]

    def write(self, together: Together, data: Dataset) -> LabelSet:
        """See :meth:`MemberFactory.write`."""
        self._wait([("write", *(ref.key for ref in together.refs))], data)
        mixed = _mix([self._predict(ref, data)[0] for ref in together.refs], together)
        return _written(mixed, self._models[together.refs[0].key].answers, data)

    def score(self, together: Together, data: Dataset) -> LabelSet:
        """See :meth:`MemberFactory.score`."""
        self._wait([("score", *(ref.key for ref in together.refs))], data)
        chances = [self._chances(ref, data) for ref in together.refs]
        return self._scores(chances, together, data)

    def _wait(self, wanted: Sequence[tuple[str, ...]], data: Dataset) -> None:
        missing = {("/".join(one), data.digest) for one in wanted} - self._made
        if self.waits and missing:
            self._wanted |= missing
            self.ended += 1
            raise NotMadeYet

    def make(self) -> None:
        """Make what was asked for, so that the next call finds it."""
        self._made |= self._wanted
        self._wanted, self.ended = set(), 0
        self.rounds += 1

    def _predict(self, ref: ModelRef, data: Dataset) -> tuple[npt.NDArray[np.float64], _Ridge]:
        model = self._models[ref.key]
        scores = model.scale * (_features(data) @ model.weights)
        odds = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        return odds / odds.sum(1, keepdims=True), model

    def _chances(self, ref: ModelRef | None, data: Dataset) -> npt.NDArray[np.float64]:
        """(n, 2) of the gold answer and of the most probable other one; even for no member."""
        if ref is None:
            return np.tile([0.4, 0.6], (len(data), 1))
        probs, model = self._predict(ref, data)
        # An answer that it was not trained on is next to impossible.
        place = {text: number for number, text in enumerate(model.answers)}
        probs = np.concatenate([probs, np.full((len(data), 1), 1e-6)], 1)
        gold = np.array([place.get(text, -1) for text in data.gold_texts], dtype=np.int64)
        rows = np.arange(len(data))
        own = probs[rows, gold]
        rest = probs.copy()
        rest[rows, gold] = -1.0
        return np.stack([own, rest.max(1, initial=0.0)], 1)

    @staticmethod
    def _scores(
        chances: Sequence[npt.NDArray[np.float64]],
        together: Together,
        data: Dataset,
    ) -> LabelSet:
        mixed = _mix(chances, together)
        log_probs = np.stack([np.log(np.maximum(mixed[:, 0], 1e-9)), np.full(len(data), -0.1)], 1)
        hits = np.stack([mixed[:, 0] > mixed[:, 1], np.ones(len(data), dtype=bool)], 1)
        return LabelSet(
            data.ids,
            np.zeros((len(data), 0)),
            token_log_probs=Jagged.of(log_probs),
            token_hits=Jagged.of(hits, np.bool_),
            data_digest=data.digest,
        )

    def _predicted(self, ref: ModelRef, data: Dataset) -> LabelSet:
        probs, model = self._predict(ref, data)
        if model.answers:
            return _written(probs, model.answers, data)
        return LabelSet(data.ids, probs, data.info.classes, data_digest=data.digest)


def _mix(probs: Sequence[npt.NDArray[np.float64]], together: Together) -> npt.NDArray[np.float64]:
    shares = np.asarray(together.weights, dtype=np.float64)
    if len(shares) != len(probs) or not np.all(np.isfinite(shares)) or shares.min() < 0:
        breach("members that write together have a weight each", f"{shares}", "give numbers from 0")
    if together.rule not in ("mean", "product") or not shares.sum():
        breach("a rule is mean or product, and a weight positive", f"{together}", "see Together")
    each = np.maximum(np.stack(probs), 1e-9)  # (m, n, K)
    entropy = -(each * np.log(each)).sum(-1, keepdims=True)
    shares = shares[:, None, None] * np.exp(-together.sharpness * entropy)
    shares = shares / shares.sum(0)
    if together.rule == "mean":
        return np.asarray((shares * each).sum(0))
    return np.asarray(np.exp((shares * np.log(each)).sum(0)))


def _written(probs: npt.NDArray[np.float64], answers: tuple[str, ...], data: Dataset) -> LabelSet:
    texts = [answers[k] for k in probs.argmax(1)]
    return LabelSet(data.ids, np.zeros((len(data), 0)), texts=texts, data_digest=data.digest)


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
