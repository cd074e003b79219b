"""Registers the evaluators. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl

_EVALUATORS = (
    ("accuracy", "accuracy:Accuracy", "AccuracyConfig", "Share of rows answered right."),
    (
        "exact_match",
        "exact_match:ExactMatch",
        "ExactMatchConfig",
        "Share of generated answers that are the gold one.",
    ),
    (
        "token_accuracy",
        "by_token:TokenAccuracy",
        "TokenAccuracyConfig",
        "Share of the tokens of gold answers that a model would have written.",
    ),
    (
        "perplexity",
        "by_token:Perplexity",
        "PerplexityConfig",
        "How surprised a model is by the gold answers.",
    ),
    (
        "long_answers",
        "long_answers:LongAnswers",
        "LongAnswersConfig",
        "What of long gold answers is told, how rightly and how coherently.",
    ),
    ("auroc", "auroc:Auroc", "AurocConfig", "Area under the ROC curve, one-vs-rest for K > 2."),
    ("pgr", "pgr:Pgr", "PgrConfig", "Performance gap recovered, with its guard and interval."),
    (
        "agreement",
        "agreement:Agreement",
        "AgreementConfig",
        "How often the student agrees with its supervisor, where that is right and where wrong.",
    ),
    (
        "calibration",
        "calibration:Calibration",
        "CalibrationConfig",
        "Calibration error, Brier score, log-loss and reliability bins.",
    ),
    (
        "drift",
        "drift:Drift",
        "DriftConfig",
        "What a chain of students keeps, and how it changes from round to round.",
    ),
)
# 2: written answers are compared with their signs, and PGR knows a supervisor's answers from the floor's.
_VERSIONS = dict.fromkeys(("accuracy", "exact_match", "agreement", "pgr", "long_answers"), "2")


@hookimpl
def w2s_evaluators() -> Iterable[Component]:
    """The built-in evaluators."""
    for name, target, config, summary in _EVALUATORS:
        version = _VERSIONS.get(name, "1")
        yield Component(
            name, f"w2s_metrics.{target}", f"w2s_metrics.config:{config}", version, summary
        )
