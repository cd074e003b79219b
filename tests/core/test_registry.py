"""Discovery: broken plugins, clashes, misspelt hooks, suggestions."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit import hookspecs
from w2s_toolkit.errors import MissingDependencyError, RegistryError
from w2s_toolkit.hookspecs import KINDS, Component, hookimpl
from w2s_toolkit.registry import Registry

CONFIG = "w2s_toolkit.executors.config:ExecutorConfig"


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """Make an importable module with these hook implementations and its entry point."""

    def make(name: str, **hooks: Any) -> EntryPoint:
        module = types.ModuleType(name)
        for hook, function in hooks.items():
            setattr(module, hook, hookimpl(function))
        monkeypatch.setitem(sys.modules, name, module)
        return EntryPoint(name, name, "w2s_toolkit")

    return make


def _students(name: str, **more: Any) -> Callable[[], list[Component]]:
    return lambda: [Component(name, "nowhere:Class", CONFIG, "1", "A student.", **more)]


def test_a_plugin_that_fails_to_import_is_listed_and_the_rest_works(offer: Any) -> None:
    good = offer("good_plugin", w2s_students=_students("mine"))
    bad = EntryPoint("bad", "no_such_module_at_all", "w2s_toolkit")
    registry = Registry([bad, good])
    assert registry.names("students") == ["mine"]
    broken = [p for p in registry.plugins if p.reason]
    assert [p.name for p in broken] == ["bad"]
    assert "ModuleNotFoundError" in broken[0].reason
    with pytest.raises(RegistryError, match="failed to load: bad"):
        registry.get("students", "other")


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3)])
def test_a_hook_that_raises_sets_only_its_plugin_aside(offer: Any, error: BaseException) -> None:
    def explode() -> list[Component]:
        raise error

    registry = Registry(
        [offer("exploding", w2s_students=explode), offer("fine", w2s_students=_students("mine"))]
    )
    assert registry.names("students") == ["mine"]
    assert type(error).__name__ in next(p.reason for p in registry.plugins if p.reason)


def test_a_hook_that_gives_something_else_is_set_aside(offer: Any) -> None:
    registry = Registry([offer("odd", w2s_students=lambda: ["classifier"])])
    assert "not a Component" in registry.plugins[0].reason


def test_one_name_from_two_plugins_names_both_when_used(offer: Any) -> None:
    registry = Registry(
        [offer("one", w2s_students=_students("same")), offer("two", w2s_students=_students("same"))]
    )
    with pytest.raises(RegistryError, match=r"plugin 'one'.*plugin 'two'"):
        registry.get("students", "same")


def test_a_misspelt_hook_is_an_error_with_a_suggestion(offer: Any) -> None:
    registry = Registry([offer("typo", w2s_studnets=_students("mine"))])
    assert registry.names("students") == []
    with pytest.raises(RegistryError, match=r"'w2s_studnets'.*did you mean 'w2s_students'"):
        registry.check_hook_names()


def test_unknown_names_get_a_suggestion_or_the_right_kind(offer: Any) -> None:
    registry = Registry([offer("fine", w2s_students=_students("classifier"))])
    with pytest.raises(RegistryError, match="did you mean 'classifier'"):
        registry.get("students", "clasifier")
    with pytest.raises(RegistryError, match="'classifier' is one of the students"):
        registry.get("supervisors", "classifier")


def test_a_missing_dependency_gives_the_install_command(offer: Any) -> None:
    hook = _students("mine", requires=("no_such_library",), extra="hf")
    registry = Registry([offer("fine", w2s_students=hook)])
    with pytest.raises(MissingDependencyError, match=r'pip install "w2s-toolkit\[hf\]"'):
        registry.target(registry.get("students", "mine"))


def test_the_toy_distribution_is_found_by_its_metadata() -> None:
    assert Registry().get("students", "toy_student").target == "toy_w2s.words:BayesStudent"


def test_every_built_in_config_can_be_imported_and_says_what_it_is() -> None:
    registry = Registry()
    assert not [p for p in registry.plugins if p.reason]
    for row in registry.components():
        assert registry.config_model(row.component).model_json_schema()["type"] == "object"
        assert row.component.summary.endswith((".", "?"))


def test_every_hook_is_documented_with_an_example() -> None:
    names = [n for n in vars(hookspecs) if n.startswith("w2s_")]
    assert {*KINDS.values(), "w2s_recipes", "w2s_commands"} <= set(names)
    for name in names:
        text = getattr(hookspecs, name).__doc__
        assert "Example::" in text and f"def {name}(" in text, name


def test_plugins_ls_and_show_as_json(w2s: Any) -> None:
    listed = json.loads(w2s("plugins", "ls", "--json").stdout)
    assert {"students", "models"} <= {c["kind"] for c in listed["components"]}
    shown = json.loads(w2s("plugins", "show", "students/classifier", "--json").stdout)
    assert "epochs" in shown[0]["schema"]["properties"]
    missing = w2s("plugins", "show", "clasifier")
    assert missing.returncode == 2 and "did you mean 'classifier'" in missing.stderr


def test_a_broken_distribution_leaves_the_command_line_alive(w2s: Any, tmp_path: Path) -> None:
    info = tmp_path / "site" / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[w2s_toolkit]\nbroken = broken_module\n")
    (tmp_path / "site" / "broken_module.py").write_text("raise ValueError('bad day')\n")
    import os

    path = os.pathsep.join([str(tmp_path / "site"), os.environ["PYTHONPATH"]])
    done = w2s("plugins", "ls", env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0
    assert "BROKEN: ValueError: bad day" in done.stdout and "classifier" in done.stdout
