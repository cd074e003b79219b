"""Registers the lab's models and tasks. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, hookimpl


@hookimpl
def w2s_models() -> Iterable[Component]:
    """Language models of growing size that know one made-up world."""
    yield Component(
        "lab",
        "w2s_lab.model:LabModel",
        "w2s_lab.config:LabModelConfig",
        "1",
        "A model of the embedded lab: lab-xs, lab-s, lab-m or lab-l.",
        requires=("torch", "transformers"),
        extra="hf",
    )


@hookimpl
def w2s_tasks() -> Iterable[Component]:
    """Tasks about the world that the lab's models have read about."""
    for name, kind, summary in (
        ("lab_claims", "LabClaims", "Does a claim about a made-up review hold?"),
        ("lab_choice", "LabChoice", "Which of four topics is a made-up report about?"),
        ("lab_answer", "LabAnswer", "Questions on made-up things, with short or long answers."),
        ("lab_preference", "LabPreference", "Which of two made-up replies is better?"),
    ):
        yield Component(name, f"w2s_lab.tasks:{kind}", f"w2s_lab.config:{kind}Config", "2", summary)
