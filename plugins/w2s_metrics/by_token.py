"""Measures of what a model gives the gold answers, token by token: token accuracy and perplexity."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from w2s_metrics.accuracy import mean_over_seeds
from w2s_metrics.config import BootstrapConfig
from w2s_metrics.paired import UNLIKE_ROWS, Hits, Pairs, draw_two, pair_up
from w2s_metrics.scored import RESAMPLED_APART, IntArray, nothing_there, same_items
from w2s_metrics.smooth import Influence, difference
from w2s_metrics.smooth import mean_over_seeds as smooth_mean
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, FloatArray, LabelSet, Metric, Metrics
from w2s_toolkit.data import Dataset as Data
from w2s_toolkit.groups import group_codes

_NATURAL = "tokens are the model's own: models with other tokenizers cannot be compared"


class Tokens(NamedTuple):
    """All t tokens of the gold answers of one seed that were scored, with the groups of their rows.

    Attributes:
        hits: (t,) whether the token is the most probable one at its place.
        nll: (t,) negative log-probability in nats.
        groups: (t,) group codes.
    """

    hits: BoolArray
    nll: FloatArray
    groups: IntArray


def tokens_of(labels: LabelSet, data: Data) -> Tokens | None:
    """Tokens in the row order of ``data``; None where nobody scored the answers."""
    labels = labels.align(data)
    if labels.token_hits is None or labels.token_log_probs is None:
        return None
    given = np.flatnonzero(~labels.abstain)
    hits, log_probs = labels.token_hits.take(given), labels.token_log_probs.take(given)
    groups = np.repeat(group_codes(data)[given], hits.lengths)
    return Tokens(hits.flat.astype(np.bool_), -log_probs.flat, groups)


def _tokens(seeds: Sequence[Observation]) -> list[Tokens] | str:
    """The tokens of all seeds, or why there are none."""
    found = []
    for seed in seeds:
        if reason := nothing_there(seed.data):
            return reason
        if seed.data.info.kind != "generation":
            return "answers are classes, which have no tokens"
        tokens = tokens_of(seed.subject, seed.data)
        if tokens is None or not len(tokens.hits):
            return "the gold answers were not scored"
        found.append(tokens)
    return found


class _ByToken(ABC):
    """A measure of tokens: how seeds are joined, and what is said where there are none.

    Attributes:
        name: of its first value.
        moved: of the value that two runs are compared by.
    """

    name: ClassVar[str]
    moved: ClassVar[str]

    def __init__(self, config: BootstrapConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Data, ctx: Context) -> Metrics:
        """All values of one seed; ``n`` is the number of tokens."""
        return self._measure([Observation(0, data, subject)])

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """All values over seeds, and the table ``seeds``."""
        each = [(s.seed, self._measure([s]).values[self.name]) for s in seeds]
        rows = [
            {"seed": seed, self.name: m.value, "low": m.low, "high": m.high, "n": m.n}
            for seed, m in each
        ]
        return Metrics(self._measure(seeds).values, {"seeds": rows})

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Difference of the means over seeds, from the same resamples of both."""
        pairs = pair_up(first, second)
        if pairs is None:
            return Metrics({self.moved: Metric(None, reason=UNLIKE_ROWS)})
        one, two = _tokens(pairs.first), _tokens(pairs.second)
        if isinstance(one, str) or isinstance(two, str):
            reason = one if isinstance(one, str) else str(two)
            return Metrics({self.moved: Metric(None, reason=reason)})
        return Metrics({self.moved: self.difference([one, two], pairs)})

    def _measure(self, seeds: Sequence[Observation]) -> Metrics:
        seeds, shared = same_items(seeds)
        found = _tokens(seeds)
        if isinstance(found, str):
            return Metrics({self.name: Metric(None, reason=found)})
        return Metrics(self.values(found, shared=shared))

    @abstractmethod
    def values(self, seeds: Sequence[Tokens], *, shared: bool) -> dict[str, Metric]:
        """All values of at least one seed; ``shared``: of the same rows."""

    @abstractmethod
    def difference(self, sides: Sequence[Sequence[Tokens]], pairs: Pairs) -> Metric:
        """Second minus first of :attr:`moved`."""


class TokenAccuracy(_ByToken):
    """Share of the tokens of gold answers that are the most probable one, gold tokens before given.

    All tokens count alike, whatever answer they belong to; the token that ends an answer counts.
    Intervals resample whole groups of rows.

    Source: EnsemW2S (arXiv 2410.04571), section 4.
    """

    name = moved = "token_accuracy"

    def values(self, seeds: Sequence[Tokens], *, shared: bool) -> dict[str, Metric]:
        """``token_accuracy``."""
        triples = [(t.hits, np.ones_like(t.hits), t.groups) for t in seeds]
        return {self.name: mean_over_seeds(triples, shared=shared, config=self.config)}

    def difference(self, sides: Sequence[Sequence[Tokens]], pairs: Pairs) -> Metric:
        """Of ``token_accuracy``."""
        hits = [
            [Hits(t.hits[:, None], np.ones_like(t.hits)[:, None], t.groups) for t in side]
            for side in sides
        ]
        return draw_two(hits, pairs, self.config).difference(0)


class Perplexity(_ByToken):
    """How surprised a model is by the gold answers.

    - ``answer_nll``: mean negative log-probability of a gold token in nats, gold tokens before it given.
    - ``perplexity``: its exponential; over seeds that of the mean, the geometric mean of theirs.

    Comparable only between models that cut the answers into the same tokens.
    """

    name, moved = "perplexity", "answer_nll"

    def values(self, seeds: Sequence[Tokens], *, shared: bool) -> dict[str, Metric]:
        """``perplexity`` and ``answer_nll``."""
        estimate = smooth_mean(
            [_influence(t) for t in seeds], shared=shared, config=self.config, bounds=(0, math.inf)
        )
        n = min(len(t.nll) for t in seeds)
        reason = _NATURAL if shared or len(seeds) == 1 else f"{_NATURAL}; {RESAMPLED_APART}"
        nll = Metric(*estimate, n, reason)
        low, high = (None if end is None else _exp(end) for end in (nll.low, nll.high))
        return {"perplexity": Metric(_exp(estimate.value), low, high, n, reason), "answer_nll": nll}

    def difference(self, sides: Sequence[Sequence[Tokens]], pairs: Pairs) -> Metric:
        """Of ``answer_nll``."""
        influences = [[_influence(t) for t in side] for side in sides]
        found = difference(influences, paired=pairs.paired, shared=pairs.shared, config=self.config)
        return Metric(*found, min(len(t.nll) for side in sides for t in side), _NATURAL)


def _influence(tokens: Tokens) -> Influence:
    """The mean over tokens and how much each token moves it."""
    value = float(tokens.nll.mean())
    return Influence(value, (tokens.nll - value) / len(tokens.nll), tokens.groups)


def _exp(value: float) -> float:
    """The exponential, as large as a float can be where it would be larger."""
    return math.exp(min(value, 700.0))
