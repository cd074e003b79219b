"""The refiner ``calibrate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from w2s_refiners import calibration
from w2s_refiners.config import CalibrateConfig
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet

WRITTEN = (
    "answers that are written have no class probabilities to calibrate; labels stay as they are"
)


class Calibrate:
    """Changes probabilities so that they are right as often as they say.

    Fitted on the supervisor's labels of a split with gold. Sources: Guo et al. 2017 (arXiv
    1706.04599) for temperature, Platt 1999, Zadrozny and Elkan 2002 for isotonic regression.
    """

    def __init__(self, config: CalibrateConfig) -> None:
        self.config = config

    def fit(self, data: Dataset, labels: LabelSet, ctx: Context) -> Mapping[str, Any]:
        """The map as JSON; the one that changes nothing where it cannot be fitted, with a remark."""
        if data.info.kind == "generation":
            ctx.warn("not_calibrated", WRITTEN)
            return calibration.NOTHING
        labels = labels.align(data)
        state, reason = calibration.fit(
            self.config.method, labels.probs, data.gold, ~labels.abstain
        )
        if reason:
            ctx.warn("not_calibrated", f"{reason} in {data.name!r}: labels stay as they are")
        return state

    def refine(
        self, state: Mapping[str, Any], pool: Dataset, labels: LabelSet, ctx: Context
    ) -> LabelSet:
        """Calibrated labels; rows that abstain go on doing so."""
        probs = np.array(labels.probs)
        given = ~labels.abstain
        probs[given] = calibration.apply(state, probs[given])
        return replace(labels, probs=probs)
