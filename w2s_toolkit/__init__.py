"""Weak-to-strong generalization and scalable oversight: a small core, and plugins for the rest.

``from w2s_toolkit import load_run`` opens a finished run as pandas frames.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__all__ = ["Component", "Finding", "RecipeFile", "Run", "__version__", "hookimpl", "load_run"]

_HOMES = {
    "Component": "w2s_toolkit.hookspecs",
    "Finding": "w2s_toolkit.hookspecs",
    "RecipeFile": "w2s_toolkit.hookspecs",
    "hookimpl": "w2s_toolkit.hookspecs",
    "Run": "w2s_toolkit.loading",
    "load_run": "w2s_toolkit.loading",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are asked for: the command line must start fast."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
