"""A finished run as pandas frames: ``load_run("runs/…").summary``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.errors import UsageError
from w2s_toolkit.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """One run directory, read lazily.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<Run {self.path.name} ({self.status})>"

    @property
    def status(self) -> str:
        """``running``, ``done``, ``failed``, ``stopped``, ``partial``, or ``killed`` if it just ended."""
        try:
            word = (self.path / "status").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return "unknown"
        return "killed" if word == "running" and self._is_gone() else word

    def _is_gone(self) -> bool:
        """Whether the process that ran it is no more, as far as this machine can tell."""
        import socket

        import psutil

        try:
            with (self.path / "events.jsonl").open(encoding="utf-8") as file:
                start = json.loads(file.readline())
            here = start["host"] == socket.gethostname()
            return bool(here) and not psutil.pid_exists(int(start["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @cached_property
    def raw(self) -> Mapping[str, Any]:
        """``results.json`` as it is.

        Raises:
            UsageError: the run has no results yet.
        """
        try:
            found = json.loads((self.path / "results.json").read_text(encoding="utf-8"))
        except OSError:
            raise UsageError(
                f"the run has no results (status: {self.status})",
                where=str(self.path),
                next_step="run its recipe again: finished stages are kept",
            ) from None
        return found  # type: ignore[no-any-return]

    @cached_property
    def results(self) -> pd.DataFrame:
        """One row a metric and matrix cell: cell, seed, axes, phase, role, split, metric, value, low, high, n."""
        import pandas as pd

        frame = pd.DataFrame(self.raw["rows"])
        for axis in dict.fromkeys(a for c in self.raw["cells"] for a in c["axes"] if a != "seed"):
            frame[axis] = [_plain(self.raw["cells"][c]["axes"].get(axis)) for c in frame["cell"]]
        return frame

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a metric over seeds, with its 95% interval."""
        import pandas as pd

        frame = pd.DataFrame(self.raw["summary"])
        for axis in dict.fromkeys(a for g in frame.get("group", ()) for a in g):
            frame[axis] = [_plain(g.get(axis)) for g in frame["group"]]
        return frame.drop(columns="group", errors="ignore")

    def table(self, name: str, **where: Any) -> pd.DataFrame:
        """An evaluator's table such as ``reliability``; ``where`` filters by phase, role, split …

        Raises:
            UsageError: there is none of that name.
        """
        import pandas as pd

        tables = self.raw["tables"]
        names = {t["table"] for t in tables}
        if name not in names:
            raise UsageError(f"no table is called {name!r}{suggestion(name, names)}")
        frames = []
        for table in tables:
            head = {k: v for k, v in table.items() if k not in ("rows", "group", "seeds")}
            if table["table"] == name and all(head.get(k) == v for k, v in where.items()):
                frames.append(pd.DataFrame(table["rows"]).assign(**head))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def predictions(
        self,
        role: str = "student",
        split: str = "test",
        *,
        phase: str | None = None,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Predictions: id, group, gold, weak, weak_p0 …, predicted, p0 …, with cell, seed and axes beside them.

        Args:
            role: ``weak_floor``, ``supervisor``, ``student`` or ``strong_ceiling``.
            split: a split that the recipe evaluates on.
            phase, seed: only these.

        Raises:
            UsageError: there are none for these arguments.
        """
        import pandas as pd

        try:
            index = json.loads((self.path / "predictions" / "index.json").read_text())
        except OSError:
            raise UsageError("the run has no predictions", where=str(self.path)) from None
        wanted = {"role": role, "split": split, "phase": phase, "seed": seed}
        rows = [r for r in index if all(v is None or r[k] == v for k, v in wanted.items())]
        if not rows:
            have = sorted({f"{r['role']}/{r['split']}" for r in index})
            raise UsageError(
                f"there are no predictions for role {role!r} on split {split!r}",
                where=str(self.path),
                next_step=f"there are: {', '.join(have)}",
            )
        frames = []
        for row in rows:
            frame = pd.read_parquet(self.path / "predictions" / row["file"])
            head = {k: row[k] for k in ("cell", "seed", "phase", "role", "model", "split")}
            axes = {a: _plain(v) for a, v in row["axes"].items() if a != "seed"}
            frames.append(frame.assign(**{**head, **axes}))
        return pd.concat(frames, ignore_index=True)

    def stage(self, name: str) -> Path:
        """Folder of a stage's artefact, by its id as ``w2s plan`` prints it.

        Raises:
            UsageError: no such stage.
        """
        path = self.path / "stages" / name
        if not (path / "manifest.json").exists():
            ids = [s["id"] for s in json.loads((self.path / "plan.json").read_text())["stages"]]
            cells = [i for i in ids if i.startswith(f"{name}[")]  # of a matrix
            hint = f"; did you mean {cells[0]!r}?" if cells else suggestion(name, ids)
            raise UsageError(
                f"the run has no stage {name!r}{hint}",
                where=str(self.path),
                next_step="the run's plan.json lists all of them, 'w2s plan' those of a recipe",
            )
        return path.resolve()


def load_run(run: str | Path, runs: str | Path = "runs") -> Run:
    """Open a run by its directory, its name below ``runs``, a unique beginning of it, or ``last``.

    Raises:
        UsageError: there is no such run, or several.
    """
    path = Path(run)
    if (path / "plan.json").exists():
        return Run(path)
    names = list_runs(Path(runs))
    found = names[-1:] if str(run) == "last" else [n for n in names if n.startswith(str(run))]
    exact = [n for n in names if n == str(run)]
    found = exact or found
    if len(found) == 1:
        return Run(Path(runs) / found[0])
    if found:
        raise UsageError(
            f"{len(found)} runs begin with {str(run)!r}", next_step=f"name one: {', '.join(found)}"
        )
    raise UsageError(
        f"there is no run {str(run)!r}{suggestion(str(run), names)}",
        where=str(runs),
        next_step="'w2s runs ls' lists them",
    )


def list_runs(runs: Path) -> list[str]:
    """Names of the runs in a folder, oldest first."""
    if not runs.is_dir():
        return []
    found = [p for p in runs.iterdir() if (p / "plan.json").exists()]
    return [p.name for p in sorted(found, key=lambda p: (_started(p), p.name))]


def _started(path: Path) -> float:
    for name in ("recipe.yaml", "plan.json"):  # neither changes once the run has begun
        try:
            return (path / name).stat().st_mtime_ns
        except OSError:
            continue
    return 0.0


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
