"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from w2s_toolkit import load_run
from w2s_toolkit.errors import UsageError


def test_run_prints_a_table_and_says_where_things_are(w2s: Any, toy_recipe: Path) -> None:
    done = w2s("run", toy_recipe)
    assert done.returncode == 0
    assert "PGR" in done.stdout and "strong ceiling" in done.stdout
    assert re.search(r"17 stages run, 0 cached, [\d.]+ s", done.stdout)
    for path in re.findall(r"(?:results|report) +(\S+)", done.stdout):
        assert (toy_recipe.parent / path).exists()
    assert "[17/17]" in done.stderr and "\x1b" not in done.stdout + done.stderr
    again = w2s("run", toy_recipe, "--json", "-q")
    assert json.loads(again.stdout)["recipe"] == "toy"
    assert again.stderr.startswith("0 stages run, 17 cached")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["run", "nothing"], 2, "no recipe file or shipped recipe 'nothing'"),
        (["validate", "sst2_minilmm"], 2, "did you mean 'sst2_minilm'"),
        (["rnu"], 2, "did you mean 'run'"),
        (["run", "toy.yaml", "--executor", "inproces"], 2, "did you mean 'inprocess'"),
        (["run", "toy.yaml", "--set", "seed=-1"], 2, "--set seed=-1: seed: input should be"),
        (["run", "toy.yaml", "--runs", "rows.jsonl"], 2, "is a file"),
        (["run", "toy.yaml", "--store", "/proc/nowhere"], 1, "the store cannot be written"),
        (["runs", "show", "nope"], 2, "there is no run 'nope'"),
        (["explain", "toy.yaml", "studnet"], 2, "there is no stage 'studnet'"),
        (["recipes", "cp", "sst2_minilm", "toy.yaml"], 2, "this file exists already"),
        (["run", "toy.yaml", "--set", "task.splits.pool=9999"], 1, "needs 9999 rows"),
        (["run", "toy.yaml", "--set", "phases.first.student.fail=bug"], 1, "ZeroDivisionError"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(
    w2s: Any, toy_recipe: Path, args: list[str], code: int, said: str
) -> None:
    done = w2s(*args)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_plan_shows_what_is_cached_and_why_the_rest_runs(w2s: Any, toy_recipe: Path) -> None:
    before = w2s("plan", toy_recipe)
    assert "17 stages: 0 cached, 17 to run" in before.stdout and "never made" in before.stdout
    w2s("run", toy_recipe)
    change = ["--set", "phases.first.student.smoothing=2"]
    after = w2s("plan", toy_recipe, *change)
    assert "config.smoothing: 1.0 → 2.0" in after.stdout
    facts = json.loads(w2s("plan", toy_recipe, *change, "--json").stdout)
    status = {s["id"]: s["status"] for s in facts["stages"]}
    assert status["first/supervisor/fit"] == "cached"
    assert status["first/student/train"] == "to run"
    explained = w2s("explain", toy_recipe, "student/train", *change)
    assert "changed config.smoothing: 1.0 → 2.0" in explained.stdout


def test_runs_can_be_listed_shown_and_opened_as_frames(w2s: Any, toy_recipe: Path) -> None:
    w2s("run", toy_recipe, "--set", "seed=[0, 1]")
    rows = json.loads(w2s("runs", "ls", "--json").stdout)
    assert [r["status"] for r in rows] == ["done"]
    assert "PGR" in w2s("runs", "show", "last").stdout
    run = load_run("last")
    assert run.status == "done" and run.path.name == rows[0]["name"]
    assert set(run.results["seed"]) == {0, 1}
    assert run.summary.query("metric == 'accuracy' and role == 'student'")["n"].notna().all()
    frame = run.predictions("student", "test", seed=1)
    assert len(frame) == 200 and {"id", "gold", "weak", "p0", "p1", "predicted"} <= set(frame)
    accuracy = (frame["predicted"] == frame["gold"]).mean()
    row = run.results.query("seed == 1 and role == 'student' and metric == 'accuracy'").iloc[0]
    assert accuracy == pytest.approx(row["value"])
    assert isinstance(pd.read_parquet(run.stage("split/test") / "data.parquet"), pd.DataFrame)
    with pytest.raises(UsageError, match="there are: "):
        run.predictions("student", "nowhere")
    with pytest.raises(UsageError, match="no stage 'split/tset'; did you mean 'split/test'"):
        run.stage("split/tset")
    with pytest.raises(UsageError, match="no table"):
        run.table("nothing")
    assert len(run.table("seeds", evaluator="pgr")) == 2


def test_a_failed_run_can_be_shown(w2s: Any, toy_recipe: Path) -> None:
    w2s("run", toy_recipe, "--set", "phases.first.student.fail=error")
    shown = w2s("runs", "show", "last").stdout
    assert "failed   first/student/train" in shown and "told to fail" in shown
    with pytest.raises(UsageError, match="no results"):
        _ = load_run("last").raw


def test_the_report_can_be_built_again(w2s: Any, toy_recipe: Path) -> None:
    w2s("run", toy_recipe)
    report = load_run("last").path / "report.html"
    before = report.read_bytes()
    report.unlink()
    assert w2s("report", "last").returncode == 0
    assert report.read_bytes() == before


def test_cleaning_keeps_what_existing_runs_use(w2s: Any, toy_recipe: Path) -> None:
    w2s("run", toy_recipe)
    w2s("run", toy_recipe, "--set", "seed=1")
    assert "31 objects" in w2s("cache", "ls").stdout
    assert json.loads(w2s("cache", "gc", "--json").stdout)["objects"] == []
    first, second = (
        Path("runs") / r["name"] for r in json.loads(w2s("runs", "ls", "--json").stdout)
    )
    (second / "plan.json").unlink()
    dry = json.loads(w2s("cache", "gc", "--dry-run", "--json").stdout)
    assert len(dry["objects"]) == 14
    assert "freed" in w2s("cache", "gc").stdout
    assert "17 objects" in w2s("cache", "ls").stdout
    assert "0 stages run" in w2s("run", toy_recipe).stdout
    assert first.exists()


def test_recipes_are_listed_and_copied_with_the_files_they_name(
    w2s: Any, toy_recipe: Path, tmp_path: Path
) -> None:
    assert "quickstart" in w2s("recipes", "ls").stdout
    assert "use: finetuned" in w2s("recipes", "show", "sst2_minilm").stdout
    (tmp_path / "mine").mkdir()
    assert w2s("recipes", "cp", "quickstart", tmp_path / "mine").returncode == 0
    assert (tmp_path / "mine" / "quickstart.yaml").exists()
    assert w2s("recipes", "cp", toy_recipe, tmp_path / "mine").returncode == 0
    rows = toy_recipe.with_name("rows.jsonl").read_bytes()
    assert (tmp_path / "mine" / "rows.jsonl").read_bytes() == rows
    assert w2s("recipes", "cp", "quickstart", f"{tmp_path}/new/").returncode == 0
    assert (tmp_path / "new" / "quickstart.yaml").exists(), "a folder that was not there"


def test_validate_as_json_and_schema_to_a_file(w2s: Any, toy_recipe: Path, tmp_path: Path) -> None:
    good = json.loads(w2s("validate", toy_recipe, "--json").stdout)
    assert good["valid"] is True
    bad = w2s("validate", toy_recipe, "--json", "--set", "phases.first.pool=nowhere")
    assert bad.returncode == 2
    assert "nowhere" in json.loads(bad.stdout)["problems"][0]
    w2s("schema", "-o", tmp_path / "recipe.schema.json")
    assert json.loads((tmp_path / "recipe.schema.json").read_text())["title"]


def test_a_misspelt_hook_stops_runs_with_a_suggestion(
    w2s: Any, toy_recipe: Path, tmp_path: Path
) -> None:
    info = tmp_path / "site" / "typo-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: typo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[w2s_toolkit]\ntypo = typo_module\n")
    (tmp_path / "site" / "typo_module.py").write_text(
        "from w2s_toolkit import hookimpl\n@hookimpl\ndef w2s_studnets():\n    return []\n"
    )
    path = os.pathsep.join([str(tmp_path / "site"), os.environ["PYTHONPATH"]])
    done = w2s("validate", toy_recipe, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 2 and "did you mean 'w2s_students'" in done.stderr


def test_progress_is_bars_on_a_terminal(toy_recipe: Path) -> None:
    import pty
    import subprocess
    import sys

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe)],
        stderr=child,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(child)
    shown = b""
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    assert process.wait(timeout=60) == 0
    assert "✓" in shown.decode() and b"\x1b[" in shown and b"17/17" in shown
