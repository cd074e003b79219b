"""Teachers that were taught wrong things: gold labels of which some are replaced."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from w2s_hf.noise_config import NoiseConfig
from w2s_toolkit.data import Dataset, LabelSet


def noisy_gold(data: Dataset, noise: NoiseConfig | None, seed: int) -> LabelSet:
    """Gold labels of ``data`` with some replaced; which rows these are does not depend on other rows.

    Args:
        seed: of what is drawn, unless it is shared.
    """
    gold = LabelSet.of_gold(data)
    if noise is None or not replaces(noise):
        return gold
    salt = "shared" if noise.shared else str(seed)
    drawn = np.array([_drawn(f"{salt}:{one}") for one in data.ids])
    wrong = drawn[:, 0] < noise.rate
    if gold.texts is not None:
        answers = sorted(set(gold.texts))
        texts = [
            _other(answers, text, at) if mistaken else text
            for text, mistaken, at in zip(gold.texts, wrong, drawn[:, 1], strict=True)
        ]
        return replace(gold, texts=texts, provenance={"component": taught_by(noise)})
    many = gold.probs.shape[1]
    step = np.ones(len(drawn), dtype=np.int64)
    if noise.kind == "uniform":
        step += (drawn[:, 1] * (many - 1)).astype(np.int64)
    shown = (gold.probs.argmax(1) + np.where(wrong, step, 0)) % many
    return replace(gold, probs=np.eye(many)[shown])


def replaces(noise: NoiseConfig | None) -> bool:
    """Whether any gold label is replaced."""
    return noise is not None and noise.rate > 0


def taught_by(noise: NoiseConfig | None) -> str:
    """What a teacher learns from, in words."""
    if noise is None or not replaces(noise):
        return "gold answers"
    return f"gold answers, {noise.rate:.0%} of them replaced by wrong ones"


def _other(answers: list[str], text: str, at: float) -> str:
    """One of the other answers, at a share of the way through them; itself if there is none."""
    others = len(answers) - 1
    return answers[(answers.index(text) + 1 + int(at * others)) % len(answers)] if others else text


def _drawn(key: str) -> tuple[float, float]:
    """Two numbers in [0, 1) that follow from a text."""
    digest = hashlib.sha256(key.encode()).digest()
    first, second = (int.from_bytes(digest[i : i + 6], "big") / 2**48 for i in (0, 6))
    return first, second
