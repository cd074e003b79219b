"""Answers that are written: what members give their tokens, and how many members to keep."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import NamedTuple

import numpy as np

from w2s_ensembles.checks import require_rows
from w2s_ensembles.curve import Point, standard_error
from w2s_ensembles.samples import IntArray
from w2s_toolkit.contracts import MemberFactory, Together
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.groups import group_codes


class AnswerTokens(NamedTuple):
    """The tokens of n gold answers.

    Attributes:
        wrong: for each answer, which of its tokens are not the most probable one at their place.
        nll: for each answer, the negative log-probabilities of its tokens in nats.
    """

    wrong: list[BoolArray]
    nll: list[FloatArray]


def tokens_of(scores: LabelSet) -> AnswerTokens:
    """What was scored, row by row.

    Raises:
        DataError: no tokens were scored.
    """
    if scores.token_hits is None or scores.token_log_probs is None:
        raise DataError(
            "members did not score the tokens of the answers",
            next_step="use supervisors that generate, such as sft",
        )
    wrong = [~np.asarray(row, dtype=np.bool_) for row in scores.token_hits]
    return AnswerTokens(wrong, [-row for row in scores.token_log_probs])


def require_equal_tokens(members: Sequence[Sequence[Sized]]) -> None:
    """Raise where members cut the same answers into different numbers of tokens.

    Args:
        members: for each member, for each answer, one value a token.

    Raises:
        DataError: see above.
    """
    lengths = [[len(row) for row in member] for member in members]
    if any(of_one != lengths[0] for of_one in lengths):
        raise DataError(
            "members cut the answers into different tokens, so what they say of single tokens cannot "
            "be put together",
            next_step="use models of one tokenizer, or writers with combine: vote",
        )


def writing_groups(data: Dataset) -> IntArray:
    """(n,) group numbers of data whose answers are written.

    Raises:
        DataError: there are no rows, or their answers are classes.
    """
    require_rows(data)
    if data.info.kind != "generation":
        raise DataError(
            "this ensembler is for tasks whose answers are written, not for classes",
            where=data.name,
            next_step="use bagging, adaboost or gradient_boosting",
        )
    return np.asarray(group_codes(data))


def answer_curve(
    members: MemberFactory,
    refs: Sequence[ModelRef],
    weights: Sequence[float],
    rule: str,
    val: Dataset,
    groups: IntArray,
) -> list[Point]:
    """How the first 1, 2, … members do together on validation data.

    Returns:
        Points with ``size``, ``n`` (tokens), ``accuracy`` and ``log_loss``, both a mean over answer
        tokens, and the standard error of each over whole groups.
    """
    curve = []
    for size in range(1, len(refs) + 1):
        together = Together(refs[:size], weights[:size], rule)
        tokens = tokens_of(members.score(together, val))
        many = np.array([len(row) for row in tokens.wrong])
        of_token = np.repeat(groups, many)
        right = 1.0 - np.concatenate(tokens.wrong).astype(np.float64)
        found: Point = {"size": size, "n": len(right)}
        for name, values in (("accuracy", right), ("log_loss", np.concatenate(tokens.nll))):
            found[name] = float(values.mean())
            found[f"{name}_se"] = standard_error(values, of_token)
        curve.append(found)
    return curve
