"""Config models of the lab's models and tasks. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from w2s_hf.config import HFModelConfig
from w2s_lab.family import folder
from w2s_toolkit.config import ComponentConfig, Digest

Difficulty = Annotated[int, Field(ge=1, le=4)]


class LabModelConfig(HFModelConfig):
    """A model of the lab's family; otherwise like ``use: hf``."""

    id: Literal["lab-xs", "lab-s", "lab-m", "lab-l"] = Field(
        description="lab-xs, lab-s, lab-m or lab-l, from the weakest to the strongest."
    )

    def as_hf(self) -> HFModelConfig:
        """The same model named by its folder."""
        values = self.model_dump() | {"id": str(folder(self.id))}
        return HFModelConfig.model_validate(values)

    def check(self) -> list[str]:
        """The package's files may be missing."""
        if not (folder(self.id) / "config.json").is_file():
            return [
                f"id: the files of {self.id} are not in {folder(self.id)}; next: install "
                "w2s-toolkit again, or make them with python -m w2s_lab.pretrain"
            ]
        return self.as_hf().check()

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """As for ``use: hf``."""
        return self.as_hf().key_parts(digest)

    def fingerprint(self, digest: Digest) -> str:
        """The hash of the model's files."""
        return self.as_hf().fingerprint(digest)

    def tokens(self, *, thorough: bool = False) -> str:
        """Those of the model's files."""
        return self.as_hf().tokens(thorough=thorough)

    def capabilities(self) -> frozenset[str]:
        """All: the family are decoders with weights."""
        return frozenset({"generate", "choice_probs", "train"})


class LabTaskConfig(ComponentConfig):
    """Rows that are made as they are asked for."""

    rows: int = Field(8000, ge=8, le=1_000_000, description="How many rows there are.")
    rows_seed: int = Field(0, ge=0, description="Other seeds give other rows of the same world.")
    difficulty: list[Difficulty] = Field(
        [1, 2, 3, 4],
        min_length=1,
        description="Rarities of the words (or things) that decide, mixed in equal parts; 4 is the "
        "rarest.",
    )
    easy: list[str] | None = Field(
        None,
        description="Splits drawn from the easier half of the difficulties, all others from the "
        "harder half; null mixes them.",
    )
    words: Literal["apart", "shared"] = Field(
        "apart",
        description="apart: a third of the made-up words occurs in weak_train alone, and no other word "
        "there, so what its labels teach about words helps nowhere else. Without effect on lab_answer.",
    )
    plain: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of plain English among the words that decide, which even the smallest model "
        "learns from labels. Without effect on lab_answer.",
    )
    passage: Literal["none", "right", "wrong", "shuffled"] = Field(
        "none",
        description="Background that precedes each text: what its hard words mean (what is known "
        "of the thing): right, the opposite of it (wrong), or another row's (shuffled).",
    )

    def check(self) -> list[str]:
        """Halves need two difficulties."""
        problems = []
        if len(set(self.difficulty)) < len(self.difficulty):
            problems.append("difficulty: every number once")
        if self.easy is not None and len(self.difficulty) < 2:
            problems.append("easy: needs at least two difficulties to have an easier half")
        return problems


class LabClaimsConfig(LabTaskConfig):
    """``use: lab_claims``."""


class LabChoiceConfig(LabTaskConfig):
    """``use: lab_choice``."""


class LabPreferenceConfig(LabTaskConfig):
    """``use: lab_preference``."""

    form: Literal["shown", "pair"] = Field(
        "shown",
        description="shown: the prompt holds both replies, the classes are A and B. pair: a "
        "preference between two replies that each row has of its own.",
    )


class LabAnswerConfig(LabTaskConfig):
    """``use: lab_answer``."""

    things: int = Field(
        0,
        ge=0,
        le=24,
        description="0: one fact, answered in a few words. n: all that is known of n things, about "
        "35 tokens for each.",
    )
