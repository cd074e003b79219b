"""A checked recipe -> the graph of its stages, with keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from w2s_toolkit.config import (
    EnsemblerConfig,
    EvaluatorConfig,
    ModelConfig,
    StudentConfig,
    SupervisorConfig,
)
from w2s_toolkit.digest import Digests, stage_seed
from w2s_toolkit.errors import RecipeError, RegistryError, W2SError
from w2s_toolkit.plan.graph import SCHEMA, Graph, Stage
from w2s_toolkit.recipe.load import Cell, Phase, Recipe, Use
from w2s_toolkit.recipe.problems import dotted
from w2s_toolkit.registry import AUTHORS
from w2s_toolkit.split_names import drawing_order, is_evaluation_split

FLOOR, SUPERVISOR, STUDENT, CEILING = "weak_floor", "supervisor", "student", "strong_ceiling"


@dataclass(frozen=True)
class Measured:
    """One evaluator applied to one subject: where its result will be found."""

    cell: int
    phase: str
    role: str
    model: str
    split: str
    evaluator: str
    key: str


@dataclass(frozen=True)
class Predicted:
    """One subject's predictions on one split, and the supervisor's beside them."""

    cell: int
    phase: str
    role: str
    model: str
    split: str
    key: str
    data: str
    weak: str


@dataclass
class Plan:
    """The graph and what its stages mean for the results.

    Attributes:
        measured: results of single cells.
        aggregated: results over seeds; ``cell`` is the first cell of the group.
        predicted: prediction tables to write.
        splits: cell -> split -> key of its stage.
    """

    recipe: Recipe
    graph: Graph = field(default_factory=Graph)
    measured: list[Measured] = field(default_factory=list)
    aggregated: list[Measured] = field(default_factory=list)
    predicted: list[Predicted] = field(default_factory=list)
    splits: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def axes(self) -> list[Mapping[str, Any]]:
        """Axis values of each cell."""
        return [c.axes for c in self.recipe.cells]


def make_plan(recipe: Recipe, digests: Digests) -> Plan:
    """Plan every cell; equal stages of several cells become one.

    Raises:
        RecipeError: a model's weights or an input file cannot be identified.
    """
    plan = Plan(recipe)
    identities = Identities(digests)
    groups: dict[str, list[_PlannedCell]] = {}
    for index, cell in enumerate(recipe.cells):
        planned = _PlannedCell(plan, index, cell, identities)
        planned.build()
        other = {a: v for a, v in cell.axes.items() if a != "seed"}
        groups.setdefault(repr(sorted(other.items(), key=lambda kv: kv[0])), []).append(planned)
    for group in groups.values():
        if len(group) > 1:
            _aggregate(plan, group)
    plan.graph.name_stages(plan.axes)
    identities.raise_if_any()
    return plan


class Identities:
    """Key parts of configs and models, computed once for equal configs."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._models: dict[tuple[str, str], dict[str, Any]] = {}
        self._problems: list[str] = []

    def model(self, use: Use) -> dict[str, Any]:
        """What identifies an entry of ``models:`` in a key."""
        memo = (use.name, use.config.model_dump_json())  # lists make a config unhashable
        if memo not in self._models:
            self._models[memo] = self._identify(use)
        return self._models[memo]

    def config(self, use: Use) -> dict[str, Any]:
        """The key parts of a config."""
        try:
            return use.config.key_parts(self._digests)
        except Exception as error:  # whatever a plugin's config may raise
            self._note(use, error)
            return {}

    def raise_if_any(self) -> None:
        """Raise everything that could not be identified, at once."""
        if self._problems:
            raise RecipeError("inputs cannot be identified", problems=tuple(self._problems))

    def _identify(self, use: Use) -> dict[str, Any]:
        config = use.config
        assert isinstance(config, ModelConfig)
        try:
            return {
                "component": f"models/{use.name}",
                "version": use.component.version,
                "config": config.key_parts(self._digests),
                "fingerprint": config.fingerprint(self._digests),
                "resolved": config.resolved(),
            }
        except Exception as error:  # whatever a plugin's config may raise
            self._note(use, error)
            return {}

    def _note(self, use: Use, error: Exception) -> None:
        place = dotted(use.path)
        if not isinstance(error, W2SError):
            what = f"{use.called} cannot say what it depends on: {type(error).__name__}: {error}"
            error = RegistryError(what, next_step=AUTHORS)
        text = f"{error}".removeprefix(f"{place}: ").replace("models.NAME.", f"{place}.")
        text = ": ".join(part for part in (use.where, place, text) if part)
        if text not in self._problems:
            self._problems.append(text)


class _PlannedCell:
    def __init__(self, plan: Plan, index: int, cell: Cell, identities: Identities) -> None:
        self.plan, self.index, self.cell = plan, index, cell
        self._ids = identities
        self.splits: dict[str, str] = {}
        self.evaluations: dict[tuple[str, str, str, int], tuple[Use, dict[str, str]]] = {}
        self.models_of_roles: dict[tuple[str, str], str] = {}

    def build(self) -> None:
        """Add all stages of the cell."""
        self._task_stages()
        self.plan.splits[self.index] = self.splits
        for phase in self.cell.phases:
            _PlannedPhase(self, phase).build()

    def _task_stages(self) -> None:
        data = self.stage("data", "task", "data", self.cell.task)
        options = self.cell.options
        train_seed = options.train_split_seed
        drawn: list[dict[str, Any]] = []
        for name in drawing_order(list(options.splits)):
            seed = f"{options.split_seed}"
            if not is_evaluation_split(name):
                seed += f":{self.cell.seed if train_seed is None else train_seed}"
            size = options.splits[name]
            drawn.append({"name": name, "size": None if size == "all" else size, "seed": seed})
            args = {"draw": list(drawn), "balance": options.balance}
            stage = self.core_stage("split", "task", f"split/{name}", {"data": data.key}, args)
            self.splits[name] = stage.key

    def stage(
        self,
        kind: str,
        role: str,
        name: str,
        use: Use,
        inputs: Mapping[str, str] | None = None,
        args: Mapping[str, Any] | None = None,
        *,
        seeded: bool = False,
        seed_role: str = "",
        config: Any = None,
        members: list[dict[str, Any]] | None = None,
        owner: str = "",
        width: int = 1,
    ) -> Stage:
        """Add a stage that a component runs."""
        config = config or use.config
        named = {str(f.location[0]): str(f.value) for f in config.uses("model")}
        models = {field: self.cell.models[name] for field, name in named.items()}
        seed = stage_seed(self.cell.seed, kind, seed_role or role) if seeded else 0
        parts = {
            "schema": SCHEMA,
            "kind": kind,
            "component": f"{use.kind}/{use.name}",
            "version": use.component.version,
            # The key of a fitted model already holds the config it was fitted with.
            "config": {}
            if "ref" in (inputs or {})
            else self._ids.config(replace(use, config=config)),
            "models": {field: self._ids.model(m) for field, m in models.items()},
            "inputs": dict(inputs or {}),
            "args": dict(args or {}),
            "seed": seed,
        }
        if members and "ref" not in (inputs or {}):
            names = ("component", "version", "parts", "identities", "seed")
            parts["members"] = [{name: one[name] for name in names} for one in members]
        stage = Stage(
            parts=parts,
            name=name,
            kind=kind,
            role=role,
            component=(use.kind, use.name),
            config=config.model_dump(mode="json"),
            models={named[field]: self._model_json(m) for field, m in models.items()},
            inputs=dict(inputs or {}),
            args=dict(args or {}) | ({"members": members, "owner": owner} if members else {}),
            seed=seed,
            width=width,
        )
        return self.plan.graph.add(stage, {self.index})

    def template(self, use: Use) -> dict[str, Any]:
        """What a member of an ensemble is trained with: all of a stage but its inputs."""
        named = {str(f.location[0]): str(f.value) for f in use.config.uses("model")}
        models = {field: self.cell.models[name] for field, name in named.items()}
        return {
            "component": [use.kind, use.name],
            "version": use.component.version,
            "parts": self._ids.config(use),
            "identities": {field: self._ids.model(m) for field, m in models.items()},
            "config": use.config.model_dump(mode="json"),
            "models": {named[field]: self._model_json(m) for field, m in models.items()},
            "seed": self.cell.seed,
        }

    def _model_json(self, use: Use) -> dict[str, Any]:
        identity = self._ids.model(use)
        return {
            "use": use.name,
            "config": use.config.model_dump(mode="json"),
            **{k: identity.get(k) for k in ("fingerprint", "resolved")},
        }

    def core_stage(
        self, kind: str, role: str, name: str, inputs: Mapping[str, str], args: Mapping[str, Any]
    ) -> Stage:
        """Add a stage that the core runs itself."""
        parts = {
            "schema": SCHEMA,
            "kind": kind,
            "inputs": dict(inputs),
            "args": dict(args),
        }
        stage = Stage(
            parts=parts, name=name, kind=kind, role=role, inputs=dict(inputs), args=dict(args)
        )
        return self.plan.graph.add(stage, {self.index})


class _PlannedPhase:
    """Stages of one phase: evidence, supervision, labels, student, ceiling, evaluation."""

    def __init__(self, owner: _PlannedCell, phase: Phase) -> None:
        self._cell, self._phase = owner, phase
        self._assisted: dict[str, str] = {}
        self._fits: dict[bool, str] = {}
        self._built = ""
        # Without oversight and ensemble the supervisor is the naive floor itself.
        self._strengthened = bool(phase.oversight or phase.ensemble)
        self._predicted: set[tuple[str, str]] = set()

    def build(self) -> None:
        """Add the phase's stages."""
        phase, pool = self._phase, self._phase.model.pool
        labels = self._weak_labels(pool, assisted=True)
        for index, refiner in enumerate(phase.refine):
            labels = self._refined(index, refiner, labels)
        baselines = self._cell.cell.baselines
        predictors = {SUPERVISOR: ""}
        if phase.student:
            predictors[STUDENT] = self._train(phase.student, STUDENT, labels)
        if FLOOR in baselines:
            predictors[FLOOR] = ""
        if phase.student and CEILING in baselines:
            predictors[CEILING] = self._train(phase.student, CEILING, None)
        self._evaluate(predictors, labels)

    def _name(self, role: str, *rest: str) -> str:
        return "/".join((self._phase.name, role, *rest))

    # --- supervision -------------------------------------------------------------------------

    def _evidence(self, split: str, *, assisted: bool) -> str:
        """Key of a split as the supervisor sees it: with evidence if a protocol is used."""
        key = self._cell.splits[split]
        if not assisted:
            return key
        if split not in self._assisted:
            for index, use in enumerate(self._phase.oversight):
                name = self._name("oversight", str(index), use.name, split)
                stage = self._cell.stage(
                    "assist", "oversight", name, use, {"data": key}, seeded=True
                )
                key = stage.key
            self._assisted[split] = key
        return self._assisted[split]

    def _fit(self, *, assisted: bool) -> str:
        """Key of one fitted supervisor; empty when it is used as it comes."""
        use, config = self._phase.supervisor, self._phase.supervisor.config
        assert isinstance(config, SupervisorConfig)
        if config.train_on is None:
            return ""
        assisted = assisted and bool(self._phase.oversight)
        if assisted not in self._fits:
            inputs = {"train": self._evidence(config.train_on, assisted=assisted)}
            if config.choose_on:
                inputs["val"] = self._evidence(config.choose_on, assisted=assisted)
            role = SUPERVISOR if assisted or not self._strengthened else FLOOR
            stage = self._cell.stage(
                "fit", role, self._name(role, "fit"), use, inputs, seeded=True, seed_role=SUPERVISOR
            )
            self._fits[assisted] = stage.key
        return self._fits[assisted]

    def _weak_labels(self, split: str, *, assisted: bool) -> str:
        """Key of the supervisor's labels on a split; not assisted: the naive floor's."""
        assisted = assisted and self._strengthened
        if assisted and self._phase.ensemble:
            return self._combined(self._phase.ensemble, split)
        inputs = {"data": self._evidence(split, assisted=assisted)}
        ref = self._fit(assisted=assisted)
        if ref:
            inputs["ref"] = ref
        role = SUPERVISOR if assisted or not self._strengthened else FLOOR
        use = self._phase.supervisor
        return self._cell.stage("label", role, self._name(role, "label", split), use, inputs).key

    def _combined(self, use: Use, split: str) -> str:
        """Key of the ensemble's labels on a split."""
        inputs = {"data": self._evidence(split, assisted=True), "ref": self._build(use)}
        return self._ensemble_stage("combine", f"label/{split}", use, inputs).key

    def _build(self, use: Use) -> str:
        """Key of the built ensemble."""
        if not self._built:
            first = self._phase.supervisor.config
            assert isinstance(first, SupervisorConfig) and isinstance(use.config, EnsemblerConfig)
            assert first.train_on is not None, "checked with the recipe"
            inputs = {"train": self._evidence(first.train_on, assisted=True)}
            if first.choose_on:
                inputs["choose"] = self._evidence(first.choose_on, assisted=True)
            if chosen := use.config.choose_on or first.choose_on:
                inputs["val"] = self._evidence(chosen, assisted=True)
            self._built = self._ensemble_stage("build", "build", use, inputs, seeded=True).key
        return self._built

    def _ensemble_stage(
        self, kind: str, name: str, use: Use, inputs: Mapping[str, str], *, seeded: bool = False
    ) -> Stage:
        assert isinstance(use.config, EnsemblerConfig)
        members = [self._cell.template(one) for one in self._phase.supervisors]
        return self._cell.stage(
            kind,
            SUPERVISOR,
            self._name(SUPERVISOR, name),
            use,
            inputs,
            seeded=seeded,
            members=members,
            owner=self._name(SUPERVISOR),
            width=use.config.width(),
        )

    def _refined(self, index: int, use: Use, labels: str) -> str:
        inputs = {"pool": self._cell.splits[self._phase.model.pool], "labels": labels}
        splits = use.config.uses("split")
        if splits:
            split = str(splits[0].value)
            inputs["fit_data"] = self._cell.splits[split]
            inputs["fit_labels"] = self._weak_labels(split, assisted=True)
        name = self._name("refine", str(index), use.name)
        return self._cell.stage("refine", "refiner", name, use, inputs, seeded=True).key

    # --- students ----------------------------------------------------------------------------

    def _train(self, use: Use, role: str, labels: str | None) -> str:
        """Key of a trained student, or of the ceiling when ``labels`` is None (gold)."""
        config = use.config
        assert isinstance(config, StudentConfig)
        inputs = {"pool": self._cell.splits[self._phase.model.pool]}
        if labels is None:
            config = config.ceiling()
        else:
            inputs["labels"] = labels
        stage = self._cell.stage(
            "train",
            role,
            self._name(role, "train"),
            use,
            inputs,
            {"labels": "gold" if labels is None else "weak"},
            seeded=True,
            seed_role=STUDENT,
            config=config,
        )
        return stage.key

    def _predictions(self, role: str, ref: str, split: str) -> str:
        if role == SUPERVISOR:
            return self._weak_labels(split, assisted=True)
        if role == FLOOR:
            return self._weak_labels(split, assisted=False)
        use = self._phase.student
        assert use is not None and isinstance(use.config, StudentConfig)
        config = use.config.ceiling() if role == CEILING else use.config
        inputs = {"data": self._cell.splits[split], "ref": ref}
        name = self._name(role, "label", split)
        return self._cell.stage("label", role, name, use, inputs, config=config).key

    # --- evaluation --------------------------------------------------------------------------

    def _evaluate(self, predictors: Mapping[str, str], pool_labels: str) -> None:
        pool = self._phase.model.pool
        for number, use in enumerate(self._phase.evaluate):
            config = use.config
            assert isinstance(config, EvaluatorConfig)
            subjects = [r for r in predictors if r in config.measured()]
            wanted = {*subjects, *(r for r in predictors if subjects and r in config.references)}
            keys = {
                role: self._predictions(role, predictors[role], config.on)
                for role in sorted(wanted)
            }
            references = {r: k for r, k in keys.items() if r in config.references}
            for role in subjects:
                self._measure(number, use, role, config.on, keys[role], references)
            for role, key in references.items():
                self._show_predictions(role, config.on, key)
            if config.measures_pool() and config.on != pool:
                self._measure(number, use, SUPERVISOR, pool, pool_labels, {})

    def _measure(
        self,
        number: int,
        use: Use,
        role: str,
        split: str,
        subject: str,
        references: Mapping[str, str],
    ) -> None:
        data = self._cell.splits[split]
        inputs = {"subject": subject, "data": data}
        inputs |= {f"reference:{r}": k for r, k in references.items() if r != role}
        name = self._name(role, "evaluate", f"{use.name}:{split}")
        stage = self._cell.stage("evaluate", role, name, use, inputs)
        cell, phase, model = self._cell.index, self._phase.name, self._model_name(role)
        plan = self._cell.plan
        plan.measured.append(Measured(cell, phase, role, model, split, use.name, stage.key))
        self._cell.evaluations[phase, role, split, number] = (use, inputs)
        self._cell.models_of_roles[phase, role] = model
        self._show_predictions(role, split, subject)

    def _show_predictions(self, role: str, split: str, key: str) -> None:
        """Plan a table of the predictions that were measured or compared with."""
        if (role, split) in self._predicted:  # several evaluators read the same predictions
            return
        self._predicted.add((role, split))
        weak = self._weak_labels(split, assisted=True) if role != SUPERVISOR else key
        cell, phase, model = self._cell.index, self._phase.name, self._model_name(role)
        data = self._cell.splits[split]
        row = Predicted(cell, phase, role, model, split, key, data, weak)
        self._cell.plan.predicted.append(row)

    def _model_name(self, role: str) -> str:
        use = self._phase.supervisor if role in (FLOOR, SUPERVISOR) else self._phase.student
        model = getattr(use.config, "model", None) if use else None
        return str(model) if model else self._phase.supervisor.name


def _aggregate(plan: Plan, group: list[_PlannedCell]) -> None:
    """Stages that join the cells which differ by seed alone."""
    first = group[0]
    for (phase, role, split, number), (use, _) in first.evaluations.items():
        inputs: dict[str, str] = {}
        for cell in group:
            _, own = cell.evaluations[phase, role, split, number]
            inputs |= {f"{cell.cell.seed}:{slot}": key for slot, key in own.items()}
        name = f"{phase}/{role}/aggregate/{use.name}:{split}"
        stage = first.stage("aggregate", role, name, use, inputs)
        stage.cells |= {c.index for c in group}
        model = first.models_of_roles[phase, role]
        plan.aggregated.append(
            Measured(first.index, phase, role, model, split, use.name, stage.key)
        )
