"""Config of the asking supervisor."""

from __future__ import annotations

from pydantic import Field

from w2s_toolkit.config import ModelName, SupervisorConfig


class AskingConfig(SupervisorConfig):
    """A model that is asked."""

    model: ModelName = Field(description="Entry of models: that is asked.")
    most: int = 4
