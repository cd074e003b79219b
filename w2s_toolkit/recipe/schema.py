"""The shape of a recipe. Component blocks (``use: …``) are checked by their own config models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]*$", max_length=64)]
Block = dict[str, Any]


def _as_block(value: Any) -> Any:
    """``accuracy`` is short for ``{use: accuracy}``."""
    return {"use": value} if isinstance(value, str) else value


UseBlock = Annotated[Block, BeforeValidator(_as_block)]


def _check_size(value: Any) -> Any:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError("a split's size is a number of rows above 0, or all")


Size = Annotated[int | Literal["all"], BeforeValidator(_check_size)]


Baseline = Literal["weak_floor", "strong_ceiling"]
_BASELINES: tuple[Baseline, ...] = ("weak_floor", "strong_ceiling")


class Strict(BaseModel):
    """Unknown keys are errors, and words are never numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TaskOptions(Strict):
    """The keys of ``task:`` that belong to the core; all others go to the task's own config."""

    splits: dict[Name, Size] = Field(
        description="Rows of each split; 'all' takes what is left of its source."
    )
    split_seed: int = Field(0, description="Draws val, anchor and test, for every recipe seed.")
    train_split_seed: int | None = Field(
        None,
        description="Draws the training splits; null draws them anew for each recipe seed.",
    )
    balance: bool = Field(True, description="Equally many rows of each class in every split.")


class PoolModel(Strict):
    """A pool as a mapping, where its name alone does not say enough."""

    split: Name
    fold_by_round: bool = Field(
        False, description="Cut it into folds that share no group, one for each round."
    )


class BoundModel(Strict):
    """Between which values a metric of a student may lie."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _limits(self) -> BoundModel:
        if self.min is None and self.max is None:
            raise ValueError("a bound needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: no student could pass")
        return self


class PromoteModel(Strict):
    """When the student of a round becomes the supervisor of the next one."""

    on: Name = Field(
        description="Split with gold labels, cut by group into one part that calibrates supervisors "
        "and one that promotions are tested on. Nothing is trained on it."
    )
    delta: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.02, description="How much worse a student may be that is promoted, in accuracy."
    )
    above_chance: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.02, description="How far above 1/K the accuracy of a supervisor must surely be."
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95, description="Of the intervals whose lower ends are compared."
    )
    calibration_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.34, description="Share of the split's rows that calibrates; the rest tests."
    )
    bounds: dict[str, BoundModel] = Field(
        default_factory=dict,
        description="Limits of metrics that the phase's evaluators give for the student on this split.",
    )
    enforce: bool = Field(
        True, description="false promotes every student; what the tests say is only recorded."
    )


class RepeatModel(Strict):
    """A phase in rounds: each student that is promoted supervises the next one."""

    max_rounds: Annotated[int, Field(ge=1, le=100)]
    start: str = Field(
        "@prev.student",
        description="The supervisor of the first round: @prev.student (of the phase before) or "
        "@phase.NAME.student.",
    )
    promote: PromoteModel | None = Field(
        None, description="The test a student has to pass; null promotes all and measures nothing."
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Stop after this many rejected students in a row; null: go on."
    )


class PhaseModel(Strict):
    """One phase: supervision, labels, a student, and what is measured."""

    name: Name
    pool: Name | PoolModel = Field(
        description="Split that the supervisor labels and the student trains on."
    )
    repeat: RepeatModel | None = Field(
        None, description="Rounds, in which students become supervisors; null: one pass."
    )
    supervisors: Annotated[list[UseBlock], Field(min_length=1)]
    oversight: list[UseBlock] = Field(
        default_factory=list,
        description="Protocols that add evidence for the supervisor, in order.",
    )
    ensemble: UseBlock | None = Field(
        None, description="How several of the supervisor are trained and combined."
    )
    refine: list[UseBlock] = Field(
        default_factory=list, description="Changes to the pool labels before training, in order."
    )
    student: UseBlock | None = Field(
        None, description="What learns from the labels; null measures the supervision alone."
    )
    ladder: list[UseBlock] = Field(
        default_factory=list,
        description="With repeat, the students of the rounds, one each, in place of student.",
    )
    evaluate: Annotated[list[UseBlock], Field(min_length=1)] = Field(
        default_factory=lambda: [
            {"use": name} for name in ("accuracy", "pgr", "agreement", "calibration")
        ]
    )
    allow_overlap: bool = Field(
        False, description="Let a teacher label the split it was trained on."
    )


class BudgetModel(Strict):
    """What all runs of a recipe together may cost in hosted models."""

    usd: float | None = Field(None, gt=0, description="US dollars; every model needs a price then.")
    tokens: int | None = Field(None, gt=0, description="Tokens read and written.")


class RecipeModel(Strict):
    """A whole recipe."""

    schema_: Literal[1] = Field(1, alias="schema")
    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    models: dict[Name, Block] = Field(default_factory=dict)
    task: Block
    baselines: list[Baseline] = Field(default_factory=lambda: list(_BASELINES))
    phases: Annotated[list[PhaseModel], Field(min_length=1)]
    matrix: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    budget: BudgetModel | None = Field(
        None, description="Caps on what hosted models cost; null: none."
    )


TASK_KEYS = frozenset(TaskOptions.model_fields)

USE_BLOCKS: dict[str, str] = {
    "supervisors": "supervisors",
    "oversight": "oversight",
    "ensemble": "ensemblers",
    "refine": "refiners",
    "student": "students",
    "ladder": "students",
    "evaluate": "evaluators",
}
"""Key of a phase -> component kind of the blocks it holds."""

SINGLE = frozenset({"ensemble", "student"})
"""Keys of a phase that hold one block, not a list of them."""
