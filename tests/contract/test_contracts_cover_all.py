"""Every component of this distribution and of the toy plugin is under its contract."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from w2s_toolkit import testing
from w2s_toolkit.hookspecs import KINDS
from w2s_toolkit.registry import Registry
from w2s_toolkit.testing.component import ComponentContract

HERE = Path(__file__).parent
CORE = Path(testing.__file__).parents[1]


def _tested() -> set[tuple[str, str]]:
    """Kind and name of each component that a test class here names."""
    found = set()
    for path in HERE.glob("test_contract_*.py"):
        module = importlib.import_module(path.stem)
        for name, thing in vars(module).items():
            if name.startswith("Test") and issubclass(thing, ComponentContract):
                found.add((thing.kind, thing.use))
    return found


def test_every_built_in_component_has_a_contract_test() -> None:
    registry = Registry()
    ours = {"w2s-toolkit", "toy-w2s"}
    offered = {
        (r.kind, r.component.name) for r in registry.components() if r.plugin.distribution in ours
    }
    assert len(offered) > 15
    assert offered - _tested() == set(), "subclass the contract of its kind in tests/contract"


def test_every_kind_has_a_contract() -> None:
    kinds = {getattr(testing, n).kind for n in testing.__all__ if n.endswith("Contract")}
    assert kinds == set(KINDS)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def test_nothing_imports_the_tests_at_run_time() -> None:
    for path in CORE.rglob("*.py"):
        if "testing" not in path.parts:
            assert not [m for m in _imported(path) if m.startswith("w2s_toolkit.testing")], path
            assert not [m for m in _imported(path) if m.split(".")[0] == "pytest"], path


def test_heavy_imports_of_a_plugin_are_found_with_their_line() -> None:
    code = (
        "import sys\n"
        f"sys.path[:0] = [{str(HERE / 'heavy_plugin')!r}]\n"
        "from pathlib import Path\n"
        "from w2s_toolkit.testing import OversightContract\n"
        "from w2s_toolkit.testing.bench import Bench\n"
        "class TestHeavy(OversightContract):\n"
        "    use = 'heavy'\n"
        "Path('b').mkdir()\n"
        "bench = Bench(Path('b').resolve(), 'oversight', 'heavy', {}, {})\n"
        "TestHeavy().test_nothing_heavy_is_imported_before_it_runs(bench)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "ray is imported at registration, by" in done.stderr
    assert "plugin.py:1\n" in done.stderr


def test_without_pytest_the_names_are_there_when_asked_for() -> None:
    code = (
        "import sys, w2s_toolkit.testing as t\n"
        "from w2s_toolkit.testing.standins import registry_with_standins as r\n"
        "assert 'standin_task' in r().names('tasks')\n"
        "bad = [m for m in ('pytest', 'numpy') if m in sys.modules]\n"
        "assert not bad, bad\n"
        "t.SupervisorContract\n"
        "assert 'pytest' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing
