"""Config of the model ``use: hf``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from w2s_hf import hub, vocabulary
from w2s_hf.hardware import resolve_dtype
from w2s_toolkit.config import NEUTRAL, Digest, ModelConfig, PathOrId


class LoraSettings(BaseModel):
    """Low-rank adapters instead of full fine-tuning.

    They are merged into the weights when training ends, so a trained model opens without peft.

    Source: Hu et al. 2021, LoRA (arXiv 2106.09685), section 4.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    r: int = Field(16, ge=1, description="Rank of each adapter.")
    alpha: int = Field(32, ge=1, description="Scale: updates are multiplied by alpha / r.")
    target_modules: list[str] | None = Field(
        None, description="Names of the layers that get one; null means every linear layer."
    )


class HFModelConfig(ModelConfig):
    """A transformers model from a local folder or the Hugging Face hub."""

    id: PathOrId = Field(min_length=1, description="Hub id (Qwen/Qwen2.5-0.5B) or local folder.")
    revision: str | None = Field(None, description="Hub branch, tag or commit; null means main.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format; auto is bfloat16 where the hardware has it."
    )
    device: Annotated[str, NEUTRAL] = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    peft: LoraSettings | None = Field(None, description="Adapters; null trains every weight.")
    attn_implementation: str | None = Field(
        None, description="sdpa, eager, flash_attention_2; null leaves it to transformers."
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code that comes with the model. Only for code you have read."
    )
    max_length: int | None = Field(None, ge=8, description="Most tokens it is given.")
    beams: int = Field(
        1,
        ge=1,
        le=64,
        description="Beams in which its answers in chats are searched for; 1 takes the most probable token each "
        "time. Only at temperature 0, and about as many times as slow.",
    )

    def check(self) -> list[str]:
        """A folder that is missing or cannot be loaded."""
        folder = hub.local_folder(self.id)
        if folder is not None:
            return hub.folder_problems(folder)
        if hub.looks_local(self.id):
            return [f"id: there is no folder {self.id}; next: --set models.NAME.id=PATH"]
        return []

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """Without id and revision, which the fingerprint stands for, and dtype, which is resolved.

        A model without a search is the one that it was before there was one.
        """
        parts = super().key_parts(digest)
        without = {"id", "revision", "dtype"} | ({"beams"} if self.beams == 1 else set())
        return {k: v for k, v in parts.items() if k not in without}

    def fingerprint(self, digest: Digest) -> str:
        """See :meth:`ModelConfig.fingerprint`. A folder's does not depend on where it lies."""
        folder = hub.local_folder(self.id)
        if folder is not None:
            return hub.folder_fingerprint(folder, digest, code=self.trust_remote_code)
        return hub.hub_revision(self.id, self.revision)

    def capabilities(self) -> frozenset[str]:
        """From ``config.json`` where it is on this machine; all three where it is not."""
        config = hub.read_config(self.id, self.revision)
        kind = hub.family(config) if config is not None else "unknown"
        if kind == "encoder":
            return frozenset({"train"})
        if kind == "encoder-decoder":
            return frozenset()
        return frozenset({"generate", "choice_probs", "train"})

    def tokens(self, *, thorough: bool = False) -> str:
        """See :meth:`ModelConfig.tokens`: from ``tokenizer.json``, or by opening the tokenizer."""
        folder, code = hub.folder_here(self.id, self.revision), self.trust_remote_code
        if folder is None or (thorough and hub.local_folder(self.id) is None):
            if not thorough:
                return ""
            sha = hub.hub_revision(self.id, self.revision)
            files = [*vocabulary.FILES, "*.py"] if code else vocabulary.FILES
            folder = hub.download_files(self.id, sha, files)
        return vocabulary.identity(folder, thorough=thorough, code=code)

    def resolved(self) -> dict[str, Any]:
        """``dtype`` as it falls on this machine."""
        return {"dtype": resolve_dtype(self.dtype, self.device)}
