"""Config models of the evaluators. Imports nothing heavy."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from w2s_toolkit.config import EvaluatorConfig


class BootstrapConfig(EvaluatorConfig):
    """Config of an evaluator that resamples; the same numbers always come out of the same seed."""

    replicates: int = Field(10_000, ge=200, le=1_000_000, description="Bootstrap replicates.")
    bootstrap_seed: int = Field(0, ge=0, description="Seed of the resampling, apart from training.")


class AccuracyConfig(BootstrapConfig):
    """``use: accuracy``."""

    pool_labels: ClassVar[bool] = True


class ExactMatchConfig(AccuracyConfig):
    """``use: exact_match``."""


class LongAnswersConfig(BootstrapConfig):
    """``use: long_answers``."""


class TokenAccuracyConfig(BootstrapConfig):
    """``use: token_accuracy``."""

    def scored(self) -> bool:
        """It reads what models give the gold answers."""
        return True


class PerplexityConfig(TokenAccuracyConfig):
    """``use: perplexity``."""


class AurocConfig(BootstrapConfig):
    """``use: auroc``."""


class PgrConfig(BootstrapConfig):
    """``use: pgr``."""

    subjects: ClassVar[tuple[str, ...]] = ("student",)
    references: ClassVar[tuple[str, ...]] = ("weak_floor", "supervisor", "strong_ceiling")


class AgreementConfig(BootstrapConfig):
    """``use: agreement``."""

    subjects: ClassVar[tuple[str, ...]] = ("student",)
    references: ClassVar[tuple[str, ...]] = ("supervisor",)


class CalibrationConfig(BootstrapConfig):
    """``use: calibration``."""

    pool_labels: ClassVar[bool] = True

    bins: int = Field(15, ge=1, le=1000, description="Number of confidence bins.")
    binning: Literal["equal_width", "equal_mass"] = Field(
        "equal_width", description="Bins of equal width in confidence, or with equally many rows."
    )


class DriftConfig(BootstrapConfig):
    """``use: drift``."""

    subjects: ClassVar[tuple[str, ...]] = ("student",)
    references: ClassVar[tuple[str, ...]] = ("generation_0", "previous", "supervisor")

    confident: float = Field(
        0.8, ge=0, le=1, description="Least probability with which the first student was sure."
    )
    bins: int = Field(15, ge=1, le=1000, description="Number of confidence bins of ece.")
