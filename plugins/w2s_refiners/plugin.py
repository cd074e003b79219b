"""Registers the refiners and the automated aligner. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl

REQUIRES, EXTRA = ("sklearn",), "refiners"


@hookimpl
def w2s_refiners() -> Iterable[Component]:
    """Steps between labelling and training."""
    yield Component(
        "calibrate",
        "w2s_refiners.calibrate:Calibrate",
        "w2s_refiners.config:CalibrateConfig",
        "1",
        "Makes probabilities mean what they say: temperature, Platt scaling or isotonic regression.",
        uses_gold=("on",),
        requires=REQUIRES,
        extra=EXTRA,
    )
    yield Component(
        "confidence_filter",
        "w2s_refiners.confidence_filter:ConfidenceFilter",
        "w2s_refiners.config:ConfidenceFilterConfig",
        "1",
        "Keeps the labels that the supervisor is surest of.",
    )
    yield Component(
        "label_noise",
        "w2s_refiners.label_noise:LabelNoise",
        "w2s_refiners.config:LabelNoiseConfig",
        "1",
        "Replaces some labels by wrong ones, for experiments.",
    )


@hookimpl
def w2s_supervisors() -> Iterable[Component]:
    """The supervisor of the second phase."""
    yield Component(
        "auto_aligner",
        "w2s_refiners.auto_aligner:AutoAligner",
        "w2s_refiners.config:AutoAlignerConfig",
        "1",
        "The student promoted last, or all of them, calibrated, as the supervisor of the next one.",
        uses_gold=("train_on",),
        requires=REQUIRES,
        extra=EXTRA,
    )
