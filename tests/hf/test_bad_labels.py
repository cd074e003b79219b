"""Weak labels from files that cannot be used, met by a run of the command line. No torch needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Fails = Callable[..., str]


def rows(*changes: object) -> bytes:
    """One labelled row of the data a line; each change replaces the labels of one of them."""
    texts = [json.loads(line)["text"] for line in Path("rows.jsonl").read_text().splitlines()]
    lines = [{"text": text, "probs": [0.4, 0.6]} for text in texts]
    for number, change in enumerate(changes):
        lines[number]["probs"] = change  # type: ignore[assignment]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def run(fails: Fails, recipe: Path, name: str, content: bytes, *more: str) -> str:
    Path(name).write_bytes(content)
    use = f"phases.first.supervisors=[{{use: labels_file, path: {name}{''.join(more)}}}]"
    return fails("run", recipe, "--set", use, "--quiet", code=1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ([float("nan"), 0.5], "are not probabilities"),
        ([float("inf"), 0.5], "are not probabilities"),
        ([-0.5, 1.5], "are not probabilities"),
        ([0.9, 0.9], "sum to 1.8, not to one"),
        ([0.2, 0.2], "sum to 0.4, not to one"),
        ([0, 0], "sum to 0, not to one"),
        ([2.0, -3.0], "are not probabilities"),
        ([1.0], "there are 1 probabilities for 2 classes"),
        ([0.2, 0.3, 0.5], "there are 3 probabilities for 2 classes"),
        ([], "there are 0 probabilities for 2 classes"),
        (["a", "b"], "are not numbers"),
        ([None, 1.0], "are not numbers"),
        ([10**400, 1.0], "are not numbers"),
        ([True, False], "are not numbers"),
        ([[0.5, 0.5]], "there are 1 probabilities"),
        (0.7, "does not hold a list of probabilities"),
        (None, "does not hold a list of probabilities"),
        ({"a": 1}, "does not hold a list of probabilities"),
        ("[0.5, ", "does not hold a list of probabilities"),
    ],
)
def test_a_soft_label_that_is_none_names_its_line(
    fails: Fails, toy_recipe: Path, change: object, says: str
) -> None:
    shown = run(fails, toy_recipe, "weak.jsonl", rows([0.5, 0.5], change))
    assert "weak.jsonl:2" in shown and says in shown
    assert "stage first/supervisor/label/pool" in shown


@pytest.mark.parametrize(
    ("name", "content", "place", "says"),
    [
        ("weak.jsonl", b"", "weak.jsonl", "holds no rows"),
        ("weak.jsonl", b'{"text": "x", "probs": [0.5, 0.5]}\n{"text": "y", "pro', "weak.jsonl:2", "not JSON"),
        ("weak.jsonl", b"[" * 100_000, "weak.jsonl:1", "nested too deeply"),
        ("weak.jsonl", '{"text": "é"}\n'.encode("latin-1"), "weak.jsonl:1", "not UTF-8"),
        ("weak.jsonl", '{"text": "x"}\n'.encode("utf-16"), "weak.jsonl:1", "not UTF-8"),
        ("weak.jsonl", b"3\n", "weak.jsonl:1", "is a JSON number, not an object"),
        ("weak.jsonl", b'{"text": "x"}\n', "weak.jsonl", "no column with soft labels was found"),
        ("weak.jsonl", b'{"probs": [0.5, 0.5]}\n', "weak.jsonl", "no column with ids or texts"),
        ("weak.csv", b"text,p0,p1\nx,0.5\n", "weak.csv:2", "has 2 values for 3 columns"),
        ("weak.csv", b"text,p0,p1\nx,nan,0.5\n", "weak.csv:2", "are not probabilities"),
        ("weak.csv", b"text,p0,p1\nx,half,half\n", "weak.csv:2", "are not numbers"),
        ("weak.csv", b'text,p0,p1\n"x,0.5,0.5\n', "weak.csv", "unexpected end of data"),
        ("weak.csv", b'text,p0,p1\n"' + b"x" * 200_000 + b'",1,0\n', "weak.csv", "field larger than"),
        ("weak.csv", "text,p0,p1\né,1,0\n".encode("latin-1"), "weak.csv:2", "not UTF-8"),
        ("weak.parquet", b"PAR1", "weak.parquet", "not a Parquet file"),
        ("weak.xlsx", b"PK", "weak.xlsx", "cannot be read as labels"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_of_labels(
    fails: Fails, toy_recipe: Path, name: str, content: bytes, place: str, says: str
) -> None:
    shown = run(fails, toy_recipe, name, content)
    assert place in shown and any(word in shown for word in says.split("|"))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (", label_column: opinion", "there is no column 'opinion'"),
        (", id_column: key", "there is no column 'key'"),
        (", classes: [good, bad]", "the file's classes are given as ['good', 'bad']"),
        (", probs_columns: [p0, p1]", "there is no column 'p0'"),
    ],
)
def test_settings_that_do_not_fit_the_file(
    fails: Fails, toy_recipe: Path, setting: str, says: str
) -> None:
    assert says in run(fails, toy_recipe, "weak.jsonl", rows(), setting)


def test_labels_of_other_rows_leave_nothing_to_train_on(fails: Fails, toy_recipe: Path) -> None:
    shown = run(fails, toy_recipe, "weak.jsonl", b'{"text": "of another task", "probs": [1, 0]}\n')
    assert "none of the 200 pool rows has a label to train on" in shown


def test_labels_that_are_right_pass(fails: Fails, toy_recipe: Path) -> None:
    Path("weak.jsonl").write_bytes(rows())
    use = "phases.first.supervisors=[{use: labels_file, path: weak.jsonl}]"
    fails("run", toy_recipe, "--set", use, "--quiet", code=0, next_step=False)
