"""Plugins of others that are broken in every way: named, set aside or failed, the rest kept."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Fails = Callable[..., str]
Plugin = Callable[..., str]
_numbers = itertools.count()

PLUGIN = """
from w2s_toolkit import Component, hookimpl

@hookimpl
def w2s_supervisors():
    yield Component("bad", "{module}:{target}", "{module}:{config}", "1", "Broken.", uses_gold=("train_on",))
"""

PARTS = """
import numpy as np
from w2s_toolkit.config import SupervisorConfig
from w2s_toolkit.data import LabelSet, ModelRef

class Config(SupervisorConfig):
    pass

class Bad:
    def __init__(self, config):
        pass
    def fit(self, train, ctx, *, val=None):
        return None
    def label(self, ref, data, ctx):
        return self.good(data)
    def good(self, data):
        return LabelSet(tuple(data.ids), np.full((len(data), 2), 0.5), data.info.classes)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """Install a distribution ``badlab`` whose plugin module begins with ``code``.

    Returns the name of its module.
    """

    def install(
        code: str = PLUGIN, parts: str = PARTS, target: str = "Bad", config: str = "Config"
    ) -> str:
        # Modules stay imported, so each has a name of its own.
        name = f"badlab_{next(_numbers)}"
        site = tmp_path / name
        info = site / f"badlab{name[-1]}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: badlab\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[w2s_toolkit]\nlab = {name}\n")
        text = code.format(module=f"{name}_parts", target=target, config=config)
        (site / f"{name}.py").write_text(text)
        (site / f"{name}_parts.py").write_text(parts)
        monkeypatch.syspath_prepend(str(site))
        return name

    return install


USE = ("--set", "phases.first.supervisors=[{use: bad}]")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RuntimeError('a\\nb')", "RuntimeError: a"),
        (PLUGIN.replace("yield", "raise ValueError('no'); yield"), "ValueError: no"),
        (PLUGIN.replace("yield Component", "yield dict; Component"), "TypeError: w2s_supervisors gave"),
        (PLUGIN.replace("yield", "return 3 #"), "TypeError"),
        ("x = 1\0", "ValueError|SyntaxError"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_loaded_is_named_where_it_is_missed(
    fails: Fails, plugin: Plugin, toy_recipe: Path, w2s: Callable, code: str, reason: str
) -> None:
    plugin(code)
    shown = fails("run", toy_recipe, *USE)
    assert "there is no supervisor called 'bad'" in shown
    assert "Plugins that failed to load: lab (badlab: " in shown and "'w2s plugins ls'" in shown
    from w2s_toolkit.registry import Registry

    broken = next(p for p in Registry().plugins if p.name == "lab")
    assert any(word in broken.reason for word in reason.split("|")), broken


def test_a_broken_plugin_leaves_recipes_without_it_alone(
    plugin: Plugin, toy_recipe: Path, w2s: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    name = plugin("raise SystemExit(3)")
    import os

    path = os.pathsep.join([str(Path(name).absolute()), os.environ["PYTHONPATH"]])
    done = w2s("run", toy_recipe, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    listed = w2s("plugins", "ls", env={**os.environ, "PYTHONPATH": path})
    assert "badlab BROKEN: SystemExit: 3" in listed.stdout


@pytest.mark.parametrize(
    ("target", "config", "parts", "says"),
    [
        ("Bad", "Missing", PARTS, "has no attribute 'Missing'"),
        ("Bad", "Config", "import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("Bad", "Config", "raise SystemExit", "SystemExit"),
        ("Bad", "Bad", PARTS, "is not a config model"),
        ("Bad", "Config", PARTS.replace("SupervisorConfig):\n    pass", "SupervisorConfig):\n"
         "    def check(self): raise KeyError('x')"), "cannot check its settings: KeyError: 'x'"),
        ("Bad", "Config", PARTS.replace("SupervisorConfig):\n    pass", "SupervisorConfig):\n"
         "    def check(self): return 3"), "cannot check its settings: TypeError"),
        ("Bad", "Config", PARTS.replace("(SupervisorConfig)", "(ComponentConfig)").replace(
            "import SupervisorConfig", "import ComponentConfig"), "does not derive from SupervisorConfig"),
    ],
)  # fmt: skip
def test_a_broken_config_is_a_problem_of_the_recipe_that_names_the_plugin(
    fails: Fails, plugin: Plugin, toy_recipe: Path, target: str, config: str, parts: str, says: str
) -> None:
    plugin(parts=parts, target=target, config=config)
    shown = fails("validate", toy_recipe, *USE)
    assert says in shown
    assert "supervisor 'bad' of plugin 'lab' (badlab)" in shown
    assert "next: this is a fault of that plugin" in shown


def test_key_parts_that_raise_are_a_problem_of_planning(
    fails: Fails, plugin: Plugin, toy_recipe: Path
) -> None:
    parts = PARTS.replace(
        "    pass\n\nclass Bad", "    def key_parts(self, digest): return 1 / 0\n\nclass Bad"
    )
    plugin(parts=parts)
    shown = fails("plan", toy_recipe, *USE)
    assert "supervisor 'bad' of plugin 'lab' (badlab)" in shown and "ZeroDivisionError" in shown


def _label(body: str) -> str:
    return PARTS.replace("        return self.good(data)", f"        {body}")


@pytest.mark.parametrize(
    ("parts", "target", "says"),
    [
        (PARTS, "Missing", "cannot be loaded from"),
        (PARTS.replace("        pass\n    def fit", "        raise KeyError('k')\n    def fit"), "Bad",
         "KeyError: 'k'"),
        (PARTS.replace("    def label", "    def lable"), "Bad", "no attribute 'label'"),
        (_label("raise SystemExit(0)"), "Bad", "SystemExit: 0"),
        (_label("raise RuntimeError()"), "Bad", "RuntimeError: no message"),
        (_label("return None"), "Bad", "label() gave NoneType, not a LabelSet"),
        (_label("return {'a': 1}"), "Bad", "label() gave dict, not a LabelSet"),
        (_label("return self.good(data.take([0, 1]))"), "Bad", "label(): labels and data differ: 198 of 200"),
        (_label("return LabelSet(('x',) * len(data), np.ones((len(data), 2)) / 2)"), "Bad",
         "id 'x' is labelled twice"),
        (_label("return LabelSet(tuple(data.ids), np.full((len(data), 2), np.nan))"), "Bad",
         "a label is not a finite number"),
        (_label("return LabelSet(tuple(data.ids), np.full((len(data), 2), 0.9))"), "Bad",
         "must lie in [0, 1] and sum to one"),
        (_label("return LabelSet(tuple(data.ids), np.full((len(data), 3), 1 / 3))"), "Bad",
         "label() gave 3 probabilities a row where the data has 2 classes"),
        (_label("return LabelSet(tuple(data.ids), np.full(len(data), 0.5))"), "Bad",
         "have shape (200,)"),
        (_label("return LabelSet(tuple(data.ids), np.full((len(data), 2), .5), ('a', 'b'))"), "Bad",
         "labels are over classes ['a', 'b'], data over ['negative', 'positive']"),
    ],
)  # fmt: skip
def test_a_component_that_fails_at_its_work_is_named_with_its_plugin_and_stage(
    fails: Fails, plugin: Plugin, toy_recipe: Path, parts: str, target: str, says: str
) -> None:
    plugin(parts=parts, target=target)
    shown = fails("run", toy_recipe, *USE, "--quiet", code=1)
    assert says in shown
    assert "stage first/supervisor/label/pool" in shown
    assert "supervisor 'bad' of plugin 'lab' (badlab)" in shown
    assert "Failed. 5 finished stages are kept; log in runs" in shown


def test_a_failure_in_the_middle_keeps_what_was_finished(
    fails: Fails, plugin: Plugin, toy_recipe: Path
) -> None:
    name = plugin(parts=_label("return self.good(data) if data.name == 'pool' else 1 / 0"))
    shown = fails("run", toy_recipe, *USE, "--quiet", code=1)
    assert "stage first/supervisor/label/test: supervisor 'bad'" in shown
    assert "ZeroDivisionError" in shown
    log = next(Path("runs").glob("*/logs/*.txt")).read_text()
    assert "1 / 0" in log
    Path(name, f"{name}_parts.py").write_text(PARTS)
    done = subprocess.run(
        [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), *USE, "--quiet"],
        capture_output=True,
        text=True,
        env={**__import__("os").environ, "PYTHONPATH": f"{Path(name).absolute()}:{sys.path[0]}:"
             + __import__("os").environ["PYTHONPATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept = int(shown.partition("Failed. ")[2].split()[0])
    assert f"{kept} cached" in done.stdout


def test_two_plugins_with_one_name_are_both_named(
    fails: Fails, plugin: Plugin, toy_recipe: Path
) -> None:
    plugin(PLUGIN.replace('"bad"', '"toy_bayes"'))
    shown = fails("validate", toy_recipe)
    assert (
        "supervisor 'toy_bayes' is offered by badlab (plugin 'lab') and toy-w2s (plugin 'toy')"
        in shown
    )
