"""Whether the store is whole, who is at work in it, and what could go."""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from w2s_toolkit.doctor.examine import checked
from w2s_toolkit.doctor.objects import Scan, scan
from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.report.wording import count, size
from w2s_toolkit.store import Store

SHOWN = 5
"""Findings of one sort that are listed; the rest is counted."""

_OWNER = re.compile(r"process (\d{1,9}) on (\S+)")


def store_health(
    root: Path, *, deep: bool = False, track: Callable[[Any], Any] | None = None
) -> Iterator[Finding]:
    """Findings on the objects, leftovers and locks of a store."""
    if not root.exists():
        yield Finding("store", "ok", f"{root} does not exist yet; the first run makes it")
        return
    option = f"--store {shlex.quote(str(root))}"
    found = scan(root, deep=deep, track=track)
    yield from _damage(found)
    yield from checked(lambda: _objects(root, found, option, deep=deep))
    yield from checked(lambda: _leftovers(root, option))
    yield from checked(lambda: _locks(root))


def few(findings: list[Finding]) -> Iterator[Finding]:
    """The first findings of a sort, and one that counts the rest."""
    yield from findings[:SHOWN]
    if len(findings) > SHOWN:
        last = findings[-1]
        message = f"{len(findings) - SHOWN} more like these"
        yield Finding(last.name, last.status, message, "as above")


def _damage(found: Scan) -> Iterator[Finding]:
    again = "the next run of its recipe makes it again"
    damaged = [
        Finding(
            "damaged object",
            "fail",
            f"{path.name[:12]}: {problem}",
            f"rm -r {shlex.quote(str(path))} ({again})",
        )
        for path, problem in found.damaged
    ]
    unreadable = [
        Finding("unreadable", "fail", f"{path}: {problem}", f"ls -ld {shlex.quote(str(path))}")
        for path, problem in found.unreadable
    ]
    yield from few(damaged)
    yield from few(unreadable)


def _objects(root: Path, found: Scan, option: str, *, deep: bool) -> Iterator[Finding]:
    how = "all files have the content they were written with" if deep else "sizes are right"
    said = f"{count(len(found.sizes), 'whole object')}, {size(sum(found.sizes.values()))} in {root}"
    yield Finding("objects", "ok", f"{said}: {how}")
    used, problems = _used(root)
    yield from problems
    free = [key for key in found.sizes if key not in used]
    if free:
        room = size(sum(found.sizes[key] for key in free))
        message = f"{count(len(free), 'object')} ({room}) belong to no existing run"
        yield Finding("unused objects", "ok", message, f"w2s cache gc {option} deletes them")
    if found.headless:
        message = (
            f"{count(len(found.headless), 'folder')} without a manifest: a deletion was cut off"
        )
        yield Finding("unfinished deletion", "warn", message, f"w2s cache gc {option}")


def _used(root: Path) -> tuple[set[str], list[Finding]]:
    """Keys that existing runs planned. :meth:`Store.runs` would forget runs that are not there."""
    used: set[str] = set()
    problems = []
    for entry in sorted((root / "runs").glob("*")):
        run = Path(entry.read_text(encoding="utf-8", errors="surrogateescape"))
        try:
            stages = json.loads((run / "plan.json").read_text(encoding="utf-8"))["stages"]
            for stage in stages:
                used.update(Store(root).kept_with(str(stage["key"])))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            message = f"{run / 'plan.json'} cannot be read, so cleaning would delete what it uses"
            step = (
                f"mend it before 'w2s cache gc', or give the run up: rm -r {shlex.quote(str(run))}"
            )
            problems.append(Finding("run in use", "fail", message, step))
    return used, problems


_KINDS = {
    "tmp": "workspaces of stages",
    "scratch": "checkpoints of stages that have not finished; the next run goes on from them",
    "damaged": "damaged objects that were set aside",
}


def _leftovers(root: Path, option: str) -> Iterator[Finding]:
    old = set(Store(root).leftovers())
    for folder, what in _KINDS.items():
        paths = list((root / folder).glob("*"))
        if not paths:
            continue
        said = f"{len(paths)} {what} ({size(sum(map(_bytes, paths)))})"
        idle = sum(path in old or path.absolute() in old for path in paths)
        if idle:
            message = f"{said}, {idle} untouched for an hour"
            yield Finding(folder, "warn", message, f"w2s cache gc {option} deletes those")
        else:
            yield Finding(folder, "ok", f"{said}, changed within the last hour")


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if not p.is_symlink()]
    return sum(p.stat().st_size for p in files if p.is_file())


def _locks(root: Path) -> Iterator[Finding]:
    """Owners of locks. The locks themselves are freed by the system when their holder dies."""
    import psutil

    stale, held = [], []
    for owner in sorted((root / "locks").glob("*.owner")):
        said = owner.read_text(encoding="utf-8", errors="replace")[:200] if owner.is_file() else ""
        match = _OWNER.match(said)
        if not match or (match[2] == socket.gethostname() and not psutil.pid_exists(int(match[1]))):
            stale.append(owner)
        else:
            held.append(f"{owner.name[:12]} by {said.strip()}")
    if held:
        yield Finding("locks", "ok", f"being made now: {', '.join(held)}")
    if stale:
        names = " ".join(shlex.quote(str(p)) for p in stale[:SHOWN])
        more = f" (and {len(stale) - SHOWN} more)" if len(stale) > SHOWN else ""
        message = f"{count(len(stale), 'note')} of lock holders that died; the locks are free"
        yield Finding("locks", "warn", message, f"rm {names}{more}")
