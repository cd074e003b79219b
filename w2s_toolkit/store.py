"""Content-addressed artefacts on a POSIX file system.

An object is a folder ``objects/ab/<key>`` whose ``manifest.json`` lists every file with its hash.
It is written beside its place, synced, and renamed into it, manifest last: what is there is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from w2s_toolkit.errors import StoreError, is_disk_full

MANIFEST = "manifest.json"
THREADS = "threads"
"""File of a scratch folder that says how many threads the stage was begun with."""


@dataclass(frozen=True)
class Object:
    """A committed artefact: its folder and manifest."""

    key: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(int(f["size"]) for f in self.manifest["files"].values())


class KeyLock:
    """A key of the store, held until :meth:`release`."""

    def __init__(self, lock: FileLock, owner: Path) -> None:
        self._lock, self._owner = lock, owner

    def release(self) -> None:
        """Let others have the key."""
        with contextlib.suppress(OSError):
            self._owner.unlink()
        self._lock.release()


class Store:
    """Objects by key.

    Args:
        root: folder of the store; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._verified: set[str] = set()

    def prepare(self) -> None:
        """Make the store's folder, so that a place that cannot be written is found out first.

        Raises:
            StoreError: it cannot be made or written.
        """
        with _explained(self.root):
            (self.root / "tmp").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / "tmp"):
                pass

    def folder(self, key: str) -> Path:
        """Where an object lies, whether or not it exists."""
        return self.root / "objects" / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether an object was committed."""
        return (self.folder(key) / MANIFEST).is_file()

    def get(self, key: str, *, verify: bool = True) -> Object | None:
        """An object, or None when there is none. With ``verify`` its files are hashed, once a process.

        A damaged object is moved to ``damaged/`` and counts as missing, so that it is made anew.
        """
        folder = self.folder(key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files = dict(manifest["files"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self._set_aside(key)
            return None
        if verify and key not in self._verified:
            if not _intact(folder, files):
                self._set_aside(key)
                return None
            self._verified.add(key)
        return Object(key, folder, manifest)

    def open(self, key: str) -> Object:
        """An object that must be there.

        Raises:
            StoreError: it is missing or damaged.
        """
        found = self.get(key)
        if found is None:
            raise StoreError(
                f"object {key[:12]} is missing or was damaged",
                where=str(self.root),
                next_step="run the recipe again: it is made anew",
            )
        return found

    def workspace(self, key: str) -> Path:
        """A new private folder for what an object will hold."""
        path = self.root / "tmp" / f"{key[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        with _explained(self.root):
            path.mkdir(parents=True)
        return path

    def scratch(self, key: str, threads: int) -> Path:
        """A private folder that survives a kill: checkpoints. It goes when the object is committed."""
        path = self.root / "scratch" / key
        with _explained(self.root):
            path.mkdir(parents=True, exist_ok=True)
            (path / THREADS).write_text(str(threads))
        return path

    def commit(self, key: str, workspace: Path, manifest: Mapping[str, Any]) -> Object:
        """Turn a workspace into the object. If it exists already, the workspace is dropped."""
        with _explained(self.root):
            files = {}
            for path in sorted(p for p in workspace.rglob("*") if p.is_file()):
                files[path.relative_to(workspace).as_posix()] = _hash_and_sync(path)
            full = {**manifest, "key": key, "files": files}
            with (workspace / MANIFEST).open("w", encoding="utf-8") as file:
                json.dump(full, file, sort_keys=True, indent=1)
                file.flush()
                os.fsync(file.fileno())
            for folder in {p.parent for p in workspace.rglob("*")}:
                _sync_folder(folder)
            target = self.folder(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.has(key):
                shutil.rmtree(workspace)
            else:
                if target.exists():  # a rename that a crash of the machine left half done
                    shutil.rmtree(target)
                workspace.rename(target)
                _sync_folder(target.parent)
            shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)
        self._verified.add(key)
        return Object(key, target, full)

    def discard(self, workspace: Path) -> None:
        """Remove a workspace that will not be committed."""
        shutil.rmtree(workspace, ignore_errors=True)

    def try_lock(self, key: str) -> KeyLock | None:
        """Take a key: one process at a time makes an object. None while another one holds it.

        A dead holder's lock is free at once.
        """
        folder = self.root / "locks"
        with _explained(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{key}.lock", thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return None
        owner = folder / f"{key}.owner"
        with contextlib.suppress(OSError):
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        return KeyLock(lock, owner)

    @contextlib.contextmanager
    def lock(self, key: str, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold a key, waiting for it if need be.

        ``on_wait`` is called with the holder's description when the lock is taken.
        """
        held = self.try_lock(key)
        if held is None and on_wait:
            on_wait(self.holder(key))
        while held is None:
            time.sleep(0.05)
            held = self.try_lock(key)
        try:
            yield
        finally:
            held.release()

    def holder(self, key: str) -> str:
        """Who holds a key, as far as is known."""
        return _text(self.root / "locks" / f"{key}.owner") or "another run"

    def begun_with(self, key: str) -> int | None:
        """CPU threads with which an interrupted stage was begun; None if none was."""
        text = _text(self.root / "scratch" / key / THREADS)
        return int(text) if text.isdigit() else None

    def objects(self) -> Iterator[Object]:
        """All objects, unverified, in no order."""
        for path in sorted(self.root.glob("objects/*/*")):
            found = self.get(path.name, verify=False)
            if found:
                yield found

    def kept_with(self, key: str) -> list[str]:
        """An object's key and those of what it was built from and needs: an ensemble's members."""
        found = self.get(key, verify=False)
        return [key, *(found.manifest.get("members", ()) if found else ())]

    def remove(self, key: str) -> None:
        """Delete an object: its manifest first, so that a crash never leaves a half-empty one."""
        folder = self.folder(key)
        with _explained(self.root):
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def add_run(self, folder: Path) -> None:
        """Remember a run directory: as long as it exists, cleaning keeps what it planned."""
        path = folder.absolute()
        name = hashlib.sha256(str(path).encode()).hexdigest()[:24]
        with _explained(self.root):
            (self.root / "runs").mkdir(parents=True, exist_ok=True)
            (self.root / "runs" / name).write_text(str(path), encoding="utf-8")

    def runs(self) -> list[Path]:
        """Run directories that used this store and still exist; others are forgotten."""
        found = []
        for entry in sorted(self.root.glob("runs/*")):
            folder = Path(_text(entry))
            if (folder / "plan.json").exists():
                found.append(folder)
            else:
                entry.unlink(missing_ok=True)
        return found

    def leftovers(self, older_than: float = 3600.0) -> list[Path]:
        """Workspaces, scratch folders and damaged objects untouched for ``older_than`` seconds.

        An object without a manifest is one whose deletion was interrupted.
        """
        limit = time.time() - older_than
        paths = [p for name in ("tmp", "scratch", "damaged") for p in self.root.glob(f"{name}/*")]
        paths += [p for p in self.root.glob("objects/*/*") if not os.path.lexists(p / MANIFEST)]
        return [p for p in paths if _last_change(p) < limit]

    def _set_aside(self, key: str) -> None:
        target = self.root / "damaged" / f"{key}-{uuid.uuid4().hex[:8]}"
        with _explained(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.folder(key).rename(target)


@contextlib.contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = is_disk_full(error)
        mend = "free some space, or choose" if full else "choose"
        raise StoreError(
            f"{'the disk is full: ' if full else ''}the store cannot be written: "
            f"{error.strerror or error}",
            where=str(error.filename or root),
            next_step=f"{mend} another folder with --store, and run again: "
            "finished stages are kept",
        ) from None


def _intact(folder: Path, files: Mapping[str, Any]) -> bool:
    for name, entry in files.items():
        try:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    return False
        except OSError:
            return False
    return True


def _hash_and_sync(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return {"sha256": digest, "size": path.stat().st_size}


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_change(path: Path) -> float:
    times = [p.stat().st_mtime for p in (path, *path.rglob("*")) if p.exists()]
    return max(times, default=0.0)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
