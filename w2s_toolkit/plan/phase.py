"""The stages of one phase, or of one round of it: evidence, supervision, labels, student, ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from w2s_toolkit.config import AlignerConfig, EnsemblerConfig, StudentConfig, SupervisorConfig
from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.plan.measuring import Measuring
from w2s_toolkit.plan.plan import CEILING, FLOOR, STUDENT, SUPERVISOR
from w2s_toolkit.plan.setting import Setting, Trained
from w2s_toolkit.recipe.checked import Phase, Use
from w2s_toolkit.recipe.references import NEXT

if TYPE_CHECKING:
    from w2s_toolkit.plan.planner import PlannedCell


class PlannedPhase:
    """Stages of one phase or round: evidence, supervision, labels, student, ceiling."""

    def __init__(self, owner: PlannedCell, phase: Phase, setting: Setting) -> None:
        self.cell, self.phase, self.setting = owner, phase, setting
        self.name = setting.name
        self._assisted: dict[str, str] = {}
        self._fits: dict[bool, str] = {}
        self._built = ""
        self._aligner = phase.supervisor.config
        self._by_students = isinstance(self._aligner, AlignerConfig)
        # Without oversight and ensemble the supervisor is the naive floor itself.
        self._strengthened = bool(phase.oversight or phase.ensemble or self._by_students)
        self.predictors: dict[str, str] = {}
        self.pool_labels = ""

    def build(self) -> Trained | None:
        """Add the stages of supervision and training; returns the student."""
        labels = self.weak_labels(self.setting.pool, assisted=True)
        for index, refiner in enumerate(self.phase.refine):
            rounds = getattr(refiner.config, "rounds", None)
            if not (rounds and self.setting.round) or self.setting.round in rounds:
                labels = self._refined(index, refiner, labels)
        self.pool_labels = labels
        use, baselines = self.setting.student, self.cell.cell.baselines
        self.predictors = {SUPERVISOR: ""}
        if use:
            self.predictors[STUDENT] = self._train(use, STUDENT, labels)
        if FLOOR in baselines:
            self.predictors[FLOOR] = ""
        if use and CEILING in baselines:
            self.predictors[CEILING] = self._train(use, CEILING, None)
        return Trained(use, self.predictors[STUDENT], self) if use else None

    def measure(
        self,
        evaluate: Sequence[Use],
        name: str,
        order: tuple[int, ...],
        measure_on: Mapping[str, str] | None = None,
    ) -> None:
        """Add the evaluations, listed in the results under ``name``, at the place ``order``."""
        on = self.setting.measure_on if measure_on is None else measure_on
        Measuring(self, name, order, on).evaluate(evaluate)

    def _name(self, role: str, *rest: str) -> str:
        return "/".join((self.name, role, *rest))

    # --- supervision -------------------------------------------------------------------------

    def _evidence(self, split: str, *, assisted: bool) -> str:
        """Key of a split as the supervisor sees it: with evidence if a protocol is used."""
        key = self.cell.splits[split]
        if not assisted:
            return key
        if split not in self._assisted:
            for index, use in enumerate(self.phase.oversight):
                name = self._name("oversight", str(index), use.name, split)
                inputs = {"data": key}
                if self._by_students:
                    inputs["judge"] = self.setting.chain[-1].key
                use = self._with_next_student(use)
                key = self.cell.stage("assist", "oversight", name, use, inputs, seeded=True).key
            self._assisted[split] = key
        return self._assisted[split]

    def _with_next_student(self, use: Use) -> Use:
        """A protocol whose debater, or other speaker, is the model that is about to be trained."""
        named = [f for f in use.config.uses("model") if f.value == NEXT]
        if not named:
            return use
        assert self.setting.student is not None, "checked with the recipe"
        model = getattr(self.setting.student.config, "model", "")
        changed = use.config.model_copy(update={str(f.location[0]): model for f in named})
        return replace(use, config=changed)

    def _fit(self, *, assisted: bool) -> str:
        """Key of one fitted supervisor; empty when it is used as it comes."""
        use, config = self.phase.supervisor, self.phase.supervisor.config
        assert isinstance(config, SupervisorConfig)
        if config.train_on is None:
            return ""
        assisted = assisted and bool(self.phase.oversight)
        if assisted not in self._fits:
            train_on = self.setting.fit_on.get(config.train_on, config.train_on)
            inputs = {"train": self._evidence(train_on, assisted=assisted)}
            if config.choose_on:
                inputs["val"] = self._evidence(config.choose_on, assisted=assisted)
            inputs |= self._generations(train_on)
            naive = not (assisted or self._by_students) and self._strengthened
            role = FLOOR if naive else SUPERVISOR
            stage = self.cell.stage(
                "fit", role, self._name(role, "fit"), use, inputs, seeded=True, seed_role=SUPERVISOR
            )
            self._fits[assisted] = stage.key
        return self._fits[assisted]

    def _generations(self, split: str) -> dict[str, str]:
        """What the students that supervise say on a split, with evidence if there is any."""
        if not isinstance(self._aligner, AlignerConfig):
            return {}
        data, chain = self._evidence(split, assisted=True), self.setting.chain
        asked = chain[-1:] if self._aligner.generations == "last" else chain
        labels = {}
        for number, one in enumerate(asked, len(chain) - len(asked)):
            name = self._name(SUPERVISOR, f"generation {number}", "label", split)
            labels[f"generation:{number}"] = self.cell.labels_of(one, data, SUPERVISOR, name)
        return labels

    def weak_labels(self, split: str, *, assisted: bool, scores: bool = False) -> str:
        """Key of the supervisor's labels on a split, or of what it gives the gold answers.

        Args:
            assisted: the supervisor as it is used; otherwise the naive floor.
        """
        if self._by_students and not assisted:
            return self.floor.weak_labels(split, assisted=False, scores=scores)
        assisted = assisted and self._strengthened
        if assisted and self.phase.ensemble:
            return self._combined(self.phase.ensemble, split, scores=scores)
        if self._by_students and scores:
            name = self._name(SUPERVISOR, "score", split)
            data = self._evidence(split, assisted=True)
            return self.cell.labels_of(self.setting.chain[-1], data, SUPERVISOR, name, "score")
        inputs = {"data": self._evidence(split, assisted=assisted), **self._generations(split)}
        ref = self._fit(assisted=assisted)
        if ref:
            inputs["ref"] = ref
        role = SUPERVISOR if assisted or not self._strengthened else FLOOR
        use, kind = self.phase.supervisor, "score" if scores else "label"
        return self.cell.stage(kind, role, self._name(role, kind, split), use, inputs).key

    @property
    def floor(self) -> PlannedPhase:
        """The phase whose naive supervisor is the weak floor: where the chain of students began."""
        return self.setting.chain[0].home.floor if self._by_students else self

    def _combined(self, use: Use, split: str, *, scores: bool) -> str:
        """Key of the ensemble's labels on a split, or of what it gives the gold answers."""
        inputs = {"data": self._evidence(split, assisted=True), "ref": self._build(use)}
        if scores:
            return self._ensemble_stage("combine_scores", f"score/{split}", use, inputs).key
        return self._ensemble_stage("combine", f"label/{split}", use, inputs).key

    def _build(self, use: Use) -> str:
        """Key of the built ensemble."""
        if not self._built:
            first = self.phase.learner.config
            assert isinstance(first, SupervisorConfig) and isinstance(use.config, EnsemblerConfig)
            # Where no member is trained there is no split for it: the pool says what rows look like.
            inputs = {"pool": self._evidence(self.setting.pool, assisted=True)}
            if first.train_on:
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
        members = [self.cell.template(one) for one in self.phase.supervisors]
        return self.cell.stage(
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
        inputs = {"pool": self.cell.splits[self.setting.pool], "labels": labels}
        splits = use.config.uses("split")
        if splits:
            split = str(splits[0].value)
            split = self.setting.fit_on.get(split, split)
            inputs["fit_data"] = self.cell.splits[split]
            inputs["fit_labels"] = self.weak_labels(split, assisted=True)
        name = self._name("refine", str(index), use.name)
        stage = self.cell.stage(
            "refine", "refiner", name, use, inputs, seeded=True, round=self.setting.round
        )
        return stage.key

    # --- students ----------------------------------------------------------------------------

    def _train(self, use: Use, role: str, labels: str | None) -> str:
        """Key of a trained student, or of the ceiling when ``labels`` is None (gold)."""
        config = use.config
        assert isinstance(config, StudentConfig)
        inputs = {"pool": self.cell.splits[self.setting.pool]}
        if labels is None:
            config = config.ceiling()
        else:
            inputs["labels"] = labels
            if watched := config.watched():
                inputs["watch"] = self.cell.splits[watched.on]
                inputs["watch_labels"] = self.weak_labels(watched.on, assisted=True)
        stage = self.cell.stage(
            "train",
            role,
            self._name(role, "train"),
            use,
            inputs,
            {"labels": "gold" if labels is None else "weak"},
            seeded=True,
            seed_role=STUDENT,
            round=self.setting.round,
            config=config,
        )
        return stage.key

    def predictions(self, role: str, split: str, *, scores: bool = False) -> str:
        """Key of what a role says on a split, or of what it gives the gold answers."""
        if role in (SUPERVISOR, FLOOR):
            return self.weak_labels(split, assisted=role == SUPERVISOR, scores=scores)
        use = self.setting.student
        assert use is not None and isinstance(use.config, StudentConfig)
        config = use.config.ceiling() if role == CEILING else use.config
        trained = Trained(replace(use, config=config), self.predictors[role], self)
        kind = "score" if scores else "label"
        name = self._name(role, kind, split)
        return self.cell.labels_of(trained, self.cell.splits[split], role, name, kind)

    def model_name(self, role: str) -> str:
        """What a role is listed as: an entry of ``models:``, or its component; all of an ensemble's."""
        if role == FLOOR and self.floor is not self:
            return self.floor.model_name(FLOOR)
        if role == SUPERVISOR and self.phase.ensemble:
            each = [str(getattr(s.config, "model", None) or s.name) for s in self.phase.supervisors]
            return " + ".join(dict.fromkeys(each))
        use = self.phase.supervisor if role in (FLOOR, SUPERVISOR) else self.setting.student
        if self._by_students and role == SUPERVISOR:
            use = self.setting.chain[-1].use
        model = getattr(use.config, "model", None) if use else None
        return str(model) if model else self.phase.supervisor.name
