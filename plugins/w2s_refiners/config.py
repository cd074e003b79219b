"""Config models of the refiners and of the automated aligner. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from w2s_toolkit.config import AlignerConfig, RefinerConfig, SplitName

Method = Literal["temperature", "platt", "isotonic"]

_METHOD = (
    "temperature: one number that makes all labels more or less sure, and changes no class. platt: a "
    "logistic regression on log-probabilities. isotonic: any rising curve, for many gold labels."
)


class CalibrateConfig(RefinerConfig):
    """``use: calibrate``."""

    on: SplitName = Field("val", description="Split whose gold labels it is fitted on.")
    method: Method = Field("temperature", description=_METHOD)


class ConfidenceFilterConfig(RefinerConfig):
    """``use: confidence_filter``."""

    keep: float | None = Field(
        None, gt=0, le=1, description="Share of the labels that is kept, the surest ones."
    )
    least: float | None = Field(
        None, ge=0, le=1, description="Least probability of its class that keeps a label."
    )
    balance: bool = Field(
        True,
        description="With keep: the share is taken of each class that the supervisor gives, so that "
        "filtering does not move the shares of classes.",
    )

    def check(self) -> list[str]:
        """One of the two ways."""
        if (self.keep is None) == (self.least is None):
            return ["keep, least: give one of them; next: for example keep: 0.5"]
        return []


class LabelNoiseConfig(RefinerConfig):
    """``use: label_noise``."""

    rate: float = Field(ge=0, le=1, description="Share of the labels; 1 makes an adversary of it.")
    kind: Literal["uniform", "next"] = Field(
        "uniform",
        description="uniform: another class at random. next: always the class that follows. With two "
        "classes there is no difference.",
    )


class AutoAlignerConfig(AlignerConfig):
    """``use: auto_aligner``."""

    method: Method = Field(
        "platt",
        description="How it is calibrated. Unlike temperature, platt takes out a lean to one class, "
        f"which is what the next student would learn first. {_METHOD}",
    )
    combine: Literal["mean", "log_odds"] = Field(
        "mean",
        description="With generations: all, the mean of their probabilities, or of their log-odds.",
    )
