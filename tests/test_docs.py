"""What the documents claim and what the tree holds are the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.recipe.schema import PhaseModel, RecipeModel, TaskOptions
from w2s_toolkit.registry import Registry

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _plain(name: str) -> str:
    return re.split(r"[<>=\[;]", name)[0].strip().lower().replace("_", "-")


def _direct() -> set[str]:
    extras = [d for group in PROJECT["optional-dependencies"].values() for d in group]
    return {_plain(d) for d in [*PROJECT["dependencies"], *extras]}


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert not {d for d in _direct() if not re.search(rf"\b{re.escape(d)}\b", text)}


def test_every_direct_dependency_is_pinned_for_tests() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {_plain(line) for line in lines if "==" in line}
    assert _direct() - pinned <= {"setuptools"}


def test_the_readme_lists_every_recipe_and_runs_the_test_command_of_ci() -> None:
    text = (ROOT / "README.md").read_text()
    for recipe in Registry().recipes():
        assert f"| `{recipe.name}` |" in text
    assert "make test" in text and "make test" in (ROOT / ".ci" / "run").read_text()


def test_links_in_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_recipe_guide_names_every_key() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text()
    for model in (RecipeModel, PhaseModel, TaskOptions):
        for name, field in model.model_fields.items():
            word = field.alias or name
            assert re.search(rf"\b{word}\b", text), word


def test_the_recipe_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(schema: 1.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    (tmp_path / "mine.yaml").write_text(block[1])
    (tmp_path / "rows.csv").write_text("title,text,sentiment\na,b,positive\n")
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text('{"model_type": "llama"}')
    (teacher / "model.safetensors").write_text("")
    assert load_recipe(tmp_path / "mine.yaml", Registry()).cells


def test_the_project_speaks_only_of_itself() -> None:
    import subprocess

    listed = subprocess.run(
        ["git", "grep", "-nIE", r"/(work|root|home|tmp)/[a-zA-Z.]"],
        cwd=ROOT, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    own = [line for line in listed if not line.startswith("tests/test_docs.py")]
    assert own == []
