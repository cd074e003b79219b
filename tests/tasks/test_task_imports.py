from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pyarrow", "pandas", "datasets", "huggingface_hub", "torch")


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("w2s_tasks.plugin", (*HEAVY, "pydantic")),
        ("w2s_metrics.plugin", (*HEAVY, "pydantic")),
        ("w2s_tasks.config", HEAVY),
        ("w2s_metrics.config", HEAVY),
    ],
)
def test_light_modules_import_nothing_heavy(module, banned):
    code = f"import sys, {module}; print([m for m in {banned!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_components_resolve_to_their_classes():
    from importlib import import_module

    from w2s_metrics.plugin import w2s_evaluators
    from w2s_tasks.plugin import w2s_tasks
    from w2s_toolkit.contracts import Evaluator, SeedAggregator, Task

    for component in [*w2s_tasks(), *w2s_evaluators()]:
        target, config = (
            getattr(import_module(path.split(":")[0]), path.split(":")[1])
            for path in (component.target, component.config)
        )
        task = component.target.startswith("w2s_tasks")
        keys = {"template": "{a}", "choices": ("a", "b")} if component.name == "table" else {}
        made = target(config(**keys))
        assert isinstance(made, Task) if task else isinstance(made, Evaluator)
        assert task or isinstance(made, SeedAggregator)
