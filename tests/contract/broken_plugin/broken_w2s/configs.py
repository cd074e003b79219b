"""Configs: one class a component, most of them plain."""

import time
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, field_validator

from w2s_toolkit.config import (
    NEUTRAL,
    ComponentConfig,
    EnsemblerConfig,
    EvaluatorConfig,
    InputPath,
    ModelConfig,
    PathOrId,
    SplitName,
    StudentConfig,
    SupervisorConfig,
)


class Plain(SupervisorConfig):
    strength: float = Field(0.9, gt=0.5, lt=1)
    batch: Annotated[int, NEUTRAL] = Field(8, ge=1)


class FittedPlain(Plain):
    train_on: SplitName | None = "weak_train"


class ForgetfulConfig(Plain):
    def key_parts(self, digest):
        return {}


class Inner(BaseModel):
    depth: int = 1


class LaxConfig(Plain):
    inner: Inner = Inner()


class StuckConfig(Plain):
    code: str = Field("a1", pattern="^[a-c][0-9]$")


class PathByNameConfig(Plain):
    file: str = Field("", json_schema_extra={"is": "read"})
    path: InputPath | None = None

    def key_parts(self, digest):
        return {**super().key_parts(digest), "path": self.path}


class BadValidatorConfig(Plain):
    shares: Any = None

    @field_validator("strength", mode="before")
    @classmethod
    def _half(cls, value):
        return value / 1


class UnstableKeyConfig(Plain):
    def key_parts(self, digest):
        return {**super().key_parts(digest), "words": hash("strength"), "at": time.localtime()[0]}


class OtherCeilingConfig(StudentConfig):
    def ceiling(self):
        return self.model_copy(update={"model": "another"})


class RanksAbstainedConfig(ComponentConfig):
    keep: float = Field(0.5, gt=0, le=1)


class NamedByPathConfig(ModelConfig):
    id: PathOrId

    def key_parts(self, digest):
        return {}

    def fingerprint(self, digest):
        return f"at {self.id}"

    def capabilities(self):
        return frozenset({"telepathy"})


class OddChoicesConfig(ModelConfig):
    def fingerprint(self, digest):
        return "odd"

    def capabilities(self):
        return frozenset()

    def resolved(self):
        return {"dtype": {"either", "or"}}


class NeedsReferenceConfig(EvaluatorConfig):
    references: ClassVar[tuple[str, ...]] = ("supervisor",)


class PathInMetaConfig(ComponentConfig):
    path: InputPath


class PastingConfig(EnsemblerConfig):
    members: int = Field(3, ge=1)


class NothingConfig(ComponentConfig):
    """No setting."""


_BASES = {
    "students": (StudentConfig, ("TrainsOnAbstained",)),
    "evaluators": (
        EvaluatorConfig,
        ("LastRow", "OutOfBounds", "TwoClassesOnly", "ScoresAbstained", "NoReason", "Sums"),
    ),
    "ensemblers": (
        PastingConfig,
        ("UnseededPasting", "SampleBySize", "NoMembers", "NeedsVal", "OneNumber", "Impatient", "Moody"),
    ),
    "nothing": (
        NothingConfig,
        (
            "NoiseByPosition", "Careless", "NoGold", "OneClass", "OneJob", "Rewrites", "TellsGold", "CutsGroups", "NumberedIds", "Raises",
            "Reseeds",
        ),
    ),
    "fitted": (
        FittedPlain,
        ("Fitted", "Pickles", "CountsGold", "AbsoluteFolder", "KeepsInMemory", "TrustsScratch", "StepsAtRandom"),
    ),
}  # fmt: skip


def __getattr__(name):
    word = name.removesuffix("Config")
    for base, words in _BASES.values():
        if word in words:
            return base
    if name.endswith("Config"):
        return Plain
    raise AttributeError(name)
