"""The store: whole objects or none, checksums, locks, cleaning."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from w2s_toolkit.digest import Digests, canonical, hash_of
from w2s_toolkit.errors import DataError, StoreError
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.store import Store

KEY = "ab" * 32


def _put(store: Store, key: str = KEY, text: str = "hello") -> Path:
    work = store.workspace(key)
    (work / "inner").mkdir()
    (work / "inner" / "a.txt").write_text(text)
    return store.commit(key, work, {"kind": "data", "parts": {}}).path


def test_an_object_is_there_whole_after_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.has(KEY) and store.get(KEY) is None
    folder = _put(store)
    found = Store(tmp_path).open(KEY)
    assert found.path == folder and found.size == 5
    assert found.manifest["files"]["inner/a.txt"]["size"] == 5
    assert not list((tmp_path / "tmp").iterdir())


def test_without_a_manifest_there_is_no_object(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = _put(store)
    (folder / "manifest.json").unlink()
    assert not store.has(KEY) and Store(tmp_path).get(KEY) is None
    _put(store)
    assert Store(tmp_path).open(KEY)


@pytest.mark.parametrize("how", ["change", "delete", "manifest"])
def test_a_damaged_object_counts_as_missing_and_is_set_aside(tmp_path: Path, how: str) -> None:
    folder = _put(Store(tmp_path))
    if how == "change":
        (folder / "inner" / "a.txt").write_text("hellO")
    elif how == "delete":
        (folder / "inner" / "a.txt").unlink()
    else:
        (folder / "manifest.json").write_text("{")
    fresh = Store(tmp_path)
    assert fresh.get(KEY) is None and not fresh.has(KEY)
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    with pytest.raises(StoreError, match="missing or was damaged"):
        fresh.open(KEY)


def test_committing_twice_keeps_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _put(store, text="first")
    assert (_put(store, text="other") / "inner" / "a.txt").read_text() == "first"


def _hold(root: str, started: str) -> None:
    with Store(Path(root)).lock(KEY):
        Path(started).touch()
        time.sleep(60)


def test_a_lock_is_waited_for_and_a_dead_holders_lock_is_free(tmp_path: Path) -> None:
    started = tmp_path / "started"
    process = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(str(tmp_path), str(started))
    )
    process.start()
    while not started.exists():
        time.sleep(0.01)
    assert process.pid
    heard: list[str] = []

    def on_wait(holder: str) -> None:
        heard.append(holder)
        os.kill(process.pid or 0, signal.SIGKILL)

    with Store(tmp_path).lock(KEY, on_wait):
        assert f"process {process.pid}" in heard[0]
    process.join()


def test_two_processes_make_a_shared_object_once(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom w2s_toolkit.store import Store\n"
        f"s = Store(Path({str(tmp_path)!r})); k = {KEY!r}\n"
        "with s.lock(k):\n"
        "    if s.has(k): print('found')\n"
        "    else:\n"
        "        w = s.workspace(k); (w / 'x').write_text('1'); time.sleep(0.3)\n"
        "        s.commit(k, w, {'kind': 'data', 'parts': {}}); print('made')\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(p.communicate(timeout=60)[0].strip() for p in both)
    assert said == ["found", "made"]


def test_an_unwritable_store_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file").workspace(KEY)


def test_leftovers_are_old_workspaces_and_scratch(tmp_path: Path) -> None:
    store = Store(tmp_path)
    work, scratch = store.workspace(KEY), store.scratch("cd" * 32, 1)
    assert store.leftovers() == []
    for path in (work, *scratch.iterdir(), scratch):
        os.utime(path, (0, 0))
    assert set(store.leftovers()) == {work, scratch}


def test_runs_are_remembered_as_long_as_they_exist(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run = tmp_path / "run"
    run.mkdir()
    (run / "plan.json").write_text("{}")
    store.add_run(run)
    assert store.runs() == [run]
    (run / "plan.json").unlink()
    assert store.runs() == [] and not list((tmp_path / "store" / "runs").iterdir())


def test_digests_follow_content_not_path(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("same")
        (tmp_path / name / ".hidden").write_text(name)
    digests = Digests(tmp_path / "memory.json")
    first = digests(str(tmp_path / "a"))
    assert first == digests(str(tmp_path / "b"))
    digests.save()
    assert json.loads((tmp_path / "memory.json").read_text())
    target = tmp_path / "a" / "x.txt"
    before = target.stat()
    target.write_text("Same")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Digests(tmp_path / "memory.json")(str(tmp_path / "a")) != first
    with pytest.raises(DataError, match="cannot be read"):
        digests(str(tmp_path / "missing"))


@pytest.mark.parametrize("what", ["pipe", "loop", "/dev/zero", "missing"])
def test_what_has_no_content_has_no_digest(tmp_path: Path, what: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to(".")
    with pytest.raises(DataError, match=r"(?s)cannot be read: .*next: "):
        Digests()(str(tmp_path / what))
    assert Digests()(str(tmp_path))  # inside a folder they are passed over


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    with pytest.raises(ValueError):
        canonical(float("nan"))


def test_shared_objects_give_way_when_memory_is_short() -> None:
    free = [100]
    shared = SharedObjects(reserve=0.25, available=lambda: (free[0], 100))
    assert shared.get("a", lambda: "A", 10) == "A"
    shared.get("b", lambda: "B", 10)
    shared.get("a", lambda: "never", 10)
    free[0] = 40
    shared.get("c", lambda: "C", 5)
    assert len(shared) == 3
    free[0] = 20
    shared.get("d", lambda: "D", 5)
    assert "d" in shared and len(shared) == 1
    shared.clear()
    assert len(shared) == 0
