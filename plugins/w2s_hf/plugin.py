"""What this plugin offers. Nothing here imports torch; see the named modules for the components."""

from __future__ import annotations

from collections.abc import Iterable

from w2s_toolkit.hookspecs import Component, Finding, hookimpl

REQUIRES = ("torch", "transformers", "accelerate")
EXTRA = "hf"


@hookimpl
def w2s_models() -> Iterable[Component]:
    """The model a recipe names with ``use: hf``."""
    yield Component(
        "hf",
        "w2s_hf.model:HFModel",
        "w2s_hf.config:HFModelConfig",
        "1",
        "A transformers model from a local folder or the Hugging Face hub.",
        requires=REQUIRES,
        extra=EXTRA,
    )


@hookimpl
def w2s_supervisors() -> Iterable[Component]:
    """Weak teachers: trained on gold, asked without training, or read from a file."""
    yield Component(
        "finetuned",
        "w2s_hf.finetuned:Finetuned",
        "w2s_hf.config:FinetunedConfig",
        "3",
        "A small model fine-tuned on gold labels.",
        needs=("train",),
        uses_gold=("train_on", "choose_on"),
        requires=REQUIRES,
        extra=EXTRA,
    )
    yield Component(
        "sft",
        "w2s_hf.sft:SftTeacher",
        "w2s_hf.sft_config:SftTeacherConfig",
        "2",
        "A small language model fine-tuned to write gold answers.",
        needs=("generate", "train"),
        uses_gold=("train_on", "choose_on"),
        requires=(*REQUIRES, "trl", "peft"),
        extra=EXTRA,
    )
    yield Component(
        "zero_shot",
        "w2s_hf.zero_shot:ZeroShot",
        "w2s_hf.config:ZeroShotConfig",
        "1",
        "A language model's probabilities of each answer after a prompt.",
        needs=("choice_probs",),
        requires=REQUIRES,
        extra=EXTRA,
    )
    yield Component(
        "labels_file",
        "w2s_hf.labels_file:LabelsFile",
        "w2s_hf.config:LabelsFileConfig",
        "1",
        "Weak labels from a JSONL, CSV or Parquet file.",
    )


@hookimpl
def w2s_students() -> Iterable[Component]:
    """Strong learners."""
    yield Component(
        "classifier",
        "w2s_hf.classifier:Classifier",
        "w2s_hf.config:ClassifierConfig",
        "3",
        "A transformers model with a classification head, trained on weak labels.",
        needs=("train",),
        requires=REQUIRES,
        extra=EXTRA,
    )
    yield Component(
        "sft",
        "w2s_hf.sft:Sft",
        "w2s_hf.sft_config:SftConfig",
        "1",
        "A language model trained to write the answers its supervisor wrote.",
        needs=("generate", "train"),
        requires=(*REQUIRES, "trl", "peft"),
        extra=EXTRA,
    )


@hookimpl
def w2s_doctor() -> Iterable[Finding]:
    """Devices, and settings of the Hugging Face hub."""
    from w2s_hf.doctor import findings

    return findings()
