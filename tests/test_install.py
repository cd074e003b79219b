"""The built wheel works outside the checkout, in an environment that never saw it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

RECIPE = """\
schema: 1
name: tiny
models:
  weak: {use: hf, id: model}
  strong: {use: hf, id: model}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: 64, pool: 64, val: 32, test: 64}
phases:
  - name: first
    pool: pool
    supervisors: [{use: finetuned, model: weak, epochs: 1}]
    student: {use: classifier, model: strong, epochs: 1, loss: logconf}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in listed:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)],
        check=True, capture_output=True, timeout=200,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies come from this one, by path alone."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    binary = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [binary, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    subprocess.run(
        [
            binary, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
            "--disable-pip-version-check", str(wheel),
        ],
        check=True, timeout=200, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    # A path line does not run the .pth files it finds there, so the checkout stays invisible.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return binary


def test_the_wheel_holds_every_package_and_data_file_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "w2s_toolkit/py.typed", "w2s_recipes/sst2_minilm.yaml", "w2s_hf/plugin.py",
        "w2s_recipes/quickstart.yaml", "w2s_tasks/plugin.py", "w2s_metrics/plugin.py",
        "w2s_oversight/prompts/common/judge.txt", "w2s_recipes/lab/debate/opening.yes.txt",
        "w2s_lab/models/lab-l/model.safetensors", "w2s_lab/models/lab-xs/tokenizer.json",
    } <= names  # fmt: skip
    for path in (ROOT / "w2s_toolkit").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    top = {n.split("/")[0] for n in names}
    assert {t for t in top if not t.endswith(".dist-info")} == {
        "w2s_toolkit", "w2s_ensembles", "w2s_hf", "w2s_lab", "w2s_metrics", "w2s_openai",
        "w2s_oversight", "w2s_recipes", "w2s_refiners",
        "w2s_tasks",
    }  # fmt: skip


@pytest.mark.slow
def test_the_installed_toolkit_lists_validates_and_runs(python: Path, tmp_path: Path) -> None:
    def w2s(*args: str) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [python.with_name("w2s"), *args], cwd=tmp_path, env=env,
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip

    where = subprocess.run(
        [python, "-c", "import w2s_toolkit, w2s_hf; print(w2s_toolkit.__file__, w2s_hf.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    ).stdout  # fmt: skip
    assert str(ROOT) not in where
    listed = w2s("recipes", "ls")
    assert listed.returncode == 0 and "sst2_minilm" in listed.stdout
    assert w2s("validate", "sst2_minilm").returncode == 0

    from w2s_toolkit.testing.reviews import rows

    made = list(rows(seed=3, number=400))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    subprocess.run(
        [python, "-m", "w2s_hf.tiny", "model", "--texts", "rows.jsonl"],
        cwd=tmp_path, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    done = w2s("run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "strong ceiling" in done.stdout
    report = next((tmp_path / "runs").glob("*/report.html"))
    assert "<svg" in report.read_text()
