"""Registers protocols, judges and their measures. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from w2s_toolkit.hookspecs import Component, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def w2s_oversight_protocols() -> Iterable[Component]:
    """Ways to help a weak judge."""
    for name, target, config, summary in (
        ("interaction", "interaction:Interaction", "Interaction", "An assistant explains."),
        ("debate", "debate:Debate", "Debate", "Two debaters argue for opposite sides."),
        ("consultancy", "consultancy:Consultancy", "Consultancy", "One advisor argues for a side."),
        ("critique", "critique:Critique", "Critique", "An answer and one dissenter."),
        ("answer_only", "critique:AnswerOnly", "AnswerOnly", "An assistant's bare answer."),
    ):
        yield Component(
            name,
            f"w2s_oversight.{target}",
            f"w2s_oversight.config:{config}Config",
            "1",
            summary,
            needs=("generate",),
            reads_meta=("passage",),
        )
    yield Component(
        "blind",
        "w2s_oversight.baselines:Blind",
        "w2s_oversight.config:BlindConfig",
        "1",
        "Baseline: no help.",
    )
    yield Component(
        "oracle",
        "w2s_oversight.baselines:Oracle",
        "w2s_oversight.config:OracleConfig",
        "1",
        "Baseline: the true passage of each row.",
        reads_meta=("passage",),
    )
    yield Component(
        "shuffled",
        "w2s_oversight.baselines:Shuffled",
        "w2s_oversight.config:ShuffledConfig",
        "1",
        "Baseline: the evidence so far, each row with another row's.",
    )


@hookimpl
def w2s_supervisors() -> Iterable[Component]:
    """Models that are asked for verdicts."""
    yield Component(
        "judge",
        "w2s_oversight.judge:Judge",
        "w2s_oversight.config:JudgeConfig",
        "1",
        "A model asked for a verdict on each row and its evidence.",
        needs=("generate",),
        uses_gold=("train_on",),
    )
    yield Component(
        "assistant_direct",
        "w2s_oversight.judge:AssistantDirect",
        "w2s_oversight.config:DirectConfig",
        "1",
        "Baseline: the assistant's own answers as labels.",
        needs=("generate",),
        uses_gold=("train_on",),
        reads_meta=("passage",),
    )


@hookimpl
def w2s_evaluators() -> Iterable[Component]:
    """What verdicts and transcripts tell."""
    yield Component(
        "oversight",
        "w2s_oversight.measures:OversightMetrics",
        "w2s_oversight.config:OversightMetricsConfig",
        "1",
        "Both orders, flips, sides, quotes and tokens of verdicts and transcripts.",
    )


@hookimpl
def w2s_commands() -> Iterable[click.Command]:
    """``w2s transcripts`` and ``w2s oversight``."""
    from w2s_oversight.cli import oversight, transcripts

    return (transcripts, oversight)
