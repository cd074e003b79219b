"""Configs of components that learn to write answers. Imports neither torch nor transformers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from w2s_hf.noise_config import NoiseConfig
from w2s_toolkit.config import (
    NEUTRAL,
    ComponentConfig,
    ModelName,
    SplitName,
    StudentConfig,
    SupervisorConfig,
)


class WritingConfig(ComponentConfig):
    """How a model is taught to write answers, and how it then writes them. Dropout is off."""

    epochs: int = Field(2, ge=1, description="Passes over the data.")
    batch_size: int = Field(32, ge=1, description="Rows of one optimizer step.")
    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="Rows that pass through the model at once, a divisor of batch_size; null: as many "
        "as 8,192 tokens hold.",
    )
    lr: float = Field(5e-5, gt=0, description="Highest learning rate.")
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the learning rate falls after the warm-up."
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="Part of the steps it rises over.")
    max_grad_norm: float = Field(1.0, gt=0, description="Longer gradients are cut to this norm.")
    max_length: int | None = Field(
        None, ge=8, description="Most tokens of prompt and answer; prompts are cut at the front."
    )
    template: str = Field(
        "{prompt}",
        description="Text before the answer. {prompt}, {question} and {evidence} are replaced once; "
        "evidence that the template does not mention goes before it.",
    )
    max_new_tokens: int = Field(64, ge=1, description="Most tokens of an answer that is written.")
    label_tokens: Annotated[int | None, NEUTRAL] = Field(
        None,
        ge=1,
        description="Tokens in one batch when writing or scoring; null: 4,096 on a CPU, 32,768 "
        "elsewhere.",
    )
    checkpoint_seconds: Annotated[float, NEUTRAL] = Field(
        60.0,
        ge=0,
        description="Time between two checkpoints, from which an interrupted training goes on.",
    )

    def check(self) -> list[str]:
        """A template without the prompt, or micro-batches that do not fill a batch."""
        problems = []
        if "{prompt}" not in self.template:
            problems.append(
                "template: it does not contain {prompt}, so every row would read the same"
            )
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            problems.append(
                f"micro_batch_size: {self.micro_batch_size} does not divide batch_size "
                f"{self.batch_size}; next: use a divisor"
            )
        return problems


class SftConfig(StudentConfig, WritingConfig):
    """A language model trained to write the answers its supervisor wrote."""


class SftTeacherConfig(SupervisorConfig, WritingConfig):
    """A small language model trained to write gold answers."""

    model: ModelName = Field(description="Entry of models: that is trained.")
    train_on: SplitName | None = Field("weak_train", description="Split it is fitted on.")
    choose_on: SplitName | None = Field(
        None,
        description="Split whose answers choose the epoch by their likelihood; null: the last.",
    )
    noise: NoiseConfig | None = Field(
        None,
        description="Replaces some of the gold labels it is trained on: a teacher that was taught wrong "
        "things, for experiments with noisy experts. Validation labels stay as they are.",
    )

    def check(self) -> list[str]:
        """Nothing to train it on."""
        problems = super().check()
        if self.train_on is None:
            problems.append("train_on: sft is trained on gold answers; name a split")
        return problems

    def asks_with(self) -> str:
        """See :meth:`SupervisorConfig.prompt`."""
        return self.template
