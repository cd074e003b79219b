"""Gradient boosting of the log-loss for K classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from w2s_ensembles.checks import require_groups, truth_of, val_truth
from w2s_ensembles.combine import Combined
from w2s_ensembles.config import GradientBoostingConfig
from w2s_ensembles.curve import Point, Truth, choose, point
from w2s_ensembles.gathered import Said, from_json, gather, to_json
from w2s_ensembles.logits import centred_log, log_loss, softmax
from w2s_ensembles.rounds import Rounds, Turn
from w2s_ensembles.samples import IntArray
from w2s_toolkit.contracts import Context, MemberFactory
from w2s_toolkit.data import Dataset, FloatArray, LabelSet, ModelRef


class GradientBoosting:
    """Each member regresses on what the sum of those before it left of the gold labels.

    F_0 is the logarithm of the classes' shares; round t asks for a member h_t fitted to
    y - softmax(F), the negative gradient of the log-loss, and F grows by ``learning_rate`` times
    h_t. With ``cross_fit``, F on the training rows is made of helpers that have not seen them, so
    that later members are left what earlier ones cannot tell of new rows. That is off by default:
    a member that memorises its targets then adds the noise of a row once a round, where plain
    boosting leaves it nothing to add. ``train_log_loss`` of
    the reference is that of F on the training rows before each round. The log-loss has a
    curvature of at most 1/2, so with exact members any step up to 2 lowers it.

    Source: Friedman 2001, "Greedy function approximation: a gradient boosting machine", sections
    4.5 and 4.6, without the refitted step lengths of trees; for weak supervisors Sang et al. 2024
    (arXiv 2402.00667), section 3.
    """

    def __init__(self, config: GradientBoostingConfig) -> None:
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
        rounds = Rounds(members, train, truth.groups, config.cross_fit, ctx.seed)
        gold = np.eye(train.num_classes)[truth.gold]
        prior = log_prior(truth.gold, train.num_classes)
        scores = np.tile(prior, (len(gold), 1))
        losses, refs = [_loss(scores, truth.gold)], list[ModelRef]()
        for number in range(config.rounds):
            turn = Turn(number, target=gold - softmax(scores))
            refs.append(rounds.member(turn))
            if number == config.rounds - 1:
                break  # what is left after the last round is nobody's target
            unseen = rounds.unseen(turn)
            step = np.where(unseen.silent[:, None], 0.0, centred_log(unseen.probs))
            scores = scores + config.learning_rate * step
            losses.append(_loss(scores, truth.gold))
        details: dict[str, Any] = {
            "members": to_json(refs),
            "prior": prior.tolist(),
            "learning_rate": config.learning_rate,
            "train_log_loss": losses,
        }
        curve: list[Point] = []
        if val is not None and val_gold is not None:
            curve = _curve(details, gather(members, refs, val), val_gold)
        size = choose(curve, by="log_loss", pick=config.pick) if curve else len(refs)
        details |= {"size": size, "curve": curve, "curve_by": "log_loss"}
        return ModelRef("ensemblers/gradient_boosting", classes=train.info.classes, details=details)

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Ensembler.label`: softmax(F)."""
        said = gather(members, from_json(ref.details), data, ref.classes)
        found = _sum(ref.details, said)
        return LabelSet(
            data.ids, found.probs, said.classes, abstain=found.silent, data_digest=data.digest
        )


def log_prior(gold: IntArray, classes: int) -> FloatArray:
    """(K,) logarithms of the classes' shares; half a row for a class that has none."""
    counts = np.maximum(np.bincount(gold, minlength=classes), 0.5)
    return np.asarray(np.log(counts / counts.sum()), dtype=np.float64)


def _sum(details: Mapping[str, Any], said: Said) -> Combined:
    """softmax(F) of members' probabilities; a member that abstains adds nothing."""
    steps = np.where(said.abstain[:, :, None], 0.0, centred_log(said.probs))
    scores = np.asarray(details["prior"]) + details["learning_rate"] * steps.sum(0)
    return Combined(softmax(scores), np.asarray(said.abstain.all(0), dtype=np.bool_))


def _curve(details: Mapping[str, Any], said: Said, truth: Truth) -> list[Point]:
    sizes = range(1, len(said.probs) + 1)
    return [point(m, _sum(details, said.first(m)), truth) for m in sizes]


def _loss(scores: FloatArray, gold: IntArray) -> float:
    return float(log_loss(softmax(scores), gold).mean())
