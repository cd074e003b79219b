"""Configs of the toy components."""

from typing import Annotated, ClassVar

from pydantic import Field

from w2s_toolkit.config import (
    NEUTRAL,
    ComponentConfig,
    EnsemblerConfig,
    EvaluatorConfig,
    ModelConfig,
    ModelName,
    SplitName,
    StudentConfig,
    SupervisorConfig,
)


class ToyModelConfig(ModelConfig):
    letters: int | None = None
    can: tuple[str, ...] = ("train",)

    def fingerprint(self, digest):
        return f"toy-{self.letters}"

    def capabilities(self):
        return frozenset(self.can)


class BayesSupervisorConfig(SupervisorConfig):
    smoothing: float = 1.0
    sleep: Annotated[float, NEUTRAL] = Field(0.0, ge=0)
    fail: Annotated[str, NEUTRAL] = ""


class BayesStudentConfig(StudentConfig):
    smoothing: float = 1.0
    sharpen: bool = False
    sleep: Annotated[float, NEUTRAL] = Field(0.0, ge=0)
    fail: Annotated[str, NEUTRAL] = ""

    def ceiling(self):
        return self.model_copy(update={"sharpen": False})


class LinearStudentConfig(StudentConfig):
    ridge: float = Field(3.0, gt=0)


class BagConfig(EnsemblerConfig):
    members: int = Field(4, ge=2)
    halves: bool = False

    def width(self):
        return self.members


class HintConfig(ComponentConfig):
    text: str = "hint"
    debater: ModelName | None = None


class SharpenConfig(ComponentConfig):
    on: SplitName = "val"


class MeanPConfig(EvaluatorConfig):
    subjects: ClassVar[tuple[str, ...]] = ("student",)
