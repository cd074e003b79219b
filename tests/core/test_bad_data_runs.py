"""Data that cannot be used, met by a run: one clear error, and everything finished is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit.plan.export import plan_recipe
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.store import Store

Fails = Callable[..., str]
ROW = {"text": "a fine film", "opinion": "positive"}


def _rows(*rows: Any) -> bytes:
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


@pytest.mark.parametrize(
    ("name", "content", "place", "says"),
    [
        ("a.jsonl", b"", "a.jsonl: ", "there are no rows"),
        ("a.jsonl", b"\n\n\n", "a.jsonl: ", "there are no rows"),
        ("a.jsonl", _rows(ROW, {**ROW, "opinion": "good"}), "a.jsonl:2", "holds 'good', which is not a label"),
        ("a.jsonl", _rows(ROW, {**ROW, "opinion": None}), "a.jsonl:2", "holds None, which is not a label"),
        ("a.jsonl", _rows(ROW, {**ROW, "opinion": 2}), "a.jsonl:2", "holds 2, which is not a label"),
        ("a.jsonl", _rows(ROW, {"text": "x"}), "a.jsonl:2", "there is no column 'opinion'"),
        ("a.jsonl", _rows(ROW, {**ROW, "text": {"a": 1}}), "a.jsonl:2", "column 'text' holds a dict"),
        ("a.jsonl", _rows(ROW)[:-9], "a.jsonl:1", "this line is not JSON"),
        ("a.jsonl", _rows(ROW) + _rows(ROW)[:20], "a.jsonl:2", "this line is not JSON: Unterminated string"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl:1", "nested too deeply"),
        ("a.jsonl", _rows(ROW).decode().encode("utf-16"), "a.jsonl:1", "not UTF-8: byte 0xff"),
        ("a.jsonl", b'{"text": "caf\xe9", "opinion": 1}\n', "a.jsonl:1", "not UTF-8: byte 0xe9"),
        ("a.jsonl", _rows(ROW) + b"\0\0\0\0\n", "a.jsonl:2", "this line is not JSON"),
        ("a.jsonl", b'{"text": "\\ud800", "opinion": 1}\n', "a.jsonl:1", "half of a surrogate pair"),
        ("a.jsonl", b'{"text": "x", "opinion": NaN}\n', "a.jsonl:1", "holds nan, which is not a label"),
        ("a.jsonl", b'{"text": "x", "opinion": ' + b"9" * 5000 + b"}\n", "a.jsonl:1", "not JSON"),
        ("a.csv", b"text,opinion\nx,y,z\n", "a.csv:2", "this row has 3 values for 2 columns"),
        ("a.csv", b"a fine film,positive\na bad film,negative\n", "a.csv:2", "there is no column 'text'"),
        ("a.csv", b'text,opinion\n"x,positive\ny,negative\n', "a.csv:2", "this is not a CSV row"),
        ("a.csv", b'text,opinion\n"' + b"x" * 200_000 + b'",positive\n', "a.csv:2", "field larger than"),
        ("a.csv", "text,opinion\nx,positive\n".encode("utf-16"), "a.csv:1", "iconv -f UTF-16 -t"),
        ("a.parquet", b"PAR1" + b"\0" * 50 + b"PAR1", "a.parquet: ", "not a Parquet file"),
        ("a.parquet", b"", "a.parquet: ", "not a Parquet file"),
        ("a.txt", b"x", "a.txt: ", "cannot be read as a table"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_names_file_and_line(
    fails: Fails, toy_recipe: Path, name: str, content: bytes, place: str, says: str
) -> None:
    Path(name).write_bytes(content)
    # What a folder's files are called is found out when planning, what is in them when running.
    code = 2 if name == "a.txt" else 1
    shown = fails("run", toy_recipe, "--set", f"task.path={name}", "--quiet", code=code)
    assert place in shown and says in shown, shown


def test_a_corrupt_middle_of_a_parquet_file(fails: Fails, toy_recipe: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), "a.parquet", compression="snappy")
    raw = bytearray(Path("a.parquet").read_bytes())
    raw[20:400] = b"\xff" * 380
    Path("a.parquet").write_bytes(raw)
    shown = fails("run", toy_recipe, "--set", "task.path=a.parquet", "--quiet", code=1)
    assert "a.parquet: this is not a Parquet file that can be read" in shown


def test_repeated_ids_name_both_rows(fails: Fails, toy_recipe: Path) -> None:
    rows = [{**ROW, "key": k} for k in (1, 2, 1)]
    Path("a.jsonl").write_bytes(_rows(*rows))
    options = ("--set", "task.path=a.jsonl", "--set", "task.id_column=key")
    shown = fails("run", toy_recipe, *options, "--quiet", code=1)
    assert "a.jsonl:3: the id '1' is also that of" in shown and "a.jsonl:1" in shown


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (
            "task.splits.test=100000",
            "split 'test' needs 100000 rows, but its source 'data' has 560 left",
        ),
        ("task.splits.pool=500", "split 'pool' needs 500 rows"),
        ("task.choices=[negative, positive, mixed]", "split 'val' needs 40 rows"),
    ],
)
def test_splits_larger_than_the_data(
    fails: Fails, toy_recipe: Path, option: str, says: str
) -> None:
    shown = fails("run", toy_recipe, "--set", option, "--quiet", code=1)
    assert says in shown and "task.splits." in shown
    assert "next: ask for fewer rows" in shown


def test_places_that_hold_no_data(fails: Fails, toy_recipe: Path) -> None:
    Path("empty").mkdir()
    Path("loop.jsonl").symlink_to("loop.jsonl")
    Path("loops").mkdir()
    Path("loops/a").symlink_to("../loops")
    os.mkfifo("pipe.jsonl")
    for path, says in (
        ("empty", "the folder has no data files (there are no files at all)"),
        ("loops", "the folder has no data files"),
        ("loop.jsonl", "there is no file or folder 'loop.jsonl'"),
        ("missing.jsonl", "there is no file or folder 'missing.jsonl'"),
        ("pipe.jsonl", "there is no such file"),
        ("{train: empty}", "there is no such file"),
        ("/dev/zero", "there is no such file"),
    ):
        shown = fails("run", toy_recipe, "--set", f"task.path={path}", "--quiet")
        assert says in shown


def test_weak_labels_that_are_a_pipe_or_a_folder(fails: Fails, toy_recipe: Path) -> None:
    os.mkfifo("pipe.jsonl")
    for path, says in (
        ("pipe.jsonl", "is not a file"),
        (".", "is not a file"),
        ("/dev/zero", "is not a file"),
    ):
        option = f"phases.first.supervisors=[{{use: labels_file, path: {path}}}]"
        assert says in fails("plan", toy_recipe, "--set", option)


@pytest.mark.parametrize("change", ["change", "delete", "folder"])
def test_a_file_that_changes_between_plan_and_run_is_noticed(toy_recipe: Path, change: str) -> None:
    """The run is held at its first stage by the lock of its key while the file changes."""
    store = Store(Path("store"))
    plan = plan_recipe(load_recipe(toy_recipe, Registry()), store)
    data = next(stage for stage in plan.graph if stage.kind == "data")
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store"]
    rows = Path("rows.jsonl").read_text()
    with store.lock(data.key):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        _wait_for('"waiting"')
        Path("rows.jsonl").unlink()
        if change == "change":
            Path("rows.jsonl").write_text(rows.replace("the", "The"))
        elif change == "folder":
            Path("rows.jsonl").mkdir()
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in shown
    assert "error: stage data: " in shown and "rows.jsonl" in shown and "  next: " in shown
    if change == "change":
        assert "this was changed after the run was planned" in shown
    assert not store.has(data.key)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGKILL, "the worker process was killed, most often because memory ran out"),
        (signal.SIGSEGV, "the worker process died of signal SIGSEGV"),
    ],
)
def test_a_stage_process_that_dies_says_of_what(
    fails: Fails, toy_recipe: Path, number: signal.Signals, says: str
) -> None:
    stop = ("--set", "phases.first.student.fail=error")
    fails("run", toy_recipe, "--store", "store", "--runs", "before", *stop, code=1)
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store"]
    slow = ["--executor", "subprocess", "--set", "phases.first.student.sleep=60"]
    process = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True)
    _wait_for('"stage_started", "stage": "first/student/train"')
    import psutil

    time.sleep(0.5)
    for child in psutil.Process(process.pid).children():
        child.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in shown
    assert f"error: stage first/student/train: {says}" in shown and "  next: " in shown
    assert "Failed. 7 finished stages are kept" in shown


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inprocess", "subprocess"])
def test_an_interruption_at_any_time_is_no_traceback(toy_recipe: Path, executor: str) -> None:
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(toy_recipe), "--store", "store"]
    for tenths in (3, 6, 9, 13):
        process = subprocess.Popen(
            [*command, "--executor", executor, "--set", f"seed={tenths}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell that starts jobs in the background lets them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        time.sleep(tenths / 10)
        process.send_signal(signal.SIGINT)
        result, shown = process.communicate(timeout=60)
        # Python itself ends by the signal where it struck inside code that was made from a string,
        # and where it has taken down its handlers already: after all was done and said.
        assert process.returncode in (0, 130, -signal.SIGINT), shown
        assert "Traceback" not in shown, shown
        assert "topped" in shown or "report   " in result, shown


def _wait_for(text: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(text in log.read_text() for log in Path("runs").glob("*/events.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} never appeared")
