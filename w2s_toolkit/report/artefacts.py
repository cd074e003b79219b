"""The artefacts that a run directory links to: what each stage was, took and left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from w2s_toolkit.store import MANIFEST


class Artefact(NamedTuple):
    """One stage's: its id, key, folder, kind, component, inputs by slot (keys), and manifest."""

    id: str
    key: str
    folder: Path
    kind: str
    component: str
    inputs: Mapping[str, str]
    manifest: Mapping[str, Any]


class Artefacts:
    """All artefacts of a run, by id and by key.

    Links whose artefact is gone (the store was cleaned, or the folder was copied elsewhere) are
    counted in ``gone``; the report is then built without them.

    Args:
        run: the run directory.
    """

    def __init__(self, run: Path) -> None:
        self._root = run / "stages"
        self.gone = 0

    @cached_property
    def by_id(self) -> dict[str, Artefact]:
        """Artefacts by stage id, in alphabetical order."""
        found = {}
        for link in sorted(self._links()):
            name = link.relative_to(self._root).as_posix()
            if (made := _read(name, link)) is None:
                self.gone += 1
            else:
                found[name] = made
        return found

    @cached_property
    def by_key(self) -> dict[str, Artefact]:
        """The same by key; of several stages with one key, the first."""
        out: dict[str, Artefact] = {}
        for made in self.by_id.values():
            out.setdefault(made.key, made)
        return out

    def _links(self) -> Iterator[Path]:
        """Ends of the tree: links, or folders with a manifest where a copy has no links."""
        for folder, names, files in os.walk(self._root):
            if MANIFEST in files:
                names.clear()
                yield Path(folder)
                continue
            links = [name for name in names if Path(folder, name).is_symlink()]
            links += [name for name in files if Path(folder, name).is_symlink()]  # broken ones
            yield from (Path(folder, name) for name in links)


def _read(name: str, link: Path) -> Artefact | None:
    try:
        manifest = json.loads((link / MANIFEST).read_text(encoding="utf-8"))
        parts = manifest.get("parts") or {}
        return Artefact(
            name,
            str(manifest["key"]),
            link.resolve(),
            str(manifest.get("kind") or ""),
            "/".join(part for part in manifest.get("component") or () if part),
            dict(parts.get("inputs") or {}),
            manifest,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
