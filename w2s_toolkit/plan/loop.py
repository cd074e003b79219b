"""Rounds of a repeated phase: what a student that is promoted supervises is planned once it is.

Every round ends in a decision stage. What it decided is not in the keys of what follows: the student
that was promoted is, so that another rule with the same outcome runs nothing again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.plan.phase import PlannedPhase
from w2s_toolkit.plan.plan import STUDENT, Round
from w2s_toolkit.plan.setting import Setting, Trained
from w2s_toolkit.recipe.checked import Phase
from w2s_toolkit.recipe.references import start_of

if TYPE_CHECKING:
    from w2s_toolkit.plan.planner import PlannedCell

GATE = "first supervisor"


class Loop:
    """A repeated phase of one cell.

    Args:
        cell: where it belongs.
        index: place of the phase in the recipe.
        chain: the students that supervise the first round, the latest last.
    """

    def __init__(
        self, cell: PlannedCell, phase: Phase, index: int, chain: tuple[Trained, ...]
    ) -> None:
        assert phase.model.repeat is not None
        self._cell, self._phase, self._index = cell, phase, index
        self._repeat, self._promote = phase.model.repeat, phase.model.repeat.promote
        self._chain = chain
        self._best: tuple[Trained, float] | None = None
        self._by_students = bool(start_of(phase))
        self._rejected = 0
        self._parts: dict[str, dict[str, str]] = {}
        self._history: list[Mapping[str, Any]] = []

    def begin(self) -> None:
        """Cut pool and anchor, and test the first supervisor; without a test, plan the first round."""
        if self._phase.folds:
            share = 1 / self._phase.folds
            self._cut(self._phase.pool, {str(r): share for r in range(1, self._phase.folds + 1)})
        if self._promote:
            calibrates = self._promote.calibration_share
            parts = {"cal": calibrates} if calibrates else {}
            self._cut(self._promote.on, {**parts, "test": 1 - calibrates})
        if self._promote and self._chain:
            self._decide(0, {}, None)
        else:
            self._plan_round(1)

    # --- parts of splits ---------------------------------------------------------------------

    def _cut(self, split: str, shares: Mapping[str, float]) -> None:
        """Cut a split into disjoint parts, named ``split.part``."""
        source, options = self._cell.splits[split], self._cell.cell.options
        names = list(shares)
        for number, name in enumerate(names):
            drawn = [[f"{split}.{n}", shares[n]] for n in names[: number + 1]]
            last = number == len(names) - 1
            args = {"draw": drawn, "balance": options.balance, "rest": last}
            inputs = {"data": source}
            stage = self._cell.core_stage("part", "task", f"split/{split}.{name}", inputs, args)
            called = f"{split}.{name}"
            if (
                self._cell.splits.get(called, stage.key) != stage.key
            ):  # another phase cuts otherwise
                called = f"{split}.{self._phase.name}.{name}"
            self._cell.splits[called] = stage.key
            self._parts.setdefault(split, {})[name] = called

    def _part_of_anchor(self, name: str) -> dict[str, str]:
        on = self._promote.on if self._promote else ""
        return {on: self._parts[on][name]} if on and name in self._parts[on] else {}

    # --- rounds ------------------------------------------------------------------------------

    def _plan_round(self, number: int) -> None:
        phase = self._phase
        setting = Setting(
            self._index,
            f"{phase.name}/{number}",
            self._parts[phase.pool][str(number)] if phase.folds else phase.pool,
            phase.student_of(number),
            number,
            self._chain,
            self._part_of_anchor("cal"),
            self._part_of_anchor("test"),
        )
        planned = PlannedPhase(self._cell, phase, setting)
        student = planned.build()
        assert student is not None, "checked with the recipe"
        planned.measure(phase.evaluate, planned.name, (self._cell.index, self._index, number))
        self._decide(number, self._metrics(planned.name), student)

    def _metrics(self, name: str) -> dict[str, str]:
        """Evaluations of a round's student on the split that promotions are tested on."""
        if not self._promote:
            return {}
        on = self._parts[self._promote.on]["test"]
        return {
            f"metrics:{number}": found.measured.key
            for (phase, role, split, number), found in self._cell.evaluations.items()
            if (phase, role, split) == (name, STUDENT, on)
        }

    def _decide(self, number: int, metrics: Mapping[str, str], student: Trained | None) -> None:
        """Add the decision that ends a round, and what follows from it."""
        inputs = dict(metrics)
        args: dict[str, Any] = {"round": number, "rejected": self._rejected}
        args["patience"] = self._repeat.patience
        if self._promote:
            names = ("delta", "above_chance", "confidence", "enforce")
            args |= {name: getattr(self._promote, name) for name in names}
            args["bounds"] = {n: b.model_dump() for n, b in self._promote.bounds.items()}
            inputs |= self._anchor_labels(student)
        elif student:  # a decision follows from a training, whatever it decides
            inputs["student"] = student.key
        name = f"{self._phase.name}/{number}/decide" if number else f"{self._phase.name}/{GATE}"
        stage = self._cell.core_stage(
            "decide",
            "loop",
            name,
            inputs,
            args,
            width=2,
            expand=lambda folder: self._decided(folder, student),
        )
        model = str(getattr(student.use.config, "model", "")) if student else ""
        order = (self._cell.index, self._index, number)
        supervisor = self._chain[-1].name if self._by_students else self._phase.supervisor.name
        self._cell.plan.rounds.append(
            Round(self._cell.index, self._phase.name, number, supervisor, model, stage.key, order)
        )

    def _anchor_labels(self, student: Trained | None) -> dict[str, str]:
        """What is compared: the student, its supervising student and the best one so far."""
        assert self._promote is not None
        split = self._parts[self._promote.on]["test"]
        asked = {"student": student, "supervisor": self._chain[-1] if self._chain else None}
        if self._best and self._best[0] is not self._chain[-1]:
            asked["best"] = self._best[0]
        labels = {
            slot: self._cell.labels_of(
                one, self._cell.splits[split], STUDENT, f"{one.name}/student/label/{split}"
            )
            for slot, one in asked.items()
            if one
        }
        return {"data": self._cell.splits[split], **labels}

    def _decided(self, folder: Path, student: Trained | None) -> list[Stage]:
        """Plan what follows from a decision. The stages are in the graph when this returns."""
        decision = json.loads((folder / "decision.json").read_text(encoding="utf-8"))
        number = int(decision["round"])
        accuracy = decision["accuracy"]
        if not number and self._chain:
            self._best = (self._chain[-1], float(accuracy["supervisor"]))
        if student and decision["promoted"]:
            self._chain = (*self._chain, student)
            if "student" in accuracy and (not self._best or accuracy["student"] > self._best[1]):
                self._best = (student, float(accuracy["student"]))
        if student:
            self._rejected = 0 if decision["promoted"] else self._rejected + 1
            names = ("round", "promoted", "reason", "accuracy", "metrics")
            self._history.append({name: decision[name] for name in names})
            self._cell.plan.on_round({**self._history[-1], "phase": self._phase.name})
        ending = self._ending(number, decision)
        if ending:
            self._end(ending)
        else:
            self._plan_round(number + 1)
        self._cell.after_decision()
        return []

    def _ending(self, number: int, decision: Mapping[str, Any]) -> str:
        if decision["stop"]:
            return str(decision["stop"])
        if number == self._repeat.max_rounds:
            return f"all {number} rounds are done" if number > 1 else "the only round is done"
        if not number:
            return ""
        return self._cell.plan.should_stop(tuple(self._history), self._phase.name)

    def _end(self, reason: str) -> None:
        """List what was promoted last as what the phase came to."""
        cell = self._cell
        cell.plan.endings[cell.index, self._phase.name] = reason
        cell.chains[self._phase.name] = self._chain
        if self._chain:
            home, order = self._chain[-1].home, (cell.index, self._index, 1_000_000)
            on = self._part_of_anchor("test")
            home.measure(self._phase.evaluate, self._phase.name, order, on)
