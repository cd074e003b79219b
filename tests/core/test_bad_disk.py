"""A disk that is full, or that may not be written: said what and where, kept, and gone on with."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Fails = Callable[..., str]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own: give it options such as ``size=64k`` to make or change it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def make(options: str) -> Path:
        nonlocal mounted
        how = ["-o", f"remount,{options}"] if mounted else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *how, str(place)], capture_output=True, text=True)
        if done.returncode and not mounted:
            pytest.skip("mounting is not permitted here")
        assert done.returncode == 0, done.stderr
        mounted = True
        return place

    yield make
    if mounted:
        os.chdir("/")
        subprocess.run(["umount", "-l", str(place)], check=True)


def _run(*args: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose files may have ``limit`` bytes at most."""

    def lower() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "w2s_toolkit", "run", *map(str, args), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=lower)


@pytest.fixture
def undisturbed(fails: Fails, toy_recipe: Path) -> bytes:
    options = ("--store", "other", "--runs", "others", "--quiet")
    fails("run", toy_recipe, *options, code=0, next_step=False)
    return next(Path("others").glob("*/results.json")).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["size", "nr_inodes"])
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_space(
    fails: Fails, disk: Callable[[str], Path], toy_recipe: Path, undisturbed: bytes, what: str
) -> None:
    """Space runs out at another write each time, until there is enough of it."""
    steps = {"size": [4, 48, 200, 360, 440], "nr_inodes": [6, 50, 90, 140]}
    seen = set()
    for step in steps[what]:
        place = disk(f"{what}={step}{'k' if what == 'size' else ''}")
        options = (toy_recipe, "--store", place / "store", "--runs", place / "runs", "--quiet")
        shown = fails("run", *options, code=1)
        assert "No space left on device" in shown and "the disk is full" in shown
        assert str(place) in shown
        assert "finished stages are kept" in shown
        seen.add(shown.partition("error: ")[2].partition(":")[0])
        place = disk("size=64m,nr_inodes=100k")
        done = fails("run", *options, code=0, next_step=False)
        results = [p for p in place.glob("runs/*/results.json") if p.stat().st_size]
        assert {p.read_bytes() for p in results} == {undisturbed}
        if "finished stages are kept; log" in shown:
            kept = int(shown.partition(". ")[2].split()[0])
            assert f"{kept} cached" in done
        subprocess.run(["rm", "-rf", str(place / "store"), str(place / "runs")], check=True)
    assert len(seen) > 1, "the disk was always full at the same write"


@pytest.mark.parametrize("limit", [0, 700, 9000])
def test_a_limit_on_file_sizes_is_named(
    fails: Fails, toy_recipe: Path, undisturbed: bytes, limit: int
) -> None:
    """The same without the right to mount: some write fails, each time another one."""
    done = _run(toy_recipe, "--store", "store", limit=limit)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr and "  next: " in done.stderr
    fails("run", toy_recipe, "--store", "store", code=0, next_step=False)
    results = sorted(Path("runs").glob("*/results.json"))
    assert results[-1].read_bytes() == undisturbed


def test_what_a_full_disk_left_can_still_be_listed_and_shown(
    fails: Fails, toy_recipe: Path, undisturbed: bytes
) -> None:
    plan = next(Path("others").glob("*/plan.json"))
    limit = plan.stat().st_size + 500  # the plan just fits
    assert _run(toy_recipe, "--store", "store", limit=limit).returncode == 1
    run = next(Path("runs").iterdir())
    with (run / "events.jsonl").open("a") as file:
        file.write('{"time": "2026-01-01T00:00:00", "event": "stage_fin')
    for command in (["runs", "ls"], ["runs", "show", "last"], ["cache", "ls", "--store", "store"]):
        fails(*command, code=0, next_step=False)


@pytest.mark.parametrize("option", ["--store", "--runs"])
def test_a_place_that_cannot_be_a_folder(fails: Fails, toy_recipe: Path, option: str) -> None:
    Path("file").write_text("")
    assert "is a file" in fails("run", toy_recipe, option, "file", next_step=False)
    shown = fails("run", toy_recipe, option, "file/below", code=1 if option == "--store" else 2)
    assert "file/below" in shown and "Not a directory" in shown and option in shown


@pytest.mark.parametrize("option", ["--store", "--runs"])
def test_a_read_only_place(
    fails: Fails, disk: Callable[[str], Path], toy_recipe: Path, option: str
) -> None:
    place = disk("size=1m")
    (place / "folder").mkdir()
    disk("ro")
    shown = fails("run", toy_recipe, option, place / "folder", code=1 if option == "--store" else 2)
    assert "Read-only file system" in shown and str(place) in shown and option in shown


def test_a_place_of_somebody_else(fails: Fails, toy_recipe: Path, tmp_path: Path) -> None:
    """Permissions bind everybody but root, so root becomes nobody for a moment."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()) or folder.stat().st_uid != os.getuid():
            break
        folder.chmod(0o755)
    locked, own = tmp_path / "locked", tmp_path / "own"
    locked.mkdir(0o555)
    own.mkdir()
    own.chmod(0o777)
    # What the command imports must be there before: nobody may not read the interpreter's folders.
    fails("run", toy_recipe, "--quiet", code=0, next_step=False)
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        shown = fails("run", toy_recipe, "--store", locked / "store", code=1)
        assert "the store cannot be written: Permission denied" in shown
        assert "next: choose another folder with --store" in shown
        shown = fails("run", toy_recipe, "--store", own, "--runs", locked / "runs", code=2)
        assert "the run directory cannot be made: Permission denied" in shown
        assert "next: choose another folder with --runs" in shown
    finally:
        os.seteuid(os.getuid())


def test_output_that_cannot_be_written(toy_recipe: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "w2s_toolkit", "plan", str(toy_recipe)],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: No space left on device\n  next: " in done.stderr
