"""Long answers, sentence by sentence: what of the gold answer is told, and how soundly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2s_metrics.config import LongAnswersConfig
from w2s_metrics.paired import UNLIKE_ROWS, pair_up
from w2s_metrics.scored import (
    RESAMPLED_APART,
    IntArray,
    abstained,
    join_remarks,
    nothing_there,
    same_items,
    text_code,
)
from w2s_metrics.smooth import Influence, difference, mean_over_seeds
from w2s_toolkit.contracts import Context, Observation
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, Metric, Metrics
from w2s_toolkit.errors import DataError
from w2s_toolkit.groups import group_codes

VALUES = ("completion", "correctness", "coherence")
_ENDS, _CLOSING = ".!?…。！？", "\"'”’»)]"
_END = re.compile(rf"(?:(?<=[.!?…])|(?<=[.!?…][{re.escape(_CLOSING)}]))\s+|(?<=[。！？])\s*")


class _Rated(NamedTuple):
    """The n rows of one seed.

    Attributes:
        values: (n, 3) as in :data:`VALUES`, 0 where there is no answer.
        given: (n,) whether there is one.
        groups: (n,) group codes.
    """

    values: FloatArray
    given: BoolArray
    groups: IntArray


class LongAnswers:
    """Answers of several sentences against gold ones.

    - ``completion``: share of the gold sentences that the answer holds.
    - ``correctness``: share of the answer's sentences that are gold ones.
    - ``coherence``: share of the answer's sentences that are whole, and that repeat no earlier one.

    Sentences are equal if they are but for case, punctuation, articles and spacing, so the first two
    make sense for answers that consist of statements in fixed words, wherever these stand. All three are
    0 for an answer without a word, and means over rows; intervals resample whole groups.

    Source for repetition as the sign of a text that has gone astray: Welleck et al. 2020 (arXiv
    1908.04319), section 3.
    """

    def __init__(self, config: LongAnswersConfig) -> None:
        self.config = config

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """All values of one seed."""
        return self._measure([Observation(0, data, subject)])

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """All values over seeds, and the table ``seeds``."""
        rows = []
        for seed in seeds:
            found = self._measure([seed]).values
            rows.append({"seed": seed.seed, **{name: found[name].value for name in VALUES}})
        return Metrics(self._measure(seeds).values, {"seeds": rows})

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Differences of the means over seeds, from the same resamples of both."""
        pairs = pair_up(first, second)
        if pairs is None:
            return _nothing(UNLIKE_ROWS)
        sides = [_rated(pairs.first), _rated(pairs.second)]
        one, two = sides
        if isinstance(one, str) or isinstance(two, str):
            return _nothing(one if isinstance(one, str) else str(two))
        n = min(int(seed.given.sum()) for seed in (*one, *two))
        found = {}
        for column, name in enumerate(VALUES):
            each = [[_influence(seed, column) for seed in side] for side in (one, two)]
            moved = difference(each, paired=pairs.paired, shared=pairs.shared, config=self.config)
            found[name] = Metric(*moved, n)
        return Metrics(found)

    def _measure(self, seeds: Sequence[Observation]) -> Metrics:
        seeds, shared = same_items(seeds)
        rated = _rated(seeds)
        if isinstance(rated, str):
            return _nothing(rated)
        apart = "" if shared or len(seeds) == 1 else RESAMPLED_APART
        remark = join_remarks(*(abstained(one.given) for one in rated), apart)
        n = min(int(one.given.sum()) for one in rated)
        found = {}
        for column, name in enumerate(VALUES):
            each = [_influence(one, column) for one in rated]
            estimate = mean_over_seeds(each, shared=shared, config=self.config, bounds=(0, 1))
            found[name] = Metric(*estimate, n, remark)
        return Metrics(found)


def _nothing(reason: str) -> Metrics:
    return Metrics({name: Metric(None, reason=reason) for name in VALUES})


def _influence(rated: _Rated, column: int) -> Influence:
    values = rated.values[:, column]
    mean = float(values[rated.given].mean())
    return Influence(mean, (values - mean) * rated.given / rated.given.sum(), rated.groups)


def _rated(seeds: Sequence[Observation]) -> list[_Rated] | str:
    """Every seed's answers, or why there are none."""
    found = []
    for seed in seeds:
        if reason := nothing_there(seed.data):
            return reason
        if seed.data.info.kind != "generation":
            return "answers are classes, which have no sentences"
        labels = seed.subject.align(seed.data)
        if labels.texts is None:
            raise DataError(
                "there are no generated answers to compare with gold",
                where=seed.data.name,
                next_step="use a supervisor and a student that generate, such as sft",
            )
        given = ~labels.abstain
        if not given.any():
            return "no row has an answer"
        pairs = zip(labels.texts, seed.data.gold_texts, given, strict=True)
        values = [
            rate(said, gold) if answered else (0.0, 0.0, 0.0) for said, gold, answered in pairs
        ]
        found.append(_Rated(np.array(values), given, group_codes(seed.data)))
    return found


def rate(said: str, gold: str) -> tuple[float, float, float]:
    """Completion, correctness and coherence of one answer, each from 0 to 1."""
    told, wanted = _sentences(said), _sentences(gold)
    if not told:
        return (0.0, 0.0, 0.0)
    codes = [text_code(sentence) for sentence in told]
    right = {text_code(sentence) for sentence in wanted}
    seen: set[int] = set()
    sound = 0
    for sentence, code in zip(told, codes, strict=True):
        sound += sentence.rstrip(_CLOSING)[-1] in _ENDS and code not in seen
        seen.add(code)
    completion = len(right & seen) / len(right) if right else 1.0
    return (completion, sum(code in right for code in codes) / len(told), sound / len(told))


def _sentences(text: str) -> list[str]:
    return [part for part in _END.split(text.strip()) if any(c.isalnum() for c in part)]
