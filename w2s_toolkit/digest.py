"""Canonical JSON, hashes, and content digests of files and folders."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from w2s_toolkit.errors import DataError
from w2s_toolkit.whole import write_whole


def canonical(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def hash_of(value: Any) -> str:
    """sha256 of the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def stage_seed(recipe_seed: int, kind: str, role: str, member: int = 0, round: int = 0) -> int:
    """A 31-bit seed that differs between recipe seeds, stage kinds, roles, members and rounds."""
    return int(hash_of([recipe_seed, kind, role, member, round])[:8], 16) & 0x7FFFFFFF


class Digests:
    """Content digests, remembered by size, times and inode so that large files are read once.

    Args:
        memory: JSON file to keep them in between runs; None keeps them in this process only.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, list[Any]] = _read(memory)
        self._changed = False

    def __call__(self, path: str) -> str:
        """Digest of a file, or of a folder's relative names and files (hidden ones left out).

        Raises:
            DataError: nothing is there or it cannot be read.
        """
        target = Path(path)
        try:
            if target.is_dir():
                return self._folder(target)
            return self._file(target)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
            raise DataError(
                f"cannot be read: {getattr(error, 'strerror', None) or error}",
                where=path,
                next_step="check the path and its permissions",
            ) from None

    def save(self) -> None:
        """Write what was learnt; a failure costs only time."""
        if self._memory is None or not self._changed:
            return
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._memory, json.dumps(self._known).encode())

    def _folder(self, folder: Path) -> str:
        files = sorted(
            p
            for p in folder.rglob("*")
            if p.is_file() and not any(s.startswith(".") for s in p.relative_to(folder).parts)
        )
        return hash_of([[p.relative_to(folder).as_posix(), self._file(p)] for p in files])

    def _file(self, path: Path) -> str:
        real = path.resolve()
        found = real.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device may never come to an end
            raise OSError(errno.EINVAL, "this is no regular file", str(path))
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        known = self._known.get(str(real))
        if known and known[:4] == stamp:
            return str(known[4])
        with real.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[str(real)] = [*stamp, digest]
        self._changed = True
        return digest


def _read(memory: Path | None) -> dict[str, list[Any]]:
    if memory is None or not memory.exists():
        return {}
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
