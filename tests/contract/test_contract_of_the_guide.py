"""The plugin of ``docs/plugins.md``, installed as it stands there, passes the test that stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The guide's files in a folder that can be imported from, with the metadata of an installation."""
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        name = re.match(r"# ([\w/.]+\.py)", block)
        if name:
            path = tmp_path / name[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
    (tmp_path / "my_lab" / "__init__.py").touch()
    about = tmp_path / "my_lab-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[w2s_toolkit]\nmy-lab = my_lab.plugin\n")
    return tmp_path


def _pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, env=env, capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip


def test_the_example_of_the_guide_keeps_its_contract(plugin: Path) -> None:
    done = _pytest(plugin)
    assert done.returncode == 0, done.stdout
    assert re.search(r"(\d\d) passed", done.stdout), done.stdout


def test_a_breach_is_told_without_a_traceback(plugin: Path) -> None:
    code = plugin / "my_lab" / "keyword.py"
    noise = "np.random.default_rng(ctx.seed).random(len(data)) / 20\n        p = 0.9 * p + noise\n"
    text = code.read_text()
    code.write_text(
        text.replace("        return Label", f"        noise = {noise}        return Label")
    )
    assert code.read_text() != text
    done = _pytest(plugin, "-k", "order_of_rows")
    assert "1 failed" in done.stdout
    assert "contract: a row's answer does not depend on its position" in done.stdout
    assert "fix:  go by id" in done.stdout
    assert "Traceback" not in done.stdout and "breach(" not in done.stdout
