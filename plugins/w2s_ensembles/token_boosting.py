"""Boosting of experts that write, by weights of single answer tokens (EnsemW2S)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_ensembles.answers import (
    AnswerTokens,
    answer_curve,
    require_equal_tokens,
    tokens_of,
    writing_groups,
)
from w2s_ensembles.checks import require_group_count, require_val
from w2s_ensembles.config import TokenBoostingConfig
from w2s_ensembles.curve import choose
from w2s_ensembles.gathered import from_json, to_json
from w2s_ensembles.rounds import helper_number
from w2s_ensembles.samme import (
    ROUNDING,
    as_tokens,
    clamped,
    initial_token_weights,
    reweighted_tokens,
    token_alpha,
    weighted_error,
)
from w2s_ensembles.samples import IntArray, Use, drawn, folds, member_seed, stream
from w2s_toolkit.contracts import Context, MemberFactory, Together
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef


class _Kept(NamedTuple):
    """A round that beat the model before fine-tuning."""

    ref: ModelRef
    error: float
    say: float
    wrong: list[BoolArray]
    attempt: int


class TokenBoosting:
    """Each expert is trained with more weight on the answer tokens that those before it got wrong.

    An expert's error is teacher-forced: the share of weight on tokens that are not its most probable
    one, given the gold tokens before them. Its say is :func:`~w2s_ensembles.samme.token_alpha`, which
    compares that with the error of the model before fine-tuning (of several supervisors, which take
    turns, the first one's). A round whose say is not positive is
    tried again with another seed; where no attempt succeeds, boosting ends with the rounds it has, or
    with the first expert alone. All kept experts write together, token by token, from the mean of
    their distributions weighted by their say.

    With ``reweight: resample`` tokens are not weighed but drawn: as many as there are, with
    replacement, in proportion to their weights. The loss of a token counts as often as it was drawn,
    and those that were not drawn are masked; they are still read.

    Source: EnsemW2S (Agrawal et al. 2024, arXiv 2410.04571), section 3. Errors on rows that a round's
    expert has not seen (``cross_fit``) and the choice of the number of rounds are ours; what the say
    is, is our reconstruction.
    """

    def __init__(self, config: TokenBoostingConfig) -> None:
        self.config = config

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """See :meth:`Ensembler.build`.

        Raises:
            DataError: it is no generation task, there is no validation data to decide on, or there
                are fewer groups than folds, or supervisors have different tokens.
        """
        config, groups = self.config, writing_groups(train)
        if config.needs_val:
            val_groups = writing_groups(require_val(val, "stop: val", ctx.stage))
        require_group_count(groups, max(1, config.cross_fit), "boosting with these folds", train)
        untrained = tokens_of(members.score_all([None], train)[0]).wrong
        first = initial_token_weights([len(row) for row in untrained])
        before = clamped(_error(first, untrained), sum(map(len, first)))
        redraw = config.reweight == "resample"
        rounds = _Rounds(members, train, groups, config.cross_fit, ctx.seed, redraw=redraw)
        kept = self._boost(rounds, first, before, ctx)
        refs = [one.ref for one in kept] or [rounds.expert(0, 0, first)]
        says = [one.say for one in kept] or [1.0]
        curve = []
        if val is not None and config.needs_val:
            curve = answer_curve(members, refs, says, config.rule, val, val_groups)
        details: dict[str, Any] = {
            "members": to_json(refs),
            "weights": says,
            "errors": [one.error for one in kept],
            "error_before": before,
            "attempts": [one.attempt + 1 for one in kept],
            "rule": config.rule,
            "size": choose(curve, by="log_loss", pick=config.pick) if curve else len(refs),
            "curve": curve,
            "curve_by": "log_loss",
        }
        return ModelRef("ensemblers/token_boosting", capabilities=("generate",), details=details)

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Ensembler.label`."""
        return members.write(self.together(ref), data)

    def score(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`EnsembleScorer.score`."""
        return members.score(self.together(ref), data)

    def together(self, ref: ModelRef) -> Together:
        """See :meth:`JointEnsemble.together`."""
        refs = from_json(ref.details)
        return Together(refs, ref.details["weights"][: len(refs)], ref.details["rule"])

    def _boost(
        self, rounds: _Rounds, weights: Sequence[FloatArray], before: float, ctx: Context
    ) -> Sequence[_Kept]:
        """The rounds that were kept.

        Args:
            weights: the first ones.
            before: error of the model before fine-tuning, under these.
        """
        kept = list[_Kept]()
        for number in range(self.config.rounds):
            found = self._round(rounds, number, weights, before)
            if found is None:
                left = f"those before it are kept ({number})" if number else "one stays alone"
                ctx.warn(
                    "boosting_stopped",
                    f"round {number + 1} of {self.config.rounds} did not beat the model before "
                    f"fine-tuning (a token error of {before:.2g}) in {self.config.retries + 1} "
                    f"attempts; {left}",
                )
                break
            kept.append(found)
            if not any(row.any() for row in found.wrong):
                ctx.warn(
                    "boosting_stopped",
                    f"round {number + 1} of {self.config.rounds} is right on every token; there is "
                    f"nothing left to weigh, and the experts so far are kept ({number + 1})",
                )
                break
            weights = reweighted_tokens(weights, found.wrong, found.say)
        return kept

    def _round(
        self, rounds: _Rounds, number: int, weights: Sequence[FloatArray], before: float
    ) -> _Kept | None:
        """The first attempt that beats the model before fine-tuning; None where there is none."""
        total = sum(len(row) for row in weights)
        for attempt in range(self.config.retries + 1):
            wrong = rounds.unseen(number, attempt, weights)
            require_equal_tokens([weights, wrong])
            error = _error(weights, wrong)
            say = self.config.learning_rate * token_alpha(clamped(error, total), before)
            if say > ROUNDING:
                expert = rounds.expert(number, attempt, weights)
                return _Kept(expert, error, say, wrong, attempt)
        return None


class _Rounds:
    """Asks for experts, and for the helpers that tell how good they are on rows they have not seen.

    Args:
        number: of folds; 0 to judge an expert on the rows it was trained on.
        redraw: draw tokens by their weights in place of weighing their loss.
    """

    def __init__(
        self,
        members: MemberFactory,
        train: Dataset,
        groups: IntArray,
        number: int,
        seed: int,
        *,
        redraw: bool = False,
    ) -> None:
        self._members, self._train, self._seed, self._redraw = members, train, seed, redraw
        self._folds = folds(groups, number, stream(seed, Use.FOLDS)) if number else None

    def expert(self, number: int, attempt: int, weights: Sequence[FloatArray]) -> ModelRef:
        """The promise of the expert itself, trained on all rows."""
        return self._fit(self._train, weights, number, attempt, 0)

    def unseen(self, number: int, attempt: int, weights: Sequence[FloatArray]) -> list[BoolArray]:
        """Where the round's expert is wrong, token by token; waits for it."""
        if self._folds is None:
            expert = self.expert(number, attempt, weights)
            return tokens_of(self._members.score_all([expert], self._train)[0]).wrong
        helpers = []
        for fold in range(int(self._folds.max()) + 1):
            rows = np.flatnonzero(self._folds != fold)
            own = [weights[row] for row in rows.tolist()]
            helpers.append(self._fit(self._train.take(rows), own, number, attempt, fold + 1))
        said: list[AnswerTokens] = [
            tokens_of(labels) for labels in self._members.score_all(helpers, self._train)
        ]
        return [said[fold].wrong[row] for row, fold in enumerate(self._folds.tolist())]

    def _fit(
        self, train: Dataset, weights: Sequence[FloatArray], number: int, attempt: int, slot: int
    ) -> ModelRef:
        """The promise of one expert. Token weights have a mean of one; equal ones are left out."""
        index = helper_number(number, attempt, slot) if attempt or slot else number
        # Supervisors take turns by the round.
        variation = {"supervisor": number} | (
            {"seed": member_seed(self._seed, index, attempt)} if attempt else {}
        )
        flat = np.concatenate(weights)
        if self._redraw:
            rng = stream(self._seed, Use.RESAMPLE, number, attempt, slot)
            scaled = as_tokens(drawn(flat, rng), weights)
        else:
            scaled = [row * (len(flat) / flat.sum()) for row in weights]
        even = all(np.allclose(row, 1.0, rtol=0, atol=1e-12) for row in scaled)
        return self._members.fit(
            index, train, token_weights=None if even else scaled, variation=variation
        )


def _error(weights: Sequence[FloatArray], wrong: Sequence[BoolArray]) -> float:
    flat, missed = np.concatenate(weights), np.concatenate(wrong)
    return weighted_error(flat, missed, np.ones(len(flat), dtype=np.bool_))
