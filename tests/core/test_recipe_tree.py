"""YAML: 1.2 values, places, and hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s_toolkit.errors import RecipeError
from w2s_toolkit.recipe.tree import parse_tree, parse_value, read_tree


def test_yaml_1_2_scalars() -> None:
    value = parse_tree("a: 1e-5\nb: no\nc: 012\nd: ~\ne: 2024-01-01\nf: [on, true]\n", "f").value
    assert value == {"a": 1e-5, "b": "no", "c": 12, "d": None, "e": "2024-01-01", "f": ["on", True]}


def test_every_node_knows_its_line() -> None:
    tree = parse_tree("a: 1\nb:\n  - x: 1\n    y: 2\n  - z\n", "f")
    assert tree.line_of(("b", 0, "y")) == 4
    assert tree.line_of(("b", 1)) == 5
    assert tree.line_of(("b", 0, "missing")) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2", "f:2: not valid YAML"),
        ("a: !!python/object:os.system x", "tag .* is not allowed"),
        ("a: 1\na: 2", "f:2: the key 'a' stands twice"),
        ("- 1", "a recipe is a mapping"),
        ("", "the recipe is empty"),
        ("? [1]\n: 2", "a key must be a plain word"),
        ("a: *nowhere", "undefined alias"),
        ("a: " + "9" * 6000, "is not a YAML int"),
        ("a: &a [*a]", "too many or too deeply"),
        ("[" * 3000, "too deeply|not valid YAML"),
    ],
)
def test_faulty_text_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_tree(text, "f")


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(RecipeError, match="too many"):
        parse_tree("\n".join(lines), "f")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_tree(tmp_path / "missing.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: 1\nname: caf\xe9\n".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"latin.yaml:2: this is not UTF-8"):
        read_tree(latin)
    bom = tmp_path / "bom.yaml"
    bom.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_tree(bom).value == {"name": "x"}


def test_values_of_the_command_line_are_yaml() -> None:
    assert parse_value("[0, 1]") == [0, 1]
    assert parse_value("") is None
    assert parse_value("1e-4") == 1e-4
    with pytest.raises(RecipeError):
        parse_value("[1")
