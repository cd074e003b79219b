"""Two run directories -> everything in which they differ, as one JSON-able mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2s_toolkit.compare.decisions import decision_changes
from w2s_toolkit.compare.environment import environment_changes
from w2s_toolkit.compare.recipe import recipe_changes
from w2s_toolkit.compare.results import result_changes
from w2s_toolkit.compare.side import Side
from w2s_toolkit.compare.stages import input_changes, stage_changes
from w2s_toolkit.registry import Registry


def compare_runs(a: Path, b: Path, registry: Registry) -> dict[str, Any]:
    """Compare two runs.

    Returns:
        ``a`` and ``b`` (name, path, status); ``recipe``, ``inputs``, ``environment``, ``stages``,
        ``decisions`` and ``results`` as the modules of this package describe them; ``notes`` on what could not
        be compared; ``verdict``: ``identical``, ``different``, or ``incomplete`` when nothing
        differs as far as it could be compared.
    """
    one, two = Side("A", a), Side("B", b)
    found: dict[str, Any] = {
        "a": one.describe(),
        "b": two.describe(),
        "recipe": recipe_changes(one, two, registry),
        "inputs": input_changes(one, two),
        "environment": environment_changes(one, two),
        "stages": stage_changes(one, two),
        "decisions": decision_changes(one, two),
        "results": result_changes(one, two, registry),
    }
    found["notes"] = [*one.notes, *two.notes]
    stages = found["stages"]
    differs = (
        any(row["matters"] for row in found["recipe"])
        or found["inputs"]
        or found["decisions"]
        or any(stages[k] for k in ("different", "only_a", "only_b"))
        or any(not row["same"] and row["difference"] != 0 for row in found["results"])
    )
    verdict = "different" if differs else "incomplete" if found["notes"] else "identical"
    return {"verdict": verdict, **found}
