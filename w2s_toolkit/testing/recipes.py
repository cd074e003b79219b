"""A recipe around a component: stand-ins for all else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.recipe.references import is_reference
from w2s_toolkit.testing.bench import SPARE
from w2s_toolkit.testing.standins import MEASURE, MODEL, STUDENT, TASK, TEACHER

PLACES = {
    "models": "models.tested",
    "tasks": "task",
    "supervisors": "phases.only.supervisors.{use}",
    "oversight": "phases.only.oversight.{use}",
    "ensemblers": "phases.only.ensemble",
    "refiners": "phases.only.refine.{use}",
    "students": "phases.only.student",
    "evaluators": "phases.only.evaluate.{use}",
}
"""Where a component of each kind stands in the recipe; other kinds are not part of one."""

SPLITS = {"weak_train": 40, "pool": 60, "val": 20, "test": 20, SPARE: 20}


def place(kind: str, use: str) -> str:
    """Address of the component in its recipe, as messages give it."""
    return PLACES[kind].format(use=use)


def write_recipe(
    path: Path,
    kind: str,
    use: str,
    values: Mapping[str, Any],
    models: Mapping[str, Any],
    splits: Mapping[str, Any],
) -> Path:
    """Write the recipe; JSON, which is YAML as well.

    What names ``@phase.first.student`` finds a phase of that name before its own.
    """
    block = {"use": use, **values}
    phase: dict[str, Any] = {
        "name": "only",
        "pool": "pool",
        "supervisors": [{"use": TEACHER}],
        "student": {"use": STUDENT, "model": "standin"},
        "evaluate": [{"use": MEASURE}],
    }
    document: dict[str, Any] = {
        "schema": 1,
        "name": "contract",
        "models": {**models, "standin": {"use": MODEL}},
        "task": {"use": TASK, "splits": dict(splits or SPLITS)},
        "phases": [phase],
    }
    if kind == "models":
        document["models"]["tested"] = block
        phase["student"]["model"] = "tested"
    elif kind == "tasks":
        document["task"] = {**block, "splits": dict(splits or SPLITS)}
    elif kind == "students":
        phase["student"] = block
    elif kind == "ensemblers":
        phase["supervisors"] = [{"use": TEACHER, "train_on": "weak_train", "choose_on": "val"}]
        phase["ensemble"] = block
    else:
        phase[{"refiners": "refine", "evaluators": "evaluate"}.get(kind, kind)] = [block]
    if is_reference(values.get("model")):
        first = {**phase, "name": "first", "pool": SPARE, "supervisors": [{"use": TEACHER}]}
        document["phases"].insert(0, first)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
