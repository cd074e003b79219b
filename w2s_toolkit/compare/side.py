"""One of two runs that are compared, read from its directory alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from w2s_toolkit.loading import Run
from w2s_toolkit.report.facts import RunFiles
from w2s_toolkit.results import SCHEMA


class Side:
    """A run's files; what is missing or damaged is empty, and said in ``notes``.

    Args:
        name: ``A`` or ``B``, for messages.
        path: the run directory.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.status = Run(path).status
        self._files = RunFiles(path)
        self._why_no_results = ""

    def describe(self) -> dict[str, str]:
        """Name, path and status."""
        return {"name": self.path.name, "path": str(self.path), "status": self.status}

    @property
    def notes(self) -> list[str]:
        """What keeps the run from being compared in full."""
        found = [f"{self.name}: {text}" for text in dict.fromkeys(self._files.missing)]
        return [*found, f"{self.name} {self._why_no_results}"] if self._why_no_results else found

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """``resolved.yaml``."""
        return self._files.yaml("resolved.yaml")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """``env.json``."""
        found: dict[str, Any] = self._files.json("env.json", dict)
        return found

    @cached_property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Stages of ``plan.json`` by id: key, kind, inputs, and since they are written, parts."""
        plan = self._files.json("plan.json", dict)
        rows = plan.get("stages")
        rows = rows if isinstance(rows, list) else []
        return {
            str(row["id"]): row
            for row in rows
            if isinstance(row, dict) and isinstance(row.get("key"), str) and "id" in row
        }

    @cached_property
    def threads(self) -> list[int]:
        """CPU threads that its stages took when they were made, each number once."""
        if not (self.path / "usage.json").exists():
            return []  # only a run that ended has it
        stages = self._files.json("usage.json", dict).get("stages")
        used = stages.values() if isinstance(stages, dict) else ()
        threads = {s.get("threads") for s in used if isinstance(s, dict)}
        return sorted(n for n in threads if isinstance(n, int))

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """``results.json``; empty, with a note, unless it is whole and of the schema of today."""
        if not (self.path / "results.json").exists():
            self._why_no_results = f"has no results (status: {self.status})"
            return {}
        found: dict[str, Any] = self._files.json("results.json", dict)
        schema = found.get("schema")
        if found and schema != SCHEMA:
            named = "an unknown schema" if schema is None else f"schema {schema}"
            self._why_no_results = f"has results of {named}; this version reads schema {SCHEMA}"
            return {}
        if found and not _whole(found):
            self._why_no_results = "has damaged results"
            return {}
        return found

    @cached_property
    def predictions(self) -> list[dict[str, Any]]:
        """The index of prediction tables."""
        if not self.results:
            return []
        rows = self._files.json("predictions/index.json", list)
        return [row for row in rows if isinstance(row, dict) and row.keys() >= _INDEX]


_INDEX = {"axes", "phase", "role", "split", "seed", "file"}
_SUMMARY = {"group", "phase", "role", "split", "evaluator", "metric", "value"}


def _whole(results: Mapping[str, Any]) -> bool:
    """Whether the parts that are compared are there, as the schema has them."""
    summary, task = results.get("summary"), results.get("task")
    if not isinstance(summary, list) or not isinstance(task, dict):
        return False
    return all(
        isinstance(row, dict) and row.keys() >= _SUMMARY and isinstance(row["group"], dict)
        for row in summary
    )
