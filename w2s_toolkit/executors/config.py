"""Config of the executors on this machine."""

from __future__ import annotations

from w2s_toolkit.config import ComponentConfig


class ExecutorConfig(ComponentConfig):
    """Nothing to set: an executor never changes a result."""
