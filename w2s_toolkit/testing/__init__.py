"""Contract tests for components: subclass one, name the component, and run pytest.

::

    from w2s_toolkit.testing import SupervisorContract

    class TestMySupervisor(SupervisorContract):
        use = "mine"
        config = {"strength": 0.7}

See ``docs/plugins.md``. Needs pytest: ``pip install "w2s-toolkit[test]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s_toolkit.errors import MissingDependencyError

if TYPE_CHECKING:
    from w2s_toolkit.testing.ensemblers import EnsemblerContract
    from w2s_toolkit.testing.evaluators import EvaluatorContract
    from w2s_toolkit.testing.executors import ExecutorContract
    from w2s_toolkit.testing.made_up import tiny_context, tiny_dataset, tiny_labels
    from w2s_toolkit.testing.models import ModelContract
    from w2s_toolkit.testing.oversight import OversightContract
    from w2s_toolkit.testing.refiners import RefinerContract
    from w2s_toolkit.testing.students import StudentContract
    from w2s_toolkit.testing.supervisors import SupervisorContract
    from w2s_toolkit.testing.tasks import TaskContract

__all__ = [
    "EnsemblerContract",
    "EvaluatorContract",
    "ExecutorContract",
    "ModelContract",
    "OversightContract",
    "RefinerContract",
    "StudentContract",
    "SupervisorContract",
    "TaskContract",
    "tiny_context",
    "tiny_dataset",
    "tiny_labels",
]

_HOMES = {
    "EnsemblerContract": "ensemblers",
    "EvaluatorContract": "evaluators",
    "ExecutorContract": "executors",
    "ModelContract": "models",
    "OversightContract": "oversight",
    "RefinerContract": "refiners",
    "StudentContract": "students",
    "SupervisorContract": "supervisors",
    "TaskContract": "tasks",
    "tiny_context": "made_up",
    "tiny_dataset": "made_up",
    "tiny_labels": "made_up",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: the stand-ins of this package must stay light."""
    if name in _HOMES:
        from importlib import import_module

        try:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        except ModuleNotFoundError as error:
            if error.name != "pytest":
                raise
            raise MissingDependencyError(
                "contract tests need pytest, which is not installed",
                next_step='pip install "w2s-toolkit[test]"',
            ) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
