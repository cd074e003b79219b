"""Registers the ensemblers. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl

_ENSEMBLERS = (
    (
        "bagging",
        "bagging:Bagging",
        "BaggingConfig",
        "Members that differ by data, features, layers, seeds or models, combined.",
    ),
    (
        "adaboost",
        "adaboost:AdaBoost",
        "AdaBoostConfig",
        "Each member learns what those before it got wrong, by weights (SAMME).",
    ),
    (
        "gradient_boosting",
        "gradient_boosting:GradientBoosting",
        "GradientBoostingConfig",
        "Each member learns what those before it left of the gold labels.",
    ),
    (
        "writers",
        "writers:Writers",
        "WritersConfig",
        "Members that write apart, mixed token by token or by a vote on whole answers.",
    ),
    (
        "token_boosting",
        "token_boosting:TokenBoosting",
        "TokenBoostingConfig",
        "Each expert learns the answer tokens that those before it got wrong (EnsemW2S).",
    ),
)


@hookimpl
def w2s_ensemblers() -> Iterable[Component]:
    """The built-in ensemblers."""
    for name, target, config, summary in _ENSEMBLERS:
        yield Component(
            name,
            f"w2s_ensembles.{target}",
            f"w2s_ensembles.config:{config}",
            "1",
            summary,
            uses_gold=("choose_on",),
        )
