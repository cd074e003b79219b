"""Whole answers that members write, scored by all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from w2s_ensembles.answers import tokens_of
from w2s_toolkit.contracts import MemberFactory
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef
from w2s_toolkit.errors import DataError


def texts_of(said: Sequence[LabelSet], data: Dataset) -> list[list[str]]:
    """The answers of members, one list a member.

    Raises:
        DataError: a member has no texts.
    """
    columns = [labels.texts for labels in said]
    if any(column is None for column in columns):
        raise DataError(
            "members without texts cannot choose among whole answers",
            where=data.name,
            next_step="use supervisors that generate, such as sft",
        )
    return [list(column) for column in columns if column is not None]


def rescored(members: MemberFactory, refs: Sequence[ModelRef], data: Dataset) -> LabelSet:
    """For each row the answer that members together find most probable, of those that they wrote.

    What an answer is given by a member is the mean log-probability of its tokens, so that length does
    not count; what it is given by all is the mean over members. An answer that several wrote is scored
    once. Of equally good ones the one that was written first wins.

    Source: n-best rescoring, as ensembles of translation models are combined (Sennrich et al. 2016,
    arXiv 1606.02891, section 3).
    """
    said = members.predict_all(refs, data)
    texts = texts_of(said, data)
    best = np.full(len(data), -np.inf)
    chosen = np.full(len(data), -1)
    for number, new in enumerate(_new(texts, [labels.abstain for labels in said])):
        rows = np.flatnonzero(new)
        if not len(rows):
            continue
        answers = [texts[number][row] for row in rows]
        found = _likelihood(members.score_all(refs, data.take(rows), answers))
        better = found > best[rows]
        best[rows[better]] = found[better]
        chosen[rows[better]] = number
    silent = chosen < 0
    picked = [texts[max(number, 0)][row] for row, number in enumerate(chosen.tolist())]
    nothing = np.zeros((len(data), 0))
    return LabelSet(data.ids, nothing, texts=picked, abstain=silent, data_digest=data.digest)


def _new(texts: Sequence[Sequence[str]], silent: Sequence[BoolArray]) -> list[BoolArray]:
    """For each member the rows whose answer no earlier member gave."""
    given: list[set[str]] = [set() for _ in texts[0]]
    found = []
    for column, without in zip(texts, silent, strict=True):
        new = np.zeros(len(column), dtype=np.bool_)
        for row, text in enumerate(column):
            new[row] = not without[row] and text not in given[row]
            given[row].add(text)
        found.append(new)
    return found


def _likelihood(scores: Sequence[LabelSet]) -> FloatArray:
    """(n,) mean over members of the mean log-probability of an answer's tokens."""
    each = [[-float(np.mean(row)) for row in tokens_of(one).nll] for one in scores]
    return np.asarray(np.mean(each, axis=0))
