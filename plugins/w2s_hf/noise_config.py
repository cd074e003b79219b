"""Which gold labels a teacher is not told. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from w2s_toolkit.config import ComponentConfig


class NoiseConfig(ComponentConfig):
    """Which gold labels are replaced before a teacher is trained on them."""

    rate: float = Field(ge=0, le=1, description="Share of the rows; 1 makes an adversary of it.")
    kind: Literal["uniform", "next"] = Field(
        "uniform",
        description="uniform: another class at random, or another row's answer. next: always the class "
        "that follows, a mistake with a system; with two classes there is no difference.",
    )
    shared: bool = Field(
        False,
        description="Whether all members of an ensemble are taught the same wrong labels; otherwise "
        "each has its own.",
    )
