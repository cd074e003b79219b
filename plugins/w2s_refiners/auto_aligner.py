"""The supervisor ``auto_aligner``: students that were promoted supervise the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from w2s_refiners import calibration
from w2s_refiners.calibrate import WRITTEN
from w2s_refiners.config import AutoAlignerConfig
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError


class AutoAligner:
    """What the student promoted last says, or all students so far, calibrated on gold labels.

    The labels of the students come in ``ctx.references``, see
    :class:`~w2s_toolkit.config.AlignerConfig`; nothing is trained but the calibration.

    Source: Sang et al. 2024 (arXiv 2402.00667), the automated alignment evaluator of the second
    phase. Calibration, and asking all generations, are ours.
    """

    def __init__(self, config: AutoAlignerConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Fit the calibration on ``train``."""
        if train is None:
            return None
        state: calibration.State = calibration.NOTHING
        if train.info.kind == "generation":
            ctx.warn("not_calibrated", WRITTEN)
        else:
            labels = self._joined(train, ctx)
            state, reason = calibration.fit(
                self.config.method, labels.probs, train.gold, ~labels.abstain
            )
            if reason:
                ctx.warn("not_calibrated", f"{reason} in {train.name!r}: labels stay as they are")
        return ModelRef("supervisors/auto_aligner", classes=train.info.classes, details=state)

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """Calibrated labels; a row on which no student has an answer abstains."""
        labels = self._joined(data, ctx)
        if ref is None or labels.texts is not None:
            return labels
        probs, given = np.array(labels.probs), ~labels.abstain
        probs[given] = calibration.apply(ref.details, probs[given])
        return replace(labels, probs=probs)

    def _joined(self, data: Dataset, ctx: Context) -> LabelSet:
        asked = [labels.align(data) for _, labels in _in_order(ctx)]
        if not asked:
            raise DataError(
                "auto_aligner was handed no student to label with",
                where=ctx.stage,
                next_step='use it in a recipe, with model: "@prev.student"',
            )
        if len(asked) == 1:
            return replace(asked[0], data_digest=data.digest, provenance={})
        if any(labels.texts is not None for labels in asked):
            raise DataError(
                "answers that several students wrote cannot be joined",
                where=ctx.stage,
                next_step="set generations: last",
            )
        return self._mean(asked, data)

    def _mean(self, asked: Sequence[LabelSet], data: Dataset) -> LabelSet:
        """The mean over the students that have an answer."""
        given = np.stack([~labels.abstain for labels in asked])
        probs = np.stack([labels.probs for labels in asked])
        values = (
            probs if self.config.combine == "mean" else np.stack([*map(calibration.logs, probs)])
        )
        total = np.where(given[:, :, None], values, 0.0).sum(0)
        mean = total / np.maximum(1, given.sum(0))[:, None]
        silent = np.logical_and.reduce(~given)
        joined = mean if self.config.combine == "mean" else calibration.softmax(mean)
        joined = np.where(silent[:, None], 1 / joined.shape[1], joined)
        return LabelSet(data.ids, joined, asked[0].classes, silent, data_digest=data.digest)


def _in_order(ctx: Context) -> list[tuple[int, LabelSet]]:
    """Labels of the students, the one promoted first in front."""
    found = [
        (int(name.rpartition("_")[2]), labels)
        for name, labels in ctx.references.items()
        if name.startswith("generation_")
    ]
    return sorted(found, key=lambda pair: pair[0])
