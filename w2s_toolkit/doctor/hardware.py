"""Processors, memory and disks, as a run would meet them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.report.wording import size
from w2s_toolkit.threads import allowed_cpus, cpu_quota, default_threads

LITTLE_MEMORY = 2e9
LITTLE_DISK, NO_DISK = 5e9, 1e8
FEW_INODES = 10_000


def hardware(store: Path, runs: Path) -> Iterator[Finding]:
    """Findings on CPUs, threads, memory, and the disks of the store and of the runs."""
    usable = allowed_cpus()
    yield _cpus(usable)
    yield _threads(usable)
    yield _memory()
    yield from disk("the store", store, "--store")
    yield from disk("the runs", runs, "--runs")


def disk(what: str, folder: Path, option: str) -> Iterator[Finding]:
    """Whether a folder, or the one it would be made in, has room and can be written."""
    name, elsewhere = f"disk of {what}", f"choose another folder with {option}"
    place = _existing(folder)
    try:
        free = shutil.disk_usage(place).free
        inodes = os.statvfs(place)
    except OSError as error:
        yield Finding(name, "fail", f"{folder} cannot be looked at: {error.strerror}", elsewhere)
        return
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(name, "fail", f"{place} cannot be written: {error.strerror}", elsewhere)
        return
    said = f"{size(free)} free where {folder} lies"
    if free < NO_DISK:
        yield Finding(name, "fail", said, f"free some space (w2s cache gc), or {elsewhere}")
    elif free < LITTLE_DISK:
        yield Finding(name, "warn", said, f"free some space (w2s cache gc), or {elsewhere}")
    elif inodes.f_files > 0 and inodes.f_favail < FEW_INODES:
        yield Finding(name, "warn", f"{said}, but only {inodes.f_favail} more files", elsewhere)
    else:
        yield Finding(name, "ok", said)


def _existing(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    path = folder.absolute()
    while not os.path.lexists(path) and path != path.parent:  # exists() fails on a broken link
        path = path.parent
    return path


def _cpus(usable: int) -> Finding:
    cores = psutil.cpu_count(logical=False)
    said = f"{usable} of {os.cpu_count()} usable" + (f", {cores} physical cores" if cores else "")
    quota = cpu_quota()
    if quota is not None and quota < usable:
        step = f"--threads {max(1, int(quota))}, or export OMP_NUM_THREADS={max(1, int(quota))}"
        return Finding(
            "cpus", "warn", f"{said}, but the container may only use the time of {quota:g}", step
        )
    return Finding("cpus", "ok", said)


def _threads(usable: int) -> Finding:
    threads, asked = default_threads(), os.environ.get("OMP_NUM_THREADS")
    if asked is None:
        return Finding("threads", "ok", f"{threads} in all, one for each usable CPU")
    if asked != str(threads):
        message = f"OMP_NUM_THREADS={asked} is no whole number, so a run takes {threads}"
        return Finding("threads", "warn", message, f"export OMP_NUM_THREADS={usable}")
    if threads > usable:
        message = f"{threads} in all by OMP_NUM_THREADS, but only {usable} CPUs: they get in each other's way"
        return Finding("threads", "warn", message, f"export OMP_NUM_THREADS={usable}")
    return Finding("threads", "ok", f"{threads} in all by OMP_NUM_THREADS")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    said = f"{size(free)} of {size(total)} available"
    limit = _memory_limit()
    if limit is not None and limit < total:
        said += f", at most {size(limit)} in this container"
        free = min(free, limit)
    if free < LITTLE_MEMORY:
        step = "end other programs, or take smaller models and batches"
        return Finding("memory", "warn", said, step)
    return Finding("memory", "ok", said)


def _memory_limit() -> int | None:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return None
