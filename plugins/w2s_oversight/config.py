"""Config models of protocols and judges. Imports nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from w2s_oversight import prompt_files
from w2s_toolkit.config import (
    NEUTRAL,
    ComponentConfig,
    Digest,
    EvaluatorConfig,
    InputPath,
    ModelName,
    SplitName,
    SupervisorConfig,
)

Answers = Literal["letter", "choice"] | dict[str, str]


class PromptConfig(ComponentConfig):
    """What all that talk to models share.

    Class attributes:
        prompt_set: folder of this component's own prompts.
    """

    prompt_set: ClassVar[str] = ""

    prompts: InputPath | None = Field(
        None,
        description="Folder with prompts of your own. What it does not hold is taken from those that come "
        "with the protocol: copy one, change it.",
    )
    text: str | None = Field(
        None,
        description="Regular expression whose first group, found in a row's prompt, is what prompts call "
        "{text} and what quotes are checked against; null: the whole prompt.",
    )
    answers: Answers = Field(
        "letter",
        description="What a judge is to answer: letter (A, B, … in the order shown), choice (the choice "
        "itself), or a text for each class, {no: ..., yes: ...}.",
    )

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """With the content of the prompts that come with the component."""
        return super().key_parts(digest) | {"own_prompts": digest(str(prompt_files.OWN))}

    def check(self) -> list[str]:
        """Prompts that cannot be read or name fields that do not exist, and an expression that is none."""
        problems = list(super().check())
        if self.text is not None:
            try:
                if re.compile(self.text).groups < 1:
                    problems.append(
                        "text: the expression has no group; next: put () around the text"
                    )
            except re.error as error:
                problems.append(f"text: this is no regular expression: {error}")
        if self.prompts is not None and Path(self.prompts).exists():
            problems += prompt_files.problems(Path(self.prompts), *self.prompt_sets())
        return problems

    def prompt_sets(self) -> tuple[str, ...]:
        """Components whose prompts the folder may hold."""
        return (self.prompt_set,)


class ProtocolConfig(PromptConfig):
    """What all protocols share."""

    passage: str | None = Field(
        None,
        description="Entry of each row's meta that holds a passage: what prompts call {passage}, and what "
        "quotes are checked against. The judge does not see it.",
    )
    max_tokens: int = Field(200, ge=1, description="Tokens of one turn.")
    temperature: float = Field(0.0, ge=0, le=4, description="0 takes the most probable token.")
    top_p: float = Field(1.0, gt=0, le=1)
    stop: list[str] = Field(default_factory=list, description="Texts before which a turn ends.")
    quotes: Literal["mark", "drop"] = Field(
        "mark",
        description="mark: the judge sees which quotes are verbatim (<v_quote>) and which are not "
        "(<u_quote>); drop: those that are not are taken out.",
    )
    max_unfinished: Annotated[float, NEUTRAL] = Field(
        0.05, ge=0, le=1, description="Above this share of rows without an end, the stage fails."
    )

    def models(self) -> dict[str, str]:
        """Entries of models: by the name of the field that names them."""
        return {str(use.location[0]): str(use.value) for use in self.uses("model")}


class InteractionConfig(ProtocolConfig):
    """``use: interaction``."""

    prompt_set: ClassVar[str] = "interaction"

    assistant: ModelName = Field(description="Entry of models: that is asked for help.")
    judge: ModelName | None = Field(
        None, description="Entry of models: that asks, and says when it is confident; null: nobody."
    )
    asks: Literal["fixed", "judge"] = Field(
        "fixed", description="fixed: the prompt file request; judge: the judge writes its question."
    )
    rounds: int = Field(1, ge=1, le=10, description="Questions at most.")
    confident: float | None = Field(
        None, gt=0, lt=1, description="The judge asks no more once its probability reaches this."
    )

    def check(self) -> list[str]:
        """A judge that is needed but not named."""
        problems = super().check()
        if self.judge is None and (self.asks == "judge" or self.confident is not None):
            problems.append("judge: name the model that asks and says when it is confident")
        return problems


class DebateConfig(ProtocolConfig):
    """``use: debate``."""

    prompt_set: ClassVar[str] = "debate"

    debater: ModelName = Field(description="Entry of models: that argues.")
    opponent: ModelName | None = Field(
        None, description="Entry of models: that argues against it; null: the same one."
    )
    judge: ModelName | None = Field(
        None, description="Entry of models: that asks questions and scores candidate turns."
    )
    rounds: int = Field(1, ge=1, le=10, description="Opening, critique, then rebuttals.")
    turns: Literal["simultaneous", "sequential"] = Field(
        "simultaneous",
        description="simultaneous: both see earlier rounds alone; sequential: the second speaker sees the "
        "first, and the debate is held in both orders.",
    )
    questions: bool = Field(False, description="The judge asks a question between two rounds.")
    best_of: int = Field(
        1, ge=1, le=32, description="Candidates for each turn, of which the scorer's best is taken."
    )
    scorer: Literal["judge", "quotes"] = Field(
        "judge",
        description="judge: the candidate that the judge believes most; quotes: the one with the largest share "
        "of verified quotes, the first of several. One without a quote comes last.",
    )

    def check(self) -> list[str]:
        """A judge that is needed but not named, candidates that are all the same."""
        problems = super().check()
        scores = self.best_of > 1 and self.scorer == "judge"
        if self.judge is None and (self.questions or scores):
            problems.append("judge: name the model that asks questions and scores candidates")
        if self.best_of > 1 and not self.temperature:
            problems.append("temperature: candidates are all the same at 0; next: set it above 0")
        return problems


class ConsultancyConfig(ProtocolConfig):
    """``use: consultancy``."""

    prompt_set: ClassVar[str] = "consultancy"

    advisor: ModelName = Field(description="Entry of models: that argues.")
    side: Literal["assigned", "open"] = Field(
        "assigned",
        description="assigned: each side is argued for once, in consultancies apart; open: the advisor "
        "argues for what it believes.",
    )


class CritiqueConfig(ProtocolConfig):
    """``use: critique``."""

    prompt_set: ClassVar[str] = "critique"

    assistant: ModelName = Field(description="Entry of models: that answers.")
    critic: ModelName | None = Field(
        None, description="Entry of models: that argues against the answer; null: the assistant."
    )


class AnswerOnlyConfig(ProtocolConfig):
    """``use: answer_only``."""

    prompt_set: ClassVar[str] = "answer_only"

    assistant: ModelName = Field(description="Entry of models: that answers.")


class BlindConfig(ComponentConfig):
    """``use: blind``."""


class OracleConfig(ComponentConfig):
    """``use: oracle``."""

    passage: str = Field("passage", description="Entry of each row's meta that the judge reads.")


class ShuffledConfig(ComponentConfig):
    """``use: shuffled``."""


class JudgeConfig(SupervisorConfig, PromptConfig):
    """``use: judge``."""

    prompt_set: ClassVar[str] = "judge"

    model: ModelName = Field(description="Entry of models: that judges.")
    train_on: SplitName | None = Field(
        None, description="Split whose rows, with gold, are shown as examples."
    )
    shots: int = Field(0, ge=0, le=64, description="Examples shown, in turns of each class.")
    both_orders: bool = Field(
        True,
        description="Ask with either order of answers and speakers; probabilities are averaged.",
    )
    flip_weight: float = Field(
        0.5, ge=0, le=1, description="Weight of a label on which the two orders disagree."
    )
    ladder: list[Literal["score", "samples", "schema", "verdict"]] = Field(
        ["score", "samples", "schema", "verdict"],
        min_length=1,
        description="Ways to come to a verdict; the next one is tried where one gives nothing.",
    )
    min_mass: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Below this probability of all answers together, a server's log-probabilities are "
        "passed over. Does not apply to models on this machine.",
    )
    samples: int = Field(8, ge=1, le=256, description="Answers drawn on the rung samples.")
    max_tokens: int = Field(400, ge=1, description="Tokens of a verdict that is written.")
    max_unscored: Annotated[float, NEUTRAL] = Field(
        0.1, ge=0, le=1, description="Above this share of rows without a verdict, the stage fails."
    )

    def trains_members(self) -> bool:
        """See :meth:`SupervisorConfig.trains_members`. Examples that it is shown train nothing."""
        return False

    def check(self) -> list[str]:
        """Shots without rows to take them from, or the other way round."""
        problems = super().check()
        if self.shots and self.train_on is None:
            problems.append("train_on: name the split that the shots are taken from")
        if self.train_on is not None and not self.shots:
            problems.append(
                "shots: 0 of them are taken from train_on; next: set it, or remove both"
            )
        if self.choose_on is not None:
            problems.append("choose_on: a judge has no checkpoints; remove it")
        if len(set(self.ladder)) < len(self.ladder):
            problems.append("ladder: every rung once")
        return problems


class DirectConfig(JudgeConfig):
    """``use: assistant_direct``."""

    prompt: Literal["judge", "direct"] = Field(
        "judge",
        description="Prompt file that it is asked with. direct is the one by which protocols ask a model for its "
        "own answer; prompts may then be the folder of a protocol.",
    )
    passage: str | None = Field(
        None,
        description="Entry of each row's meta that it reads, as the debaters do, where the prompt is direct.",
    )

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """One that is asked like a judge is the one that it was before there was a choice."""
        parts = super().key_parts(digest)
        unset = {"prompt": self.prompt == "judge", "passage": self.passage is None}
        return {name: part for name, part in parts.items() if not unset.get(name)}

    def prompt_sets(self) -> tuple[str, ...]:
        """With the prompt ``direct``, those of any protocol."""
        return (self.prompt_set,) if self.prompt == "judge" else prompt_files.sets()

    def check(self) -> list[str]:
        """A passage or examples that the prompt does not show."""
        problems = super().check()
        if self.passage is not None and self.prompt == "judge":
            problems.append("passage: the prompt judge shows none; next: set prompt: direct")
        if self.shots and self.prompt == "direct":
            problems.append("shots: the prompt direct shows none; next: set prompt: judge")
        return problems


class OversightMetricsConfig(EvaluatorConfig):
    """``use: oversight``."""

    subjects: ClassVar[tuple[str, ...]] = ("supervisor", "weak_floor")
    references: ClassVar[tuple[str, ...]] = ("weak_floor",)
