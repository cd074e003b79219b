"""AdaBoost for K classes (SAMME)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_ensembles.checks import require_groups, truth_of, val_truth
from w2s_ensembles.combine import combine
from w2s_ensembles.config import AdaBoostConfig
from w2s_ensembles.curve import Point, choose, prefix_curve
from w2s_ensembles.gathered import from_json, gather, to_json
from w2s_ensembles.rounds import Rounds, Turn
from w2s_ensembles.samme import ROUNDING, alpha, clamped, reweighted, weighted_error
from w2s_ensembles.samples import IntArray
from w2s_toolkit.contracts import Context, MemberFactory
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef


class _Kept(NamedTuple):
    """A round that was better than chance: its member, promised, and where its learner is wrong."""

    ref: ModelRef
    turn: Turn
    error: float
    say: float
    wrong: BoolArray


class AdaBoost:
    """Each member is trained on rows weighted by how often those before it were wrong on them.

    A round whose weighted error is not below 1 - 1/K is discarded and tried again with another
    seed. Where no attempt succeeds, boosting ends with the rounds it has; where there are none, the
    first member stays alone, with a warning. The same happens when a round is right on every row
    and leaves nothing to weigh.

    Source: Zhu et al. 2009 (SAMME); for weak supervisors Sang et al. 2024 (arXiv 2402.00667),
    section 3, and EnsemW2S (arXiv 2410.04571). Errors on rows that a round's learner has not seen
    (``cross_fit``) are ours: a fine-tuned model is right on nearly all rows that it has. The labels
    of a fold still reach the weights of the other folds' rows through the helpers of earlier
    rounds, with the opposite sign, so that errors of later rounds come out too high, and boosting
    ends early, rather than too low.
    """

    def __init__(self, config: AdaBoostConfig) -> None:
        self.config = config

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """See :meth:`Ensembler.build`.

        Raises:
            DataError: there is no validation data to decide on, or fewer groups than folds.
        """
        config, truth = self.config, truth_of(train)
        val_gold = val_truth(val, "stop: val", ctx.stage) if config.needs_val else None
        require_groups(truth, max(2, config.cross_fit), "boosting with these folds", train.name)
        rounds = Rounds(
            members,
            train,
            truth.groups,
            config.cross_fit,
            ctx.seed,
            redraw=config.reweight == "resample",
        )
        kept = self._boost(rounds, truth.gold, train.num_classes, ctx)
        says = [one.say for one in kept] or [1.0]
        refs = [one.ref for one in kept] or [rounds.member(Turn(0, 0, _even(len(train))))]
        curve: list[Point] = []
        if val is not None and val_gold is not None:
            said = gather(members, refs, val)
            curve = prefix_curve(config.combine, said.probs, np.array(says), said.abstain, val_gold)
        details: dict[str, Any] = {
            "members": to_json(refs),
            "weights": says,
            "errors": [one.error for one in kept],
            "attempts": [one.turn.attempt + 1 for one in kept],
            "combine": config.combine,
            "size": choose(curve, pick=config.pick) if curve else len(refs),
            "curve": curve,
        }
        return ModelRef("ensemblers/adaboost", classes=train.info.classes, details=details)

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Ensembler.label`. Members have a say in proportion to their alpha."""
        refs = from_json(ref.details)
        said = gather(members, refs, data, ref.classes)
        weights = np.asarray(ref.details["weights"][: len(refs)])
        found = combine(ref.details["combine"], said.probs, weights, said.abstain)
        return LabelSet(
            data.ids, found.probs, said.classes, abstain=found.silent, data_digest=data.digest
        )

    def _boost(self, rounds: Rounds, gold: IntArray, classes: int, ctx: Context) -> Sequence[_Kept]:
        weights, kept = _even(len(gold)), list[_Kept]()
        for number in range(self.config.rounds):
            found = self._round(rounds, number, weights, gold, classes)
            if found is None:
                self._warn_of_chance(number, classes, ctx)
                break
            kept.append(found)
            if not found.wrong.any():
                self._warn_of_perfection(number, ctx)
                break
            weights = reweighted(weights, found.wrong, found.say)
        return kept

    def _round(
        self, rounds: Rounds, number: int, weights: FloatArray, gold: IntArray, classes: int
    ) -> _Kept | None:
        """The first attempt that is better than chance; None where there is none."""
        for attempt in range(self.config.retries + 1):
            turn = Turn(number, attempt, weights)
            said = rounds.unseen(turn)
            wrong = ~said.silent & (said.probs.argmax(1) != gold)
            error = weighted_error(weights, wrong, ~said.silent)
            # By rounding, a learner that is exactly at chance is often a hair better.
            if error < 1 - 1 / classes - ROUNDING:
                say = alpha(clamped(error, len(gold)), classes, self.config.learning_rate)
                return _Kept(rounds.member(turn), turn, error, say, wrong)
        return None

    def _warn_of_chance(self, number: int, classes: int, ctx: Context) -> None:
        left = f"those before it are kept ({number})" if number else "the first member stays alone"
        ctx.warn(
            "boosting_stopped",
            f"round {number + 1} of {self.config.rounds} was no better than chance (an error of "
            f"{1 - 1 / classes:.2g}) in {self.config.retries + 1} attempts; {left}",
        )

    def _warn_of_perfection(self, number: int, ctx: Context) -> None:
        seen = "" if self.config.cross_fit else ", as models often are on rows they were trained on"
        ctx.warn(
            "boosting_stopped",
            f"round {number + 1} of {self.config.rounds} is right on every row{seen}; there is "
            f"nothing left to weigh, and the members so far are kept ({number + 1})",
        )


def _even(rows: int) -> FloatArray:
    return np.full(rows, 1.0 / rows)
