"""``w2s runs diff``: what is told apart, what is not, and by how much results differ."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2s_toolkit import load_run
from w2s_toolkit.compare.recipe import leaves
from w2s_toolkit.compare.runs import compare_runs
from w2s_toolkit.compare.show import plain_lines, print_comparison
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import run_recipe

STORE, RUNS = Path("store"), Path("runs")
SEEDS = "seed=[0, 1, 2]"
EVERY = "phases.first.evaluate=[accuracy, pgr, agreement, auroc, calibration]"
CHANGE = "phases.first.student.smoothing=5"


def _run(path: Path, *overrides: str, runs: Path = RUNS) -> Path:
    registry = Registry()
    loaded = load_recipe(path, registry, overrides)
    return run_recipe(loaded, registry, store=STORE, runs=runs, quiet=True).folder


def _compare(a: Path, b: Path) -> dict[str, Any]:
    found = compare_runs(a, b, Registry())
    assert json.loads(json.dumps(found)) == found, "it is JSON"
    text = "\n".join(plain_lines(found))
    assert "None" not in text
    return {**found, "text": text}


def _result(found: dict[str, Any], role: str, metric: str, split: str = "test") -> dict[str, Any]:
    rows = [
        r for r in found["results"] if (r["role"], r["metric"], r["split"]) == (role, metric, split)
    ]
    assert len(rows) == 1, rows
    return rows[0]


def _edit(file: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


# --- no difference -------------------------------------------------------------------------------


def test_the_same_experiment_twice_is_no_difference(toy_recipe: Path) -> None:
    a, b = _run(toy_recipe, SEEDS), _run(toy_recipe, SEEDS)
    found = _compare(a, b)
    assert found["verdict"] == "identical"
    assert found["recipe"] == found["inputs"] == found["environment"] == found["notes"] == []
    assert found["text"].splitlines()[-1] == "no difference"
    assert len(found["text"].splitlines()) == 4, "two heads, a blank, the verdict"
    assert "the same run" in _compare(a, a)["text"]


def test_what_cannot_change_a_result_is_no_difference(toy_recipe: Path) -> None:
    a = _run(toy_recipe)
    Path("elsewhere").mkdir()
    Path("rows.jsonl").rename("elsewhere/data.jsonl")
    b = _run(
        toy_recipe,
        "name=another",
        "description=words",
        "task.path=elsewhere/data.jsonl",
        "phases.first.student.sleep=0.01",
    )
    found = _compare(a, b)
    assert found["verdict"] == "identical"
    changed = {r["path"]: r["matters"] for r in found["recipe"]}
    paths = ("name", "description", "task.path", "phases.first.student.sleep")
    assert changed == dict.fromkeys(paths, False)


def test_another_environment_is_told_beside_it(toy_recipe: Path) -> None:
    a, b = _run(toy_recipe), _run(toy_recipe)

    def other(env: dict[str, Any]) -> None:
        env["packages"] |= {"numpy": "0.1", "new": "2"}
        env["python"] = "3.99"
        env["argv"] = ["run", "in", "another", "way"]
        env["plugins"][0]["version"] = "9.9"

    _edit(b / "env.json", other)
    found = _compare(a, b)
    rows = {r["name"]: (r["what"], r["b"]) for r in found["environment"]}
    plugin = next(name for name, (what, _) in rows.items() if what == "plugin")
    assert rows == {
        "python": ("machine", "3.99"),
        "numpy": ("package", "0.1"),
        "new": ("package", "2"),
        plugin: ("plugin", "9.9"),
    }
    assert found["text"].endswith("no difference, but the environment differs")


# --- what differs --------------------------------------------------------------------------------


def test_a_changed_setting_is_traced_to_stages_and_results(toy_recipe: Path) -> None:
    a, b = _run(toy_recipe, EVERY), _run(toy_recipe, EVERY, CHANGE, "description=x")
    shutil.rmtree(STORE)  # a run directory is enough
    found = _compare(a, b)
    assert found["verdict"] == "different"
    matters = [r for r in found["recipe"] if r["matters"]]
    assert [(r["path"], r["a"], r["b"]) for r in matters] == [
        ("phases.first.student.smoothing", 1.0, 5.0)
    ]
    stages = found["stages"]
    assert "first/supervisor/fit" in stages["shared"] and not stages["only_a"] + stages["only_b"]
    rows = {r["a"]: r for r in stages["different"]}
    assert rows["first/student/train"]["changes"] == [
        {"place": "config.smoothing", "a": 1.0, "b": 5.0}
    ]
    label = rows["first/student/label/test"]
    assert label["changes"] == [] and label["follows"] == ["first/student/train"]
    floor = _result(found, "weak_floor", "accuracy")
    assert floor["same"] and (floor["difference"], floor["low"], floor["high"]) == (0, 0, 0)
    for row in found["results"]:
        assert row["difference"] == row["b"]["value"] - row["a"]["value"]
        if row["metric"] != "ece":
            assert row["low"] <= row["difference"] <= row["high"], row
            assert row["reason"] == ""
    assert _result(found, "strong_ceiling", "accuracy")["low"] < 0
    assert "config.smoothing 1.0 → 5.0" in found["text"]
    assert "first · test · paired over rows, seed 0" in found["text"]


def _bootstrap(a: Path, b: Path, role: str) -> tuple[float, float]:
    """A plain paired bootstrap of the difference of mean accuracies over seeds and rows."""
    right = []
    for path in (a, b):
        frame = load_run(path).predictions(role)
        frame["right"] = frame["predicted"] == frame["gold"]
        right.append(frame.pivot(index="id", columns="seed", values="right").to_numpy(float))
    moved = right[1] - right[0]
    rng = np.random.default_rng(11)
    rows, seeds = moved.shape
    draws = [
        moved[rng.integers(0, rows, rows)][:, rng.integers(0, seeds, seeds)].mean()
        for _ in range(4000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("seeds", ["seed=0", SEEDS])
def test_intervals_are_those_of_a_plain_paired_bootstrap(toy_recipe: Path, seeds: str) -> None:
    a = _run(toy_recipe, seeds, "phases.first.evaluate=[accuracy]")
    b = _run(toy_recipe, seeds, "phases.first.evaluate=[accuracy]", CHANGE)
    row = _result(_compare(a, b), "strong_ceiling", "accuracy")
    low, high = _bootstrap(a, b, "strong_ceiling")
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.012)
    assert row["high"] - row["low"] < 0.5 * (row["a"]["high"] - row["a"]["low"]) * 2


def test_other_seeds_are_paired_over_rows_alone(toy_recipe: Path) -> None:
    a, b = _run(toy_recipe, SEEDS), _run(toy_recipe, "seed=[2, 5]", CHANGE)
    found = _compare(a, b)
    row = _result(found, "strong_ceiling", "accuracy")
    assert row["low"] < row["difference"] < row["high"]
    assert "paired over rows, but not over seeds (A 0, 1, 2; B 2, 5)" in found["text"]
    pool = _result(found, "supervisor", "accuracy", "pool")
    assert pool["low"] is None and "different rows" in pool["reason"]
    assert any("first/student/train[seed=5]" in s for s in found["stages"]["only_b"])


def test_one_combination_each_is_compared_whatever_the_matrix_calls_it(toy_recipe: Path) -> None:
    a = _run(toy_recipe, "matrix.phases.first.student.smoothing=[1.0]")
    b = _run(toy_recipe, CHANGE)
    row = _result(_compare(a, b), "strong_ceiling", "accuracy")
    assert row["low"] is not None
    many = _run(toy_recipe, "matrix.phases.first.student.smoothing=[1.0, 5.0]")
    found = _compare(a, many)
    only = [r for r in found["results"] if r["a"] is None]
    assert only and all(r["reason"] == "only B has it" for r in only)
    assert all(r["same"] for r in found["results"] if r["a"] and r["b"])
    again = _run(toy_recipe, "matrix.phases.first.student.smoothing=[1.0, 5.0]", EVERY)
    assert "first · test · student.smoothing=5.0 · " in _compare(many, again)["text"]


def test_other_data_and_models_are_told_by_content(toy_recipe: Path) -> None:
    a = _run(toy_recipe)
    lines = Path("rows.jsonl").read_text().splitlines()
    Path("rows.jsonl").write_text("\n".join(lines[1:]) + "\n")
    b = _run(toy_recipe, "models.weak.letters=2")
    found = _compare(a, b)
    assert [(r["what"], r["name"]) for r in found["inputs"]] == [
        ("data", "task"),
        ("model", "weak"),
    ]
    assert (found["inputs"][1]["a"], found["inputs"][1]["b"]) == ("toy-1", "toy-2")
    assert "data task: " in found["text"]
    data = next(r for r in found["stages"]["different"] if r["a"] == "data")
    assert [c["place"] for c in data["changes"]] == ["config.files.data.0"]


def test_components_that_one_recipe_has_are_one_line(toy_recipe: Path) -> None:
    a = _run(toy_recipe, "phases.first.refine=[{use: toy_sharpen}]", EVERY)
    b = _run(toy_recipe)
    found = _compare(a, b)
    assert "  phases.first.refine.toy_sharpen: toy_sharpen → absent" in found["text"].splitlines()
    assert "toy_sharpen.on" not in found["text"]
    assert "phases.first.refine.toy_sharpen.on" in {r["path"] for r in found["recipe"]}
    assert _result(found, "student", "auroc")["reason"] == "only A has it"
    assert "student: AUROC: A " in found["text"] and "B absent" in found["text"]


def test_items_of_lists_go_by_name_and_repeats_by_number() -> None:
    recipe = {"phases": [{"name": "p", "evaluate": [{"use": "e", "on": "x"}, {"use": "e"}]}]}
    assert dict(leaves(recipe)) == {
        "phases.p.evaluate.e#1.use": "e",
        "phases.p.evaluate.e#1.on": "x",
        "phases.p.evaluate.e#2.use": "e",
    }
    assert dict(leaves({"a": [], "b": {}, "c": [1, 2], "d": None})) == {"c": [1, 2], "d": None}


# --- what cannot be compared ---------------------------------------------------------------------


def test_other_test_rows_are_said_and_values_are_still_shown(toy_recipe: Path) -> None:
    a, b = _run(toy_recipe), _run(toy_recipe, "task.splits.test=150")
    found = _compare(a, b)
    row = _result(found, "student", "accuracy")
    assert row["difference"] is not None and row["low"] is None
    assert "different rows (200 in A, 150 in B, 150 in common)" in row["reason"]
    assert "first · test · not paired" in found["text"] and "150 in common" in found["text"]


def test_a_failed_run_is_compared_as_far_as_it_went(toy_recipe: Path) -> None:
    b = _run(toy_recipe, "phases.first.student.fail=error")
    a = _run(toy_recipe)
    found = _compare(a, b)
    assert found["results"] == [] and found["verdict"] == "incomplete"
    assert found["notes"] == ["B has no results (status: failed)"]
    assert found["text"].endswith("no difference as far as they can be compared")
    assert _compare(b, _run(toy_recipe, CHANGE))["verdict"] == "different"


def test_results_of_another_schema_are_not_guessed_at(two_runs: tuple[Path, Path]) -> None:
    a, b = two_runs
    _edit(b / "results.json", lambda r: r.update(schema=99))
    found = _compare(a, b)
    assert found["results"] == [] and found["stages"]["different"]
    assert found["notes"] == ["B has results of schema 99; this version reads schema 1"]


def test_predictions_that_do_not_give_the_recorded_values_give_no_interval(
    two_runs: tuple[Path, Path],
) -> None:
    a, b = two_runs

    def other(results: dict[str, Any]) -> None:
        for row in results["summary"]:
            if row["metric"] == "accuracy" and row["value"] is not None:
                row["value"] += 0.01

    _edit(b / "results.json", other)
    row = _result(_compare(a, b), "strong_ceiling", "accuracy")
    assert row["low"] is None and "do not give the recorded values" in row["reason"]


def test_other_gold_labels_are_not_paired(two_runs: tuple[Path, Path]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    a, b = two_runs
    file = b / "predictions/first/strong_ceiling-test.parquet"
    table = pq.read_table(file)
    gold = [1 - g if i < 3 else g for i, g in enumerate(table["gold"].to_pylist())]
    pq.write_table(table.set_column(table.column_names.index("gold"), "gold", pa.array(gold)), file)
    assert (
        "gold labels of 3 rows" in _result(_compare(a, b), "strong_ceiling", "accuracy")["reason"]
    )


def test_evaluators_that_cannot_compare_or_are_gone_are_named(toy_recipe: Path) -> None:
    change = ("phases.first.evaluate=[toy_mean]", SEEDS)
    a, b = _run(toy_recipe, *change), _run(toy_recipe, *change, CHANGE)
    row = _result(_compare(a, b), "student", "mean_p")
    assert row["reason"] == "toy_mean gives no intervals for differences"
    assert row["difference"] is not None
    for run in (a, b):
        _edit(run / "results.json", lambda r: [x.update(evaluator="gone") for x in r["summary"]])
    assert "no evaluator called 'gone'" in _result(_compare(a, b), "student", "mean_p")["reason"]


FILES = [
    "plan.json", "env.json", "usage.json", "results.json", "resolved.yaml", "events.jsonl",
    "status", "predictions/index.json", "predictions/first/student-test.parquet",
]  # fmt: skip


DAMAGE = {
    "gone": None,
    "garbage": b"\xff\x00{",
    "list": b"[]",
    "list of others": b"[1, null, {}]",
    "other mapping": b'{"stages": [1, {"id": 2}], "rows": 3, "packages": 4, "plugins": [5]}',
    "other stages": b'{"stages": {"a": 1}, "schema": 1, "summary": [1], "task": 2}',
}


@pytest.fixture(scope="module")
def made_once() -> dict[str, Path]:
    """The folder in which the two runs were made, once one test has asked for them."""
    return {}


@pytest.fixture
def two_runs(
    toy_recipe: Path, tmp_path_factory: pytest.TempPathFactory, made_once: dict[str, Path]
) -> tuple[Path, Path]:
    """Two runs that differ in a setting, with their store: a copy for each test."""
    if not made_once:
        made = tmp_path_factory.mktemp("two_runs")
        shutil.copytree(".", made, dirs_exist_ok=True)
        with contextlib.chdir(made):
            folders = _run(made / toy_recipe.name), _run(made / toy_recipe.name, CHANGE)
        made_once |= {"made": made, "a": folders[0], "b": folders[1]}
    shutil.copytree(made_once["made"], ".", symlinks=True, dirs_exist_ok=True)
    return RUNS / made_once["a"].name, RUNS / made_once["b"].name


@pytest.mark.parametrize("file", FILES)
def test_damaged_runs_are_compared_as_far_as_possible(
    two_runs: tuple[Path, Path], file: str
) -> None:
    a, b = two_runs
    whole = (b / file).read_bytes()
    for what, text in DAMAGE.items():
        (b / file).unlink()
        if text is not None:
            (b / file).write_bytes(text)
        found = _compare(a, b)
        assert found["verdict"] == "different", what
        if file == "results.json":
            assert found["results"] == [] and found["notes"], what
        (b / file).write_bytes(whole)


# --- as a user meets it --------------------------------------------------------------------------


def test_the_command_takes_names_beginnings_and_paths(w2s: Any, toy_recipe: Path) -> None:
    a, b = _run(toy_recipe, "name=one"), _run(toy_recipe, "name=two", CHANGE)
    done = w2s("runs", "diff", "one", b)
    assert done.returncode == 0 and "\x1b" not in done.stdout, done.stderr
    assert "  phases.first.student.smoothing: 1.0 → 5.0" in done.stdout.splitlines()
    found = json.loads(w2s("runs", "diff", a.name, "last", "--json").stdout)
    assert found["a"]["name"] == a.name and found["b"]["status"] == "done"
    for wrong in ("three", "o/n/e"):
        done = w2s("runs", "diff", "one", wrong)
        assert done.returncode == 2 and f"there is no run '{wrong}'" in done.stderr


def test_a_terminal_shows_tables(
    toy_recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    a, b = _run(toy_recipe, EVERY), _run(toy_recipe, EVERY, CHANGE)
    found = compare_runs(a, b, Registry())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_comparison(found)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 80
    heads = [line.split() for line in out.splitlines() if line.split()[:1] == ["A"]]
    assert ["A", "B"] in heads and ["A", "B", "B", "−", "A"] in heads
    shown = next(line for line in out.splitlines() if line.startswith("ceiling: accuracy"))
    row = _result({**found}, "strong_ceiling", "accuracy")
    assert f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]" in shown
