"""Runs that ended badly or lost their artefacts."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_toolkit.doctor.examine import reason_of
from w2s_toolkit.doctor.store import few
from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.loading import Run
from w2s_toolkit.report.wording import count


@dataclass(frozen=True)
class _Seen:
    """A run directory: its status, the keys it planned, links to stages, those that lead nowhere."""

    path: Path
    status: str
    keys: frozenset[str]
    links: int
    gone: int


def runs_health(store: Path, runs: Path) -> Iterator[Finding]:
    """Findings on a folder of run directories."""
    if not runs.exists():
        yield Finding("runs", "ok", f"{runs} does not exist yet; the first run makes it")
        return
    seen: list[_Seen] = []
    broken: list[Finding] = []
    for path in sorted(runs.iterdir()):
        if not _is_run(path):
            continue
        try:
            seen.append(_look(path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = f"{path.name} cannot be read: {reason_of(error)}"
            step = f"run its recipe again, then rm -r {shlex.quote(str(path))}"
            broken.append(Finding("broken run", "fail", message, step))
    statuses = Counter(s.status for s in seen)
    said = ", ".join(f"{n} {word}" for word, n in sorted(statuses.items()))
    yield Finding("runs", "ok", f"{count(len(seen), 'run')} in {runs}{': ' if said else ''}{said}")
    yield from few(broken)
    finished = [s.keys for s in seen if s.status == "done"]
    options = f"--store {shlex.quote(str(store))} --runs {shlex.quote(str(runs))}"
    killed = [s for s in seen if s.status == "killed" and s.keys not in finished]
    yield from few([_killed(s, options) for s in killed])
    yield from few([f for s in seen if s.status == "done" for f in _done(s, options)])


def _is_run(path: Path) -> bool:
    return any(os.path.lexists(path / name) for name in ("plan.json", "events.jsonl"))


def _look(path: Path) -> _Seen:
    status = Run(path).status
    if not os.path.lexists(path / "plan.json"):
        return _Seen(path, status if status != "unknown" else "killed", frozenset(), 0, 0)
    stages = _json(path / "plan.json")["stages"]
    links = [Path(at, n) for at, dirs, files in os.walk(path / "stages") for n in (*dirs, *files)]
    links = [link for link in links if link.is_symlink()]
    gone = sum(not link.exists() for link in links)
    return _Seen(path, status, frozenset(str(s["key"]) for s in stages), len(links), gone)


def _killed(run: _Seen, options: str) -> Finding:
    message = f"{run.path.name} was killed; its finished stages are kept"
    return Finding("killed run", "warn", message, _again(run, options))


def _done(run: _Seen, options: str) -> Iterator[Finding]:
    try:
        _json(run.path / "results.json")["rows"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{run.path.name} is done, but its results cannot be read: {reason_of(error)}"
        yield Finding("lost results", "fail", message, _again(run, options))
    if run.gone:
        message = f"{run.gone} of {run.links} stages of {run.path.name} are gone from the store"
        step = f"only if they are needed: {_again(run, options)}"
        yield Finding("stages gone", "warn", message, step)


def _again(run: _Seen, options: str) -> str:
    """The command that makes again what a run lacks."""
    recipe = run.path / "resolved.yaml"
    if not recipe.is_file():
        return f"run its recipe again, then rm -r {shlex.quote(str(run.path))}"
    return f"w2s run {shlex.quote(str(recipe))} {options}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
