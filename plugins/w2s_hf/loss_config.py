"""Configs of the losses a student is trained with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class _LossConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class XentConfig(_LossConfig):
    """Cross-entropy with the soft labels."""

    use: Literal["xent"] = "xent"


class LogconfConfig(_LossConfig):
    """Cross-entropy with a mix of the soft labels and the student's own hardened predictions.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 4.3.2 and appendix A.4.
    """

    use: Literal["logconf"] = "logconf"
    alpha_max: float = Field(0.5, ge=0, le=1, description="Final share of the own predictions.")
    ramp: float = Field(
        0.2, gt=0, le=1, description="Part of the steps after which that share is reached."
    )
    schedule: Literal["linear", "openai_code"] = Field(
        "linear",
        description="linear grows from 0 to alpha_max over the ramp. openai_code follows the code "
        "released with the paper: alpha_max times the fraction of steps done during the ramp, "
        "then a jump to alpha_max (there ramp is 0.1).",
    )
    prior: Annotated[float, Field(ge=0, le=1)] | Literal["soft_mean", "half"] = Field(
        "soft_mean",
        description="Class shares that hardened predictions are given: soft_mean those of the weak "
        "labels, half equal shares (the paper), a number the share of the second of two classes.",
    )
    threshold: Literal["batch", "buffer"] = Field(
        "batch",
        description="Where the threshold is fitted: on the whole optimizer batch as it is predicted "
        "before the step (a third more time where it passes in several parts), or on recent "
        "training predictions (buffer; they lag, and short trainings can collapse to one class).",
    )
    buffer_size: int = Field(256, ge=2, description="Recent rows the threshold is fitted on.")


def _named(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


LossConfig = Annotated[
    Annotated[XentConfig | LogconfConfig, Field(discriminator="use")], BeforeValidator(_named)
]
"""A loss by name (``xent``) or with its settings (``{use: logconf, alpha_max: 0.75}``)."""
