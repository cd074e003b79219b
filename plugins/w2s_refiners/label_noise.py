"""The refiner ``label_noise``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from w2s_refiners.config import LabelNoiseConfig
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet


class LabelNoise:
    """Turns labels into wrong ones that are just as sure: a supervisor that has gone bad.

    Which rows these are follows from the seed and each row's id alone.
    """

    def __init__(self, config: LabelNoiseConfig) -> None:
        self.config = config

    def fit(self, data: Dataset, labels: LabelSet, ctx: Context) -> Mapping[str, Any]:
        """Nothing is learnt."""
        return {}

    def refine(
        self, state: Mapping[str, Any], pool: Dataset, labels: LabelSet, ctx: Context
    ) -> LabelSet:
        """The same labels, some with their probabilities moved on to other classes or rows."""
        drawn = np.array([_drawn(f"{ctx.seed}:{one}") for one in labels.ids]).reshape(-1, 2)
        wrong = (drawn[:, 0] < self.config.rate) & ~labels.abstain
        ctx.count("made_wrong", int(wrong.sum()))
        if labels.texts is not None:
            return replace(labels, texts=_other_texts(labels.texts, wrong, drawn[:, 1]))
        n, many = labels.probs.shape
        step = np.ones(n, dtype=np.int64)
        if self.config.kind == "uniform" and many > 2:
            step += (drawn[:, 1] * (many - 1)).astype(np.int64)
        columns = (np.arange(many) - np.where(wrong, step, 0)[:, None]) % max(1, many)
        return replace(labels, probs=np.take_along_axis(labels.probs, columns, 1))


def _other_texts(texts: Any, wrong: Any, at: Any) -> list[str]:
    """Another answer that occurs, for each wrong row; the same where there is no other."""
    known = sorted(set(texts))
    out = []
    for text, mistaken, share in zip(texts, wrong, at, strict=True):
        others = len(known) - 1
        step = 1 + int(share * others) if mistaken and others else 0
        out.append(known[(known.index(text) + step) % len(known)])
    return out


def _drawn(key: str) -> tuple[float, float]:
    """Two numbers in [0, 1) that follow from a text."""
    digest = hashlib.sha256(key.encode()).digest()
    first, second = (int.from_bytes(digest[i : i + 6], "big") / 2**48 for i in (0, 6))
    return first, second
