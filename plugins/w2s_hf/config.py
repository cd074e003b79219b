"""Configs of this plugin's components. Imports neither torch nor transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from w2s_hf.loss_config import LogconfConfig, LossConfig, XentConfig
from w2s_hf.model_config import HFModelConfig, LoraSettings
from w2s_hf.noise_config import NoiseConfig
from w2s_toolkit.config import (
    NEUTRAL,
    ComponentConfig,
    Digest,
    InputPath,
    ModelName,
    SplitName,
    StudentConfig,
    SupervisorConfig,
    WatchConfig,
)

__all__ = [
    "ClassifierConfig",
    "FinetunedConfig",
    "HFModelConfig",
    "LabelsFileConfig",
    "LogconfConfig",
    "LoraSettings",
    "LossConfig",
    "TrainingConfig",
    "XentConfig",
    "ZeroShotConfig",
]


class TrainingConfig(ComponentConfig):
    """Hyper-parameters of a classifier's training. Dropout is off.

    Source of the defaults: Burns et al. 2023 (arXiv 2312.09390), appendix A.
    """

    epochs: int = Field(2, ge=1, description="Passes over the data.")
    batch_size: int = Field(32, ge=1, description="Rows of one optimizer step, over all devices.")
    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="Rows that pass through the model at once; null: what 8,192 tokens hold.",
    )
    lr: float = Field(5e-5, gt=0, description="Highest learning rate.")
    head_lr_scale: float = Field(
        1.0,
        gt=0,
        description="Learning rate of the head (which starts at zero) over that of the body.",
    )
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the learning rate falls after the warm-up."
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="Part of the steps it rises over.")
    max_grad_norm: float = Field(1.0, gt=0, description="Longer gradients are cut to this norm.")
    max_length: int | None = Field(None, ge=8, description="Longer texts are cut, and counted.")
    pooling: Literal["auto", "last", "first", "mean", "own"] = Field(
        "auto",
        description="Which hidden state the head reads. auto: the last token of a decoder; for an "
        "encoder what it was made with, or its first token. own: the model's own pooling layer.",
    )
    label_tokens: Annotated[int | None, NEUTRAL] = Field(
        None,
        ge=1,
        description="Tokens in one batch when predicting; null: 1,024 on a CPU, 16,384 elsewhere.",
    )
    checkpoint_seconds: Annotated[float, NEUTRAL] = Field(
        60.0,
        ge=0,
        description="Time between two checkpoints, from which an interrupted training goes on. "
        "Epochs end with one too, as far as writing takes less than 5% of the time.",
    )


class FinetunedConfig(SupervisorConfig, TrainingConfig):
    """A small model fine-tuned on gold labels."""

    model: ModelName = Field(description="Entry of models: that is trained.")
    train_on: SplitName | None = Field("weak_train", description="Split it is fitted on.")
    choose_on: SplitName | None = Field(
        "val", description="Split that chooses the epoch; null keeps the last one."
    )
    noise: NoiseConfig | None = Field(
        None,
        description="Replaces some of the gold labels it is trained on: a teacher that was taught wrong "
        "things, for experiments with noisy experts. Validation labels stay as they are, and so do those "
        "by which boosting weighs rows.",
    )

    def check(self) -> list[str]:
        """Nothing to train it on."""
        problems = super().check()
        if self.train_on is None:
            problems.append("train_on: finetuned is trained on gold labels; name a split")
        return problems


class ClassifierConfig(StudentConfig, TrainingConfig):
    """A model with a classification head, trained on weak labels."""

    loss: LossConfig = Field(default_factory=XentConfig, description="xent or logconf.")
    watch: WatchConfig | None = Field(
        None,
        description="Looks at it while it learns: how often it is right, and how often it says what "
        "its supervisor says. The report draws that; nothing is chosen by it. null: no looks.",
    )

    def ceiling(self) -> ClassifierConfig:
        """The same training with plain cross-entropy."""
        return self.model_copy(update={"loss": XentConfig(), "watch": None})

    def watched(self) -> WatchConfig | None:
        """See :meth:`StudentConfig.watched`."""
        return self.watch

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """A student that nobody looks at is the one that it was before there were looks."""
        parts = super().key_parts(digest)
        return parts if self.watch else {k: v for k, v in parts.items() if k != "watch"}


class ZeroShotConfig(SupervisorConfig):
    """A language model's probabilities of each answer after a prompt."""

    model: ModelName = Field(description="Entry of models: that is asked.")
    template: str = Field(
        "{prompt}\n{question}\nAnswer:",
        description="Text before the answer. {prompt}, {question} and {evidence} are replaced once; "
        "evidence that the template does not mention goes before it.",
    )
    length_normalise: bool = Field(
        False, description="Mean instead of sum of an answer's token log-probabilities."
    )
    label_tokens: Annotated[int, NEUTRAL] = Field(4096, ge=1, description="Tokens in one batch.")

    def check(self) -> list[str]:
        """A template without the prompt, or an attempt to fit it."""
        problems = []
        if "{prompt}" not in self.template:
            problems.append(
                "template: it does not contain {prompt}, so every row would read the same"
            )
        for name in ("train_on", "choose_on"):
            if getattr(self, name) is not None:
                problems.append(f"{name}: zero_shot is not trained; remove it, or use: finetuned")
        return problems


def _is_no_file(text: str) -> bool:
    """Whether something is there that is not a file; what is missing is noticed elsewhere."""
    try:
        return Path(text).exists() and not Path(text).is_file()
    except (OSError, ValueError):
        return False


class LabelsFileConfig(SupervisorConfig):
    """Weak labels from a JSONL, CSV or Parquet file."""

    path: InputPath = Field(description="File with one labelled row a line.")
    match: Literal["auto", "id", "text"] = Field(
        "auto",
        description="Join by example id or by exact text; auto takes ids where there are any.",
    )
    id_column: str | None = Field(None, description="Column of example ids; null: id, example_id.")
    text_column: str | None = Field(None, description="Column of texts; null: text, txt, prompt.")
    probs_column: str | None = Field(
        None, description="Column of lists of probabilities; null: soft_label, probs."
    )
    probs_columns: list[str] | None = Field(
        None, min_length=2, description="One column a class; null: p0, p1, …"
    )
    label_column: str | None = Field(
        None,
        description="Column of hard labels (class name or index). Never guessed: it may be gold.",
    )
    classes: list[str] | None = Field(
        None, min_length=2, description="Class names in the file's order; null: the task's order."
    )

    def check(self) -> list[str]:
        """Settings that contradict each other, or a missing file."""
        named = ("probs_column", "probs_columns", "label_column")
        given = [name for name in named if getattr(self, name) is not None]
        problems = []
        if len(given) > 1:
            problems.append(f"{' and '.join(given)} are given; keep the one that holds the labels")
        for name in ("model", "train_on", "choose_on"):
            if getattr(self, name) is not None:
                problems.append(f"{name}: labels_file trains nothing; remove it")
        if _is_no_file(self.path):
            problems.append(f"path: {self.path} is not a file; next: name one labels file")
        return problems
