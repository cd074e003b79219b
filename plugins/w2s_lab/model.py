"""The model that a recipe names with ``use: lab``."""

from __future__ import annotations

from w2s_hf.model import HFModel
from w2s_lab.config import LabModelConfig


class LabModel(HFModel):
    """A model of the family, opened like any other transformers folder."""

    def __init__(self, config: LabModelConfig, fingerprint: str = "") -> None:
        super().__init__(config.as_hf(), fingerprint)
