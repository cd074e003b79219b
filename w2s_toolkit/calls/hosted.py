"""What the core needs to know of a model behind a server, whichever plugin asks it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from w2s_toolkit.config import NEUTRAL, ModelConfig


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prompt: float = Field(ge=0, description="For a million tokens that are read.")
    completion: float = Field(ge=0, description="For a million tokens that are written.")

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


class HostedModelConfig(ModelConfig):
    """Config of an entry of ``models:`` that costs tokens and money of somebody's."""

    id: str = Field(min_length=1, description="What the server calls the model.")
    price: Annotated[Price | None, NEUTRAL] = Field(
        None, description="US dollars for a million tokens; null: plugins are asked (w2s_price)."
    )

    def endpoint(self) -> str:
        """The server's address, without secrets."""
        raise NotImplementedError

    def called(self) -> str:
        """How ledger and messages call it: ``id@endpoint``."""
        return f"{self.id}@{self.endpoint()}"
