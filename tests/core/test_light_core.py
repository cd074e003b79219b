"""The core stays light, and nothing of ours leaks into the top level of an installation."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "openai", "ray", "trl", "peft", "accelerate", "datasets")
CORE = sorted((ROOT / "w2s_toolkit").rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_core_module_imports_nothing_heavy_at_any_depth(path: Path) -> None:
    assert not _imports(path) & {*HEAVY, "w2s_hf", "w2s_tasks", "w2s_metrics"}


def test_importing_all_of_the_core_loads_nothing_heavy() -> None:
    modules = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for p in CORE
        if p.name != "__main__.py"
    ]
    code = (
        "import importlib, sys\n"
        f"for m in {modules!r}: importlib.import_module(m)\n"
        "from w2s_toolkit.registry import Registry\n"
        "r = Registry()\n"
        "for c in r.components(): r.config_model(c.component)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["--help"], ["plugins", "ls"], ["validate", "sst2_minilm"]])
def test_light_commands_import_neither_torch_nor_numpy(command: list[str]) -> None:
    code = (
        "import sys\nfrom w2s_toolkit.cli.main import w2s\n"
        f"try: w2s.main({command!r})\nexcept SystemExit as e: assert not e.code, e.code\n"
        f"bad = [m for m in ('numpy', 'pandas', 'pyarrow', *{HEAVY!r}) if m in sys.modules]\n"
        "print('LOADED', bad)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().endswith("LOADED []")


def test_declared_packages_are_those_of_the_tree() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    mapping = config["package-dir"]
    found = set()
    for name, folder in mapping.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *inner)))
    assert found == set(config["packages"])
    plugins = {p.name for p in (ROOT / "plugins").iterdir() if (p / "__init__.py").exists()}
    assert plugins == {n for n, d in mapping.items() if d.startswith("plugins/")}
    assert not {n.split(".")[0] for n in found} & {"plugins", "recipes", "tests", "benchmarks"}


def test_public_names_of_the_package_exist() -> None:
    import w2s_toolkit

    for name in w2s_toolkit.__all__:
        assert getattr(w2s_toolkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = w2s_toolkit.nothing
