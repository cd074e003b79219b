"""Base classes and field types for the config model of a component.

A config model is all that ``w2s validate`` and ``w2s plan`` know of a component, so its module
must import nothing heavy. Field types tell the planner how a value enters the key of a stage:

- a plain field enters by value;
- :data:`InputPath` enters by the digest of the file or folder it names, never by its path;
- :data:`PathOrId` is a folder or a hub id; its config answers for it by a fingerprint;
- :data:`ModelName` names an entry of ``models:`` and enters by that model's fingerprint;
- :data:`SplitName` names a split of the task and is checked against ``task.splits``;
- ``Annotated[..., NEUTRAL]`` stays out of the key: use it only for what cannot change a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from w2s_toolkit.hookspecs import Finding

Role = Literal["weak_floor", "supervisor", "student", "strong_ceiling"]
"""What a model or its labels are to an experiment."""

MarkerName = Literal["neutral", "path", "path_or_id", "model", "split"]


class Marker(NamedTuple):
    """Annotation of a config field, read by the planner."""

    name: MarkerName


NEUTRAL = Marker("neutral")
"""Put into ``Annotated[T, NEUTRAL]`` for a field that cannot change any result."""

InputPath = Annotated[str, Marker("path")]
"""A file or folder that is read. Relative paths are resolved when the recipe is loaded."""

PathOrId = Annotated[str, Marker("path_or_id")]
"""A local folder or the id of something hosted; a relative folder that exists is resolved. The
config must keep the text out of its key and put a fingerprint there instead."""

ModelName = Annotated[str, Marker("model")]
"""The name of an entry of ``models:``."""

SplitName = Annotated[str, Marker("split")]
"""The name of a split of ``task.splits``."""

Digest = Callable[[str], str]
"""Path of a file or folder -> hash of its content."""


class FieldUse(NamedTuple):
    """One marked value of a config: where it stands (``("loss", "path")``) and what it says."""

    location: tuple[str | int, ...]
    marker: MarkerName
    value: Any


class ComponentConfig(BaseModel):
    """Config of one component: the keys beside ``use:`` in a recipe."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )

    def check(self) -> list[str]:
        """Problems beyond the types of the fields, found without heavy imports or network."""
        return []

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """What enters the key: every field but neutral ones and model names, paths by content.

        Override it only where a value means the same in several spellings.
        """
        return _key_parts(self, digest)

    def uses(self, marker: MarkerName) -> list[FieldUse]:
        """All values of this config, nested ones too, that carry ``marker`` and are not null."""
        return [use for use in _marked(self) if use.marker == marker]


class ModelConfig(ComponentConfig):
    """Config of an entry of ``models:``."""

    def fingerprint(self, digest: Digest) -> str:
        """Identity of the weights: a hub revision's sha or the hash of a local folder's files.

        Raises:
            ModelError: the model does not exist or its revision cannot be resolved.
        """
        raise NotImplementedError

    def capabilities(self) -> frozenset[str]:
        """Which of ``generate``, ``choice_probs`` and ``train`` the model offers."""
        raise NotImplementedError

    def resolved(self) -> dict[str, Any]:
        """Choices left to the machine (``dtype: auto``) as they fall here; part of the key."""
        return {}

    def tokens(self, *, thorough: bool = False) -> str:
        """Identity of its tokens: the same for models whose next tokens can be mixed; empty if not known.

        Asked of the members' models of an ensemble that mixes tokens.

        Args:
            thorough: whether it may use the network and take seconds, as when a run begins;
                otherwise it goes by small files on this machine.

        Raises:
            ModelError: with ``thorough``, the tokens cannot be read.
        """
        return ""

    def prepare(self) -> None:
        """Find out what planning needs from outside, such as what a server can do.

        Called when a run begins and by nothing else: to validate or plan a recipe needs no network.
        What is found is to be remembered, so that it is asked for once.

        Raises:
            ModelError: it cannot be found out, so the run cannot begin.
        """

    def remarks(self) -> list[str]:
        """What ``w2s plan`` should say of it, such as what is only known once a run has begun."""
        return []

    def findings(self) -> Iterable[Finding]:
        """What ``w2s doctor RECIPE`` says of it. May use the network."""
        return ()

    def secret_names(self) -> tuple[str, ...]:
        """Environment variables whose values must never be shown or written."""
        return ()


class EvaluatorConfig(ComponentConfig):
    """Config of an evaluator.

    Class attributes:
        subjects: the roles it measures, of ``weak_floor``, ``supervisor``, ``student``,
            ``strong_ceiling``.
        references: the roles it compares a subject with; it is given their predictions on the
            same split, and does without one that the recipe does not have. In repeated phases there
            are also ``generation_0`` and ``previous``: the students that supervised first and last.
        pool_labels: whether it also measures the supervisor's labels on the pool, unless ``roles``
            leaves the supervisor out.
    """

    subjects: ClassVar[tuple[str, ...]] = ("weak_floor", "supervisor", "student", "strong_ceiling")
    references: ClassVar[tuple[str, ...]] = ()
    pool_labels: ClassVar[bool] = False

    on: SplitName = Field("test", description="Split whose gold labels it is measured on.")
    roles: Annotated[tuple[Role, ...] | None, NEUTRAL] = Field(
        None, description="Measure only these roles; null: all that it applies to."
    )

    def measured(self) -> tuple[str, ...]:
        """The roles it measures in this recipe."""
        return tuple(r for r in self.subjects if self.roles is None or r in self.roles)

    def scored(self) -> bool:
        """Whether it measures what models give the gold answers, token by token.

        It is then handed :attr:`~w2s_toolkit.data.LabelSet.token_log_probs` and ``token_hits`` of the
        gold answers instead of the models' own answers.
        """
        return False

    def measures_pool(self) -> bool:
        """Whether it also measures the supervisor's labels on the pool in this recipe."""
        return self.pool_labels and (self.roles is None or "supervisor" in self.roles)


@cache
def field_marker(model: type[BaseModel], name: str) -> MarkerName | None:
    """The marker of a config field, or None for one that enters the key by value."""
    field = model.model_fields[name]
    for meta in field.metadata:
        if isinstance(meta, Marker):
            return meta.name
    return _annotation_marker(field.annotation)


def _annotation_marker(annotation: Any) -> MarkerName | None:
    for meta in getattr(annotation, "__metadata__", ()):
        if isinstance(meta, Marker):
            return meta.name
    for inner in get_args(annotation):
        found = _annotation_marker(inner)
        if found:
            return found
    return None


def _key_parts(config: BaseModel, digest: Digest) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name in type(config).model_fields:
        marker = field_marker(type(config), name)
        value = getattr(config, name)
        if marker in ("neutral", "model"):
            continue
        if marker == "path":
            parts[name] = _map_leaves(value, digest)
        elif isinstance(value, BaseModel):
            parts[name] = _key_parts(value, digest)
        else:
            parts[name] = config.model_dump(mode="json", include={name})[name]
    return parts


def _map_leaves(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {k: _map_leaves(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_leaves(v, change) for v in value]
    return value


def _marked(config: BaseModel, at: tuple[str | int, ...] = ()) -> Iterator[FieldUse]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        marker = field_marker(type(config), name)
        if isinstance(value, BaseModel):
            yield from _marked(value, (*at, name))
        elif marker:
            yield from _leaf_uses(value, marker, (*at, name))


def _leaf_uses(value: Any, marker: MarkerName, at: tuple[str | int, ...]) -> Iterator[FieldUse]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaf_uses(inner, marker, (*at, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaf_uses(inner, marker, (*at, index))
    elif value is not None:
        yield FieldUse(at, marker, value)


class SupervisorConfig(ComponentConfig):
    """Config of a supervisor. It is fitted on gold only when ``train_on`` names a split."""

    model: ModelName | None = Field(None, description="Entry of models: it uses.")
    train_on: SplitName | None = Field(None, description="Split whose gold labels it is fitted on.")
    choose_on: SplitName | None = Field(
        None, description="Split whose gold labels choose among its checkpoints."
    )

    def trains_members(self) -> bool:
        """Whether, with ``train_on``, it can be trained as a member of an ensemble (``fit_member``)."""
        return True

    def asks_with(self) -> str:
        """How rows are put to it, where that is a setting: members that write together read the same."""
        return ""


class EnsemblerConfig(ComponentConfig):
    """Config of an ensembler. Its members are the phase's supervisors, most often trained again and again."""

    choose_on: SplitName | None = Field(
        None,
        description="Split whose gold labels choose size and weights; null: the supervisor's own.",
    )

    @property
    def needs_val(self) -> bool:
        """Whether it cannot do without such a split."""
        return False

    def width(self) -> int:
        """How many members it asks for at a time: they are trained side by side."""
        return 1

    def most_members(self) -> int | None:
        """How many members there are at most, helpers aside; None where that is not a setting."""
        return None

    def needs_training(self, trained: int, untrained: int) -> tuple[str, str] | None:
        """Why supervisors that are trained on nothing cannot be members here, and what to do instead.

        None where they can: each takes one turn, and says what it would say alone. Where no
        supervisor is trained, :meth:`Ensembler.build` is given the pool, blind, in place of ``train``.

        Args:
            trained: supervisors of the phase that are trained on a split.
            untrained: those that are used as they come; at least one.
        """
        return (
            "it trains its members",
            "use ensemble: {use: bagging}, which can take members as they come, or leave them out",
        )

    def scores_tokens(self) -> bool:
        """Whether it can say what it gives the tokens of gold answers, if its members can.

        Evaluators that ask for that (:meth:`EvaluatorConfig.scored`) are refused with the recipe where
        it cannot.
        """
        return True

    def instead_of_mixing(self) -> str:
        """What to do where members' models have different tokens, such as ``vote on whole answers``.

        Empty for an ensembler that mixes no next tokens, to which they do not matter.
        """
        return ""


class WatchConfig(ComponentConfig):
    """Looks at a student while it learns, to draw them; nothing is chosen by them."""

    on: SplitName = Field("val", description="Split it is looked at on. It is not shown its gold.")
    points: int = Field(10, ge=2, le=1000, description="How often, at equal distances.")


class StudentConfig(ComponentConfig):
    """Config of a student."""

    model: ModelName = Field(description="Entry of models: that is trained.")

    def ceiling(self) -> StudentConfig:
        """The same training as a strong ceiling: plain cross-entropy on gold, nothing else changed.

        Methods that differ only in what this removes share one ceiling (Burns et al., section 3).
        """
        return self

    def watched(self) -> WatchConfig | None:
        """Where it is looked at while it learns; None: nowhere."""
        return None


class AlignerConfig(SupervisorConfig):
    """Config of a supervisor made of students that were trained earlier in the same recipe.

    It trains no model. ``fit``, on ``train_on``, and ``label`` find what the students say on the
    same rows in ``ctx.references``: ``generation_0``, ``generation_1`` … in the order in which they
    were promoted, with ``generations: last`` the last of them alone.
    """

    model: ModelName = Field(
        "@prev.student",
        description="@prev.student, the student promoted last, or @phase.NAME.student.",
    )
    train_on: SplitName | None = Field(
        "anchor", description="Split whose gold labels calibrate it; null: not calibrated."
    )
    generations: Literal["last", "all"] = Field(
        "last", description="Ask the last student that was promoted, or all so far."
    )


class RefinerConfig(ComponentConfig):
    """Config of a refiner that can be left out of single rounds."""

    rounds: Annotated[tuple[int, ...] | None, NEUTRAL] = Field(
        None, description="In a repeated phase: the rounds it is used in; null: all of them."
    )
