"""What a figure was measured on: processor, memory, versions."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = ("numpy", "pyarrow", "pandas", "torch", "transformers")


def describe() -> str:
    """Two lines: processor, cores, memory and system; then Python and the packages that count."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    machine = (
        f"{_processor()}, {psutil.cpu_count(logical=False) or '?'} cores "
        f"({usable} usable processors), {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    )
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    return f"{machine}\nPython {sys.version.split()[0]}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
