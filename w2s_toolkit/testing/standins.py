"""Registers components that complete a recipe around the one that is tested.

They are offered to the registries of contract tests alone, never as an entry point.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from w2s_toolkit.hookspecs import Component, hookimpl
from w2s_toolkit.registry import GROUP, Registry

MODEL, TASK, TEACHER, STUDENT, MEASURE = (
    f"standin_{kind}" for kind in ("model", "task", "teacher", "student", "measure")
)
_CONFIGS = "w2s_toolkit.testing.standin_configs"
_PARTS = "w2s_toolkit.testing.standin_parts"


def registry_with_standins(found: Iterable[EntryPoint] | None = None) -> Registry:
    """The plugins found (by default all that are installed) and the stand-ins."""
    points = entry_points(group=GROUP) if found is None else found
    return Registry([*points, EntryPoint("standins", __name__, GROUP)])


@hookimpl
def w2s_models() -> Iterable[Component]:
    """A model that is nothing but a number."""
    yield Component(
        MODEL, f"{_PARTS}:Model", f"{_CONFIGS}:StandinModelConfig", "1", "A model in name only."
    )


@hookimpl
def w2s_tasks() -> Iterable[Component]:
    """The made-up task."""
    yield Component(
        TASK, f"{_PARTS}:Rows", f"{_CONFIGS}:StandinTaskConfig", "1", "Made-up sentences."
    )


@hookimpl
def w2s_supervisors() -> Iterable[Component]:
    """A teacher that needs no training."""
    yield Component(
        TEACHER, f"{_PARTS}:Teacher", f"{_CONFIGS}:StandinTeacherConfig", "1", "Counts words."
    )


@hookimpl
def w2s_students() -> Iterable[Component]:
    """A student that trains in no time."""
    yield Component(
        STUDENT, f"{_PARTS}:Student", f"{_CONFIGS}:StandinStudentConfig", "1", "Naive Bayes."
    )


@hookimpl
def w2s_evaluators() -> Iterable[Component]:
    """A measure of anything."""
    yield Component(
        MEASURE, f"{_PARTS}:Measure", f"{_CONFIGS}:StandinMeasureConfig", "1", "Mean confidence."
    )
