"""Looks at every object of a store without changing anything, unlike :meth:`Store.objects`."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_toolkit.store import MANIFEST


@dataclass
class Scan:
    """What was found under ``objects/``.

    Attributes:
        sizes: bytes of every whole object by key, as its manifest says.
        headless: folders without a manifest.
        damaged: objects that are not what their manifest says, and what is wrong.
        unreadable: paths that cannot be looked at, and why.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    headless: list[Path] = field(default_factory=list)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


def scan(root: Path, *, deep: bool, track: Callable[[Any], Iterable[Path]] | None = None) -> Scan:
    """Look at every object.

    Args:
        root: folder of the store.
        deep: compare digests of files, not only their sizes.
        track: wraps the list of folders, to show progress.
    """
    found = Scan()
    folders = list(_folders(root / "objects", found))
    for folder in track(folders) if track else folders:
        try:
            _look(folder, found, deep=deep)
        except OSError as error:
            found.unreadable.append((folder, error.strerror or str(error)))
    return found


def _folders(objects: Path, found: Scan) -> Iterator[Path]:
    for shelf in _entries(objects, found):
        if shelf.is_dir():
            yield from _entries(shelf, found)
        else:
            found.damaged.append((shelf, "it is no folder of objects"))


def _entries(folder: Path, found: Scan) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        found.unreadable.append((folder, error.strerror or str(error)))
        return []


def _look(folder: Path, found: Scan, *, deep: bool) -> None:
    if not folder.is_dir():
        found.damaged.append((folder, "it is no folder"))
        return
    if not os.path.lexists(folder / MANIFEST):
        found.headless.append(folder)
        return
    problem, size = _problem(folder, deep=deep)
    if problem:
        found.damaged.append((folder, problem))
    else:
        found.sizes[folder.name] = size


def _problem(folder: Path, *, deep: bool) -> tuple[str, int]:
    """What is wrong with an object, empty when nothing is; and its size in bytes."""
    if not _is_file(folder / MANIFEST):
        return f"its {MANIFEST} is no file", 0
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return f"its {MANIFEST} is not JSON", 0
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not all(map(_is_entry, files.values())):
        return f"its {MANIFEST} does not list its files", 0
    if manifest.get("key") != folder.name:
        return f"its {MANIFEST} belongs to another object", 0
    for name, entry in files.items():
        if problem := _difference(folder / name, entry, deep=deep):
            return f"{name} {problem}", 0
    return "", sum(int(e["size"]) for e in files.values())


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("size"), int)
        and isinstance(entry.get("sha256"), str)
    )


def _difference(path: Path, entry: Mapping[str, Any], *, deep: bool) -> str:
    try:
        if not _is_file(path):
            return "is no file"
        size = path.stat().st_size
        if size != entry["size"]:
            return f"has {size} bytes, not {entry['size']}"
        if not deep:
            return ""
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]
        return "" if same else "has other content than was written"
    except FileNotFoundError:
        return "is missing"
    except ValueError:
        return "is no possible file name"


def _is_file(path: Path) -> bool:
    # Anything else (a pipe, a device) could keep a reader waiting for ever.
    return stat.S_ISREG(path.stat().st_mode)
