"""The refiner ``confidence_filter``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from w2s_refiners.config import ConfidenceFilterConfig
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet
from w2s_toolkit.errors import DataError


class ConfidenceFilter:
    """Leaves out labels that the supervisor is not sure of: their rows train nobody.

    Of written answers, the confidence is the mean log-probability of a token, where it is known.
    """

    def __init__(self, config: ConfidenceFilterConfig) -> None:
        self.config = config

    def fit(self, data: Dataset, labels: LabelSet, ctx: Context) -> Mapping[str, Any]:
        """Nothing is learnt."""
        return {}

    def refine(
        self, state: Mapping[str, Any], pool: Dataset, labels: LabelSet, ctx: Context
    ) -> LabelSet:
        """The same labels, of which the unsure ones abstain.

        Raises:
            DataError: written answers whose probability nobody measured.
        """
        config, given = self.config, ~labels.abstain
        confidence, kinds = _confidence(labels, ctx)
        if config.least is not None:
            kept = given & (confidence >= config.least)
        else:
            kept = np.zeros(len(given), dtype=np.bool_)
            kinds = kinds if config.balance else np.zeros(len(given), dtype=np.int64)
            for kind in np.unique(kinds[given]):
                rows = np.flatnonzero(given & (kinds == kind))
                kept[self._surest(rows, confidence, labels)] = True
        ctx.count("left_out", int((given & ~kept).sum()))
        if given.any() and not kept.any():
            surest = float(confidence[given].max())
            ctx.warn(
                "nothing_kept",
                f"no label is as sure as least: {config.least:g} asks for; the surest is at {surest:.3f}",
            )
        return replace(labels, abstain=~kept)

    def _surest(self, rows: Any, confidence: FloatArray, labels: LabelSet) -> Any:
        """The rows of the highest confidence; of equal ones those whose ids come first."""
        assert self.config.keep is not None
        ids = np.array([labels.ids[int(row)] for row in rows])
        order = np.lexsort((ids, -confidence[rows]))
        return rows[order[: max(1, round(self.config.keep * len(rows)))]]


def _confidence(labels: LabelSet, ctx: Context) -> tuple[FloatArray, Any]:
    """(n,) confidence of each label and (n,) its class."""
    if labels.texts is None:
        quiet: BoolArray = labels.abstain
        probs = np.where(quiet[:, None], 0.0, labels.probs)
        return probs.max(1, initial=0.0), probs.argmax(1) if probs.size else np.zeros(len(quiet))
    if labels.token_log_probs is None:
        raise DataError(
            "written answers come without the probabilities of their tokens",
            where=ctx.stage,
            next_step="use a supervisor that gives them, such as sft, or leave out confidence_filter",
        )
    means = [float(np.mean(row)) if len(row) else -np.inf for row in labels.token_log_probs]
    return np.exp(np.array(means)), np.zeros(len(means), dtype=np.int64)
