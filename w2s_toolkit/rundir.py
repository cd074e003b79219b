"""The run directory: what was asked, what was planned, what happened, what came out."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.calls.scrub import Scrubber
from w2s_toolkit.errors import OutputError, UsageError, is_disk_full
from w2s_toolkit.whole import write_whole


class RunDir:
    """Writes one run's directory.

    Args:
        path: an existing folder.
        scrub: takes secrets out of everything that is written here.
    """

    def __init__(self, path: Path, scrub: Scrubber | None = None) -> None:
        self.path = path
        self._scrub = scrub or Scrubber()
        self._lock = threading.Lock()
        # Unbuffered: a line that found no room must not be tried again when the file is closed.
        with self.explained():
            self._events = (path / "events.jsonl").open("ab", buffering=0)

    @classmethod
    def create(cls, runs: Path, name: str, key: str, scrub: Scrubber | None = None) -> RunDir:
        """Make ``<name>-<utc>-<key8>`` below ``runs``.

        Raises:
            UsageError: the folder cannot be written.
        """
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for attempt in range(1000):
            suffix = f"-{attempt + 1}" if attempt else ""
            path = runs / f"{name}-{now}-{key[:8]}{suffix}"
            try:
                runs.mkdir(parents=True, exist_ok=True)
                path.mkdir()
            except FileExistsError:
                if runs.is_dir():
                    continue
                raise UsageError(
                    "this is not a folder",
                    where=str(runs),
                    next_step="choose another folder with --runs",
                ) from None
            except OSError as error:
                raise UsageError(
                    f"the run directory cannot be made: {error.strerror}",
                    where=str(path),
                    next_step="choose another folder with --runs",
                ) from None
            return cls(path, scrub)
        raise UsageError("too many runs in one second", where=str(runs), next_step="run it again")

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Inside, errors of the system become errors that name the run directory.

        Raises:
            OutputError: something could not be written.
        """
        try:
            yield
        except OSError as error:
            full = is_disk_full(error)
            mend = "free some space, or choose" if full else "choose"
            raise OutputError(
                f"{'the disk is full: ' if full else ''}the run directory cannot be written: "
                f"{error.strerror or error}",
                where=str(error.filename2 or error.filename or self.path),
                next_step=f"{mend} another folder with --runs, and run again: "
                "finished stages are kept",
            ) from error

    def write_text(self, name: str, text: str) -> Path:
        """Write a file whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        target = self.path / name
        with self.explained():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, self._scrub(text).encode("utf-8", "backslashreplace"))
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file whole or not at all."""
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        return self.write_text(name, text + "\n")

    def event(self, event: Mapping[str, Any]) -> None:
        """Append to ``events.jsonl``.

        Raises:
            OutputError: it cannot be written.
        """
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = self._scrub(json.dumps({"time": now, **event}, ensure_ascii=False)) + "\n"
        with self._lock, self.explained():
            self._events.write(line.encode("utf-8", "backslashreplace"))

    def status(self, word: str) -> None:
        """``running``, ``done``, ``failed``, ``stopped`` or ``partial``."""
        self.write_text("status", word + "\n")

    def link_stages(self, artefacts: Mapping[str, Path]) -> None:
        """``stages/<id>`` -> the stage's artefact in the store."""
        for name, folder in artefacts.items():
            link = self.path / "stages" / name
            with self.explained(), contextlib.suppress(FileExistsError):
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(os.path.relpath(folder, link.parent))

    def close(self) -> None:
        """Close the event log."""
        self._events.close()


def environment(plugins: Iterable[Any]) -> dict[str, Any]:
    """Packages, plugins, git revision and hardware, for ``env.json``."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": _packages(),
        "plugins": [p._asdict() for p in plugins],
        "git": _git_revision(),
        "argv": sys.argv[1:],
    }


def _packages() -> dict[str, str]:
    """Installed packages by the names of their metadata folders; reading each would take longer."""
    found: dict[str, str] = {}
    for entry in reversed([p for p in sys.path if p]):
        for info in Path(entry).glob("*.dist-info"):
            name, _, version = info.stem.rpartition("-")
            found[name.replace("_", "-").lower()] = version
    return dict(sorted(found.items()))


def _git_revision() -> str | None:
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None
