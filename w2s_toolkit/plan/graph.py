"""Stages and the graph they form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_toolkit.digest import hash_of

SCHEMA = 1
"""Part of every key: raise it when the meaning of stages or artefacts changes."""


@dataclass
class Stage:
    """One keyed step.

    Attributes:
        parts: everything its key is hashed from.
        name: address without the matrix, such as ``bootstrap/student/train``.
        id: ``name`` with the axes that tell it from its siblings, such as ``…[seed=1]``.
        kind: which handler of :mod:`w2s_toolkit.stages` runs it.
        role: ``task``, ``supervisor``, ``student``, ``strong_ceiling`` …
        component: kind and name in the registry; ("", "") for stages of the core.
        config, models, inputs, args, seed: see :class:`~w2s_toolkit.contracts.StageJob`.
        threads: CPU threads, see :mod:`w2s_toolkit.threads`; not in the key.
        cells: indices of the matrix cells that need it.
        late: whether it followed from a decision.
        width: how many stages of its own it may ask for at a time; see
            :mod:`w2s_toolkit.stages.members`.
        expand: for a decision stage: makes the stages that depend on what it decided, from the
            folder of its artefact. They are added to the graph when it is done, see
            :meth:`Graph.decide`.
    """

    parts: Mapping[str, Any]
    name: str
    kind: str
    role: str
    component: tuple[str, str] = ("", "")
    config: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    width: int = 1
    cells: set[int] = field(default_factory=set)
    late: bool = False
    expand: Callable[[Path], list[Stage]] | None = None
    key: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        self.key = self.key or hash_of(self.parts)
        self.id = self.id or self.name

    def to_json(self) -> dict[str, Any]:
        """All that another process needs to know of it."""
        names = ("parts", "name", "id", "key", "kind", "role", "config", "models", "inputs", "args")
        values = {name: getattr(self, name) for name in names}
        return {**values, "component": list(self.component), "seed": self.seed}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Stage:
        """The stage that :meth:`to_json` described."""
        return cls(**{**values, "component": tuple(values["component"])})


Expand = Callable[[Path], list[Stage]]


class Graph:
    """Stages by key, in an order in which each follows its inputs."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self._planned = 0
        self._waiting: dict[str, list[tuple[Expand, set[int]]]] = {}
        self._decided: dict[str, Path] = {}

    def add(self, stage: Stage, cells: set[int]) -> Stage:
        """Add a stage, or share the one with its key; returns the one in the graph.

        Cells that share a decision stage each have stages of their own that follow from it.
        """
        present = self.stages.setdefault(stage.key, stage)
        present.cells |= cells
        if stage.expand and stage.key in self._decided:
            self._follow(stage.expand, self._decided[stage.key], cells)
        elif stage.expand:
            self._waiting.setdefault(stage.key, []).append((stage.expand, set(cells)))
        return present

    def decide(self, key: str, folder: Path) -> list[Stage]:
        """Add what follows from a decision, once; returns the stages that are new."""
        if key not in self._waiting:
            return []
        known = set(self.stages)
        self._decided[key] = folder
        for expand, cells in self._waiting.pop(key):
            self._follow(expand, folder, cells)
        return [stage for k, stage in self.stages.items() if k not in known]

    def _follow(self, expand: Expand, folder: Path, cells: set[int]) -> None:
        for stage in expand(folder):
            self.add(stage, cells)

    def is_pending(self, key: str) -> bool:
        """Whether more stages follow from a decision that was not taken yet."""
        return key in self._waiting

    @property
    def pending(self) -> list[Stage]:
        """Decision stages that more stages follow from."""
        return [self.stages[key] for key in self._waiting]

    @property
    def planned(self) -> list[Stage]:
        """The stages that were there when the graph was planned."""
        return list(self.stages.values())[: self._planned]

    @property
    def followed(self) -> list[Stage]:
        """The stages that were added since, in the order in which they came."""
        return list(self.stages.values())[self._planned :]

    def __iter__(self) -> Iterator[Stage]:
        return iter(list(self.stages.values()))

    def __len__(self) -> int:
        return len(self.stages)

    def __getitem__(self, key: str) -> Stage:
        return self.stages[key]

    def name_stages(self, axes: list[Mapping[str, Any]]) -> None:
        """Give stages that share a name ids with the axes on which they differ.

        Ends planning: stages that are added later count as having followed from decisions.
        """
        self._planned = len(self.stages)
        by_name: dict[str, list[Stage]] = {}
        for stage in self.stages.values():
            by_name.setdefault(stage.name, []).append(stage)
        for name, stages in by_name.items():
            for stage in stages:
                stage.id = name if len(stages) == 1 else f"{name}[{_label(stage, axes)}]"
            _number_repeats(stages)

    def settle(self, axes: list[Mapping[str, Any]]) -> bool:
        """Name what followed from decisions anew, whichever of several cells came first.

        Returns whether anything followed.
        """
        late: dict[str, list[Stage]] = {}
        for stage in sorted(self.followed, key=lambda stage: stage.key):
            if stage.late:
                stage.id = stage.name + label_of(stage, axes)
                late.setdefault(stage.name, []).append(stage)
        for stages in late.values():
            _number_repeats(stages)
        return bool(late)

    def find(self, text: str) -> list[Stage]:
        """Stages whose id, name, key prefix or part of the id is ``text``; the closest match only."""
        tests: list[Callable[[Stage], bool]] = [
            lambda s: s.id == text,
            lambda s: s.name == text,
            lambda s: len(text) >= 6 and s.key.startswith(text),
            lambda s: text in s.id,
        ]
        for test in tests:
            found = [s for s in self.stages.values() if test(s)]
            if found:
                return found
        return []


def label_of(stage: Stage, axes: list[Mapping[str, Any]]) -> str:
    """What an id adds to the name of a stage that followed from a decision."""
    return f"[{_label(stage, axes)}]" if len(axes) > 1 else ""


def _label(stage: Stage, axes: list[Mapping[str, Any]]) -> str:
    """The axes that have one value in all cells of a stage: ``seed=1,loss.use=xent``."""
    cells = [axes[c] for c in sorted(stage.cells)]
    names = list(cells[0]) if cells else []
    fixed = [n for n in names if all(c[n] == cells[0][n] for c in cells)]
    if not fixed and cells:
        return " ".join("+".join(str(c[n]) for c in cells[:1]) for n in names)
    return ",".join(f"{short_axis(n)}={short_value(cells[0][n])}" for n in fixed)


def _number_repeats(stages: list[Stage]) -> None:
    seen: dict[str, int] = {}
    for stage in stages:
        seen[stage.id] = seen.get(stage.id, 0) + 1
        if seen[stage.id] > 1:
            stage.id = f"{stage.id}#{seen[stage.id]}"


def short_axis(address: str) -> str:
    """``phases.bootstrap.student.loss.use`` -> ``student.loss``."""
    words = address.split(".")
    if words[0] == "phases":
        words = words[2:]
    if words[-1] == "use" and len(words) > 1:
        words = words[:-1]
    return ".".join(words[-2:])


def short_value(value: Any) -> str:
    """A value in at most 24 characters; of a path, its end; of blocks and lists, what they use."""
    if isinstance(value, list | tuple):
        text = "+".join(map(short_value, value)) or "none"
        return text if len(text) <= 24 else f"{text[:23]}…"
    if isinstance(value, dict):
        value = value.get("id") or value.get("use") or value
    text = str(value)
    if "/" in text:
        text = text.rstrip("/").rsplit("/", 1)[1]
    return text if len(text) <= 24 else f"{text[:23]}…"
