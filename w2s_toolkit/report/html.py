"""A run's ``report.html``."""

from __future__ import annotations

from pathlib import Path


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run directory and return its path."""
    target = run / "report.html"
    return target
