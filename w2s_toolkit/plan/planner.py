"""A checked recipe -> the graph of its stages, with keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from w2s_toolkit.config import ModelConfig
from w2s_toolkit.digest import Digests, stage_seed
from w2s_toolkit.errors import RecipeError, RegistryError, W2SError
from w2s_toolkit.plan.graph import SCHEMA, Stage, label_of
from w2s_toolkit.plan.loop import Loop
from w2s_toolkit.plan.phase import PlannedPhase
from w2s_toolkit.plan.plan import Measured, Plan
from w2s_toolkit.plan.seeds import Evaluation, Group
from w2s_toolkit.plan.setting import Setting, Trained
from w2s_toolkit.recipe.checked import Cell, Phase, Recipe, Use
from w2s_toolkit.recipe.problems import dotted
from w2s_toolkit.recipe.references import is_reference, parse_reference, start_of
from w2s_toolkit.registry import AUTHORS
from w2s_toolkit.split_names import drawing_order, is_evaluation_split


def make_plan(recipe: Recipe, digests: Digests) -> Plan:
    """Plan every cell; equal stages of several cells become one.

    Raises:
        RecipeError: a model's weights or an input file cannot be identified.
    """
    plan = Plan(recipe)
    identities = Identities(digests)
    groups: dict[str, list[PlannedCell]] = {}
    for index, cell in enumerate(recipe.cells):
        planned = PlannedCell(plan, index, cell, identities)
        planned.build()
        other = {a: v for a, v in cell.axes.items() if a != "seed"}
        groups.setdefault(repr(sorted(other.items(), key=lambda kv: kv[0])), []).append(planned)
    for cells in groups.values():
        group = Group(plan, cells)
        for one in cells:
            one.group = group
        group.aggregate()
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


class PlannedCell:
    """The stages of one cell of the matrix."""

    def __init__(self, plan: Plan, index: int, cell: Cell, identities: Identities) -> None:
        self.plan, self.index, self.cell = plan, index, cell
        self._ids = identities
        self.group: Group | None = None
        self.splits: dict[str, str] = {}
        self.evaluations: dict[tuple[str, str, str, int], Evaluation] = {}
        self.chains: dict[str, tuple[Trained, ...]] = {}
        self._waiting = list(enumerate(cell.phases))

    def build(self) -> None:
        """Add all stages of the cell but those that follow from decisions."""
        self._task_stages()
        self.plan.splits[self.index] = self.splits
        self.go_on()

    def go_on(self) -> None:
        """Plan the phases whose supervisors are known by now."""
        ready = [entry for entry in self._waiting if self._chain(*entry) is not None]
        while ready:
            index, phase = ready[0]
            self._waiting.remove(ready[0])
            self._plan_phase(index, phase, self._chain(index, phase) or ())
            ready = [entry for entry in self._waiting if self._chain(*entry) is not None]

    def after_decision(self) -> None:
        """Plan what became possible by a decision: phases, and results over seeds."""
        self.go_on()
        if self.group:
            self.group.aggregate()
        self._ids.raise_if_any()

    def _chain(self, index: int, phase: Phase) -> tuple[Trained, ...] | None:
        """The students that supervise a phase at its start; None while they are not known."""
        text = start_of(phase)
        if not text:
            return ()
        name = parse_reference(text).phase or self.cell.phases[index - 1].name
        return self.chains.get(name)

    def _plan_phase(self, index: int, phase: Phase, chain: tuple[Trained, ...]) -> None:
        if phase.model.repeat:
            Loop(self, phase, index, chain).begin()
            return
        setting = Setting(index, phase.name, phase.pool, phase.student, chain=chain)
        planned = PlannedPhase(self, phase, setting)
        student = planned.build()
        planned.measure(phase.evaluate, phase.name, (self.index, index, 0))
        self.chains[phase.name] = (student,) if student else ()

    def measured(
        self, measured: Measured, number: int, use: Use, inputs: Mapping[str, str]
    ) -> None:
        """Note an evaluation; ``number`` tells evaluators of one name apart."""
        self.plan.measured.append(measured)
        place = (measured.phase, measured.role, measured.split, number)
        self.evaluations[place] = Evaluation(use, dict(inputs), measured)

    def labels_of(
        self, student: Trained, data: str, role: str, name: str, kind: str = "label"
    ) -> str:
        """Key of what a trained student says on data."""
        return self.stage(kind, role, name, student.use, {"data": data, "ref": student.key}).key

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
        round: int = 0,
        config: Any = None,
        members: list[dict[str, Any]] | None = None,
        owner: str = "",
        width: int = 1,
    ) -> Stage:
        """Add a stage that a component runs."""
        config = config or use.config
        named = {
            str(f.location[0]): str(f.value)
            for f in config.uses("model")
            if not is_reference(f.value)  # its stages are handed what the student says
        }
        models = {field: self.cell.models[name] for field, name in named.items()}
        seed = stage_seed(self.cell.seed, kind, seed_role or role, round=round) if seeded else 0
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
        return self._add(stage)

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
            "trained": getattr(use.config, "train_on", None) is not None,
        }

    def _model_json(self, use: Use) -> dict[str, Any]:
        identity = self._ids.model(use)
        return {
            "use": use.name,
            "config": use.config.model_dump(mode="json"),
            **{k: identity.get(k) for k in ("fingerprint", "resolved")},
        }

    def core_stage(
        self,
        kind: str,
        role: str,
        name: str,
        inputs: Mapping[str, str],
        args: Mapping[str, Any],
        **more: Any,
    ) -> Stage:
        """Add a stage that the core runs itself; ``more`` are fields of it that are not in its key."""
        parts = {
            "schema": SCHEMA,
            "kind": kind,
            "inputs": dict(inputs),
            "args": dict(args),
        }
        stage = Stage(
            parts=parts,
            name=name,
            kind=kind,
            role=role,
            inputs=dict(inputs),
            args=dict(args),
            **more,
        )
        return self._add(stage)

    def _add(self, stage: Stage) -> Stage:
        if self.group:  # the graph is named already
            stage.cells, stage.late = {self.index}, True
            stage.id = stage.name + label_of(stage, self.plan.axes)
        return self.plan.graph.add(stage, {self.index})
