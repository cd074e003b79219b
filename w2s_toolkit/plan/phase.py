"""The stages of one phase: evidence, supervision, labels, student, ceiling, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from w2s_toolkit.config import EnsemblerConfig, EvaluatorConfig, StudentConfig, SupervisorConfig
from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.plan.plan import CEILING, FLOOR, STUDENT, SUPERVISOR, Measured, Predicted
from w2s_toolkit.recipe.load import Phase, Use

if TYPE_CHECKING:
    from w2s_toolkit.plan.planner import PlannedCell


class PlannedPhase:
    """Stages of one phase: evidence, supervision, labels, student, ceiling, evaluation."""

    def __init__(self, owner: PlannedCell, phase: Phase) -> None:
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

    def _weak_labels(self, split: str, *, assisted: bool, scores: bool = False) -> str:
        """Key of the supervisor's labels on a split, or of what it gives the gold answers.

        Args:
            assisted: the supervisor as it is used; otherwise the naive floor.
        """
        assisted = assisted and self._strengthened
        if assisted and self._phase.ensemble:
            return self._combined(self._phase.ensemble, split, scores=scores)
        inputs = {"data": self._evidence(split, assisted=assisted)}
        ref = self._fit(assisted=assisted)
        if ref:
            inputs["ref"] = ref
        role = SUPERVISOR if assisted or not self._strengthened else FLOOR
        use, kind = self._phase.supervisor, "score" if scores else "label"
        return self._cell.stage(kind, role, self._name(role, kind, split), use, inputs).key

    def _combined(self, use: Use, split: str, *, scores: bool) -> str:
        """Key of the ensemble's labels on a split, or of what it gives the gold answers."""
        inputs = {"data": self._evidence(split, assisted=True), "ref": self._build(use)}
        if scores:
            return self._ensemble_stage("combine_scores", f"score/{split}", use, inputs).key
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
            if watched := config.watched():
                inputs["watch"] = self._cell.splits[watched.on]
                inputs["watch_labels"] = self._weak_labels(watched.on, assisted=True)
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

    def _predictions(self, role: str, ref: str, split: str, *, scores: bool) -> str:
        if role in (SUPERVISOR, FLOOR):
            return self._weak_labels(split, assisted=role == SUPERVISOR, scores=scores)
        use = self._phase.student
        assert use is not None and isinstance(use.config, StudentConfig)
        config = use.config.ceiling() if role == CEILING else use.config
        inputs = {"data": self._cell.splits[split], "ref": ref}
        kind = "score" if scores else "label"
        name = self._name(role, kind, split)
        return self._cell.stage(kind, role, name, use, inputs, config=config).key

    # --- evaluation --------------------------------------------------------------------------

    def _evaluate(self, predictors: Mapping[str, str], pool_labels: str) -> None:
        pool = self._phase.model.pool
        for number, use in enumerate(self._phase.evaluate):
            config = use.config
            assert isinstance(config, EvaluatorConfig)
            subjects = [r for r in predictors if r in config.measured()]
            wanted = {*subjects, *(r for r in predictors if subjects and r in config.references)}
            keys = {
                role: self._predictions(role, predictors[role], config.on, scores=config.scored())
                for role in sorted(wanted)
            }
            references = {r: k for r, k in keys.items() if r in config.references}
            for role in subjects:
                self._measure(number, use, role, config.on, keys[role], references)
            for role, key in keys.items():
                if not config.scored():
                    self._show_predictions(role, config.on, key)
            if config.measures_pool() and config.on != pool:
                self._measure(number, use, SUPERVISOR, pool, pool_labels, {})
                self._show_predictions(SUPERVISOR, pool, pool_labels)

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
