"""The built-in executors."""

from __future__ import annotations

from w2s_toolkit.testing import ExecutorContract


class TestInProcess(ExecutorContract):
    use = "inprocess"


class TestSubprocess(ExecutorContract):
    use = "subprocess"


class TestWorkers(ExecutorContract):
    use = "workers"
