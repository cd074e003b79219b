"""``w2s doctor``: what it finds, what to do about it, and that nothing it meets ends it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from w2s_toolkit import Finding, hookimpl
from w2s_toolkit.cli.main import w2s as w2s_command
from w2s_toolkit.doctor.environment import environment
from w2s_toolkit.doctor.examine import Section, checked, examine, worst
from w2s_toolkit.doctor.hardware import disk, hardware
from w2s_toolkit.doctor.runs import runs_health
from w2s_toolkit.doctor.store import store_health
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import run_recipe
from w2s_toolkit.store import Store

STORE, RUNS = Path("store"), Path("runs")


def _run(path: Path, *overrides: str) -> Path:
    registry = Registry()
    loaded = load_recipe(path, registry, overrides)
    return run_recipe(loaded, registry, store=STORE, runs=RUNS, quiet=True).folder


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in folder.rglob("*"):
        stat = path.lstat()
        found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found


def _doctor(*options: str, charset: str = "utf-8", **variables: str) -> Result:
    """The command in this process, which imports torch only once."""
    where = ["--store", str(STORE), "--runs", str(RUNS)]
    return CliRunner(charset=charset).invoke(
        w2s_command, ["doctor", *where, *options], env=variables, standalone_mode=False
    )


def _named(findings: Any, name: str) -> list[Finding]:
    return [f for f in findings if f.name == name]


def _only(findings: Any, name: str) -> Finding:
    found = _named(findings, name)
    assert len(found) == 1, found
    return found[0]


# --- as a user meets it ------------------------------------------------------------------------


def test_nothing_is_wrong_before_the_first_run_and_nothing_is_made(w2s: Any) -> None:
    done = w2s("doctor")
    assert done.returncode == 0, done.stdout
    assert "fail" not in done.stdout and "does not exist yet" in done.stdout
    assert "numpy 2" in done.stdout and "plugins" in done.stdout
    assert list(Path.cwd().iterdir()) == []


def test_a_whole_store_is_left_as_it_is(toy_recipe: Path) -> None:
    _run(toy_recipe)
    before = _files(Path.cwd())
    done = _doctor("--deep", "--json")
    assert done.return_value == 0, done.stdout
    found = json.loads(done.stdout)
    sections = {s["name"]: s["findings"] for s in found["sections"]}
    assert "17 whole objects" in sections["store"][0]["message"]
    assert "all files have the content" in sections["store"][0]["message"]
    assert sections["runs"][0]["message"] == "1 run in runs: 1 done"
    assert done.stderr == "reading 17 objects\n"
    assert _files(Path.cwd()) == before


def test_a_damaged_store_gives_commands_that_mend_it(w2s: Any, toy_recipe: Path) -> None:
    folder = _run(toy_recipe)
    train = (folder / "stages/first/student/train").resolve()
    (train / "model" / "counts.json").unlink()
    done = _doctor()
    assert done.return_value == 1
    assert f"{train.name[:12]}: model/counts.json is missing" in done.stdout
    command = next(x for x in done.stdout.splitlines() if "next: rm -r" in x)
    subprocess.run(command.partition("next: ")[2].partition(" (")[0], shell=True, check=True)
    after = _doctor()
    assert after.return_value == 0
    assert "1 of 17 stages of" in after.stdout and "gone from the store" in after.stdout
    command = next(x for x in after.stdout.splitlines() if "w2s run" in x)
    again = command.partition("w2s run ")[2].split()
    assert "1 stages run, 16 cached" in w2s("run", *again).stdout
    assert "gone from the store" not in _doctor().stdout


def test_names_that_are_no_text_can_be_printed(toy_recipe: Path) -> None:
    _run(toy_recipe)
    os.mkdir(os.fsencode(RUNS) + b"/\xff\xfe")  # noqa: PTH102
    (RUNS / os.fsdecode(b"\xff\xfe") / "plan.json").write_text("{")
    for options in ([], ["--json"]):
        done = _doctor(*options, charset="ascii")
        assert done.exception is None
        assert done.return_value == 1 and "cannot be read" in done.stdout


def test_no_secret_is_printed() -> None:
    secret = "hf_thisIsASecretOfMine"
    more = {"HF_TOKEN": secret, "OPENAI_API_KEY": secret, "HTTPS_PROXY": f"http://a:{secret}@b"}
    for options in ([], ["--json"]):
        done = _doctor(*options, **more)
        assert secret not in done.output
        assert "there is one" in done.stdout


# --- environment and hardware --------------------------------------------------------------------


def _distribution(folder: Path, name: str, metadata: str) -> None:
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{metadata}")


def test_what_is_missing_or_outside_its_range_comes_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _distribution(
        tmp_path,
        "w2s-toolkit",
        "Version: 0.9\nRequires-Python: >=4\nRequires-Dist: no-such-package>=3\n"
        "Requires-Dist: old-package>=2\nRequires-Dist: odd-package\n"
        "Requires-Dist: click>=8\nRequires-Dist: other-system; sys_platform == 'nowhere'\n"
        "Provides-Extra: hf\nProvides-Extra: dev\n"
        'Requires-Dist: also-missing>=1; extra == "hf"\n'
        'Requires-Dist: not-there; extra == "dev"\n'
        'Requires-Dist: w2s-toolkit[hf]; extra == "dev"\n'
        "Requires-Dist: !!!\n",
    )
    _distribution(tmp_path, "old-package", "Version: 1.0\n")
    _distribution(tmp_path, "odd-package", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = list(environment({"hf"}))
    texts = {f.message: f for f in found}
    assert _only(found, "python").status == "fail"
    missing = texts["not installed: no-such-package"]
    assert (missing.status, missing.next_step) == ("fail", 'pip install "no-such-package>=3"')
    old = texts["old-package is 1.0, but >=2 is asked"]
    assert (old.status, old.next_step) == ("fail", 'pip install "old-package>=2"')
    assert texts["odd-package is of an unknown version, but a readable version is asked"]
    extra = texts["not installed: also-missing; components need it"]
    assert (extra.status, extra.next_step) == ("warn", 'pip install "w2s-toolkit[hf]"')
    assert texts["not installed: not-there"].status == "ok"
    assert not [f for f in found if "other-system" in f.message]


def test_another_version_further_down_the_path_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _distribution(tmp_path, "w2s-toolkit", "Version: 0.0.1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    found = [f for f in environment(set()) if "other versions" in f.message]
    assert found[0].status == "warn" and "0.0.1" in found[0].message


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (None, "ok", "one for each usable CPU"),
        ("1", "ok", "1 in all by OMP_NUM_THREADS"),
        ("4,2", "warn", "is no whole number"),
        ("100000", "warn", "get in each other's way"),
    ],
)
def test_threads_are_those_a_run_would_use(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, status: str, said: str
) -> None:
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    found = _only(hardware(STORE, RUNS), "threads")
    assert found.status == status and said in found.message
    assert bool(found.next_step) == (status == "warn")


def test_a_place_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "store", Path("/proc/nowhere/store")):
        found = _only(disk("the store", folder, "--store"), "disk of the store")
        assert found.status == "fail" and "--store" in found.next_step
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


# --- plugins -------------------------------------------------------------------------------------


def _site(tmp_path: Path, **modules: str) -> dict[str, str]:
    """An environment in which each module is a plugin of a distribution of its name."""
    for name, text in modules.items():
        _distribution(tmp_path / "site", name, "Version: 1.0\n")
        info = tmp_path / "site" / f"{name}-1.0.dist-info"
        (info / "entry_points.txt").write_text(f"[w2s_toolkit]\n{name} = {name}_module\n")
        (tmp_path / "site" / f"{name}_module.py").write_text(text)
    path = os.pathsep.join([str(tmp_path / "site"), os.environ["PYTHONPATH"]])
    return {**os.environ, "PYTHONPATH": path}


OFFER = """
from w2s_toolkit import Component, Finding, hookimpl
@hookimpl
def w2s_students():
    yield Component("clashing", "nowhere:Class", "{config}", "1", "A student.",
                    requires=("no_such_library",), extra="such-library>=2")
@hookimpl
def w2s_doctor():
    {answer}
"""
GOOD_CONFIG = "w2s_toolkit.executors.config:ExecutorConfig"


def test_plugins_of_every_sort_of_brokenness_are_told_apart(w2s: Any, tmp_path: Path) -> None:
    answers = {
        "raising": "raise ValueError('bad day')",
        "leaving": "raise SystemExit(7)",
        "odd": "print('noise'); return ['not a finding', Finding('x', 'wrong', 'y')]",
        "late": "yield Finding('late', 'warn', 'first', 'then'); yield 1 / 0",
        "silent": "return None",
    }
    modules = {
        name: OFFER.format(answer=answer, config=GOOD_CONFIG) for name, answer in answers.items()
    }
    modules["silent"] = OFFER.format(answer="return None", config="no_such_module:Model")
    modules["syntax"] = "def ("
    modules["typo"] = (
        "from w2s_toolkit import hookimpl\n@hookimpl\ndef w2s_docter():\n    return []\n"
    )
    done = w2s("doctor", "--json", env=_site(tmp_path, **modules))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    sections = {s["name"]: s["findings"] for s in json.loads(done.stdout)["sections"]}
    plugins = {f["name"]: f for f in sections["plugins"]}
    assert "SyntaxError" in plugins["syntax"]["message"]
    assert plugins["syntax"]["next_step"] == "mend it, or remove it: pip uninstall syntax"
    assert "did you mean 'w2s_doctor'" in plugins["typo"]["message"]
    assert plugins["name clash"]["status"] == "fail"
    assert "odd (plugin 'odd') and" in plugins["name clash"]["message"]
    assert "No module named 'no_such_module'" in plugins["students/clashing"]["message"]
    assert plugins["components"]["next_step"] == 'pip install "such-library>=2"'
    assert "ValueError: bad day" in sections["plugin raising (raising)"][0]["message"]
    assert "SystemExit: 7" in sections["plugin leaving (leaving)"][0]["message"]
    assert [f["status"] for f in sections["plugin odd (odd)"]] == ["warn", "warn"]
    late = sections["plugin late (late)"]
    assert late[0]["message"] == "first" and "ZeroDivisionError" in late[1]["message"]
    assert "plugin silent (silent)" not in sections
    assert sections["store"] and sections["runs"]


def test_plugins_answer_the_hook() -> None:
    @hookimpl
    def w2s_doctor() -> Iterator[Finding]:
        yield Finding("lab", "warn", "the lab is closed", "come back tomorrow")

    assert checked(w2s_doctor, "lab")[0].next_step == "come back tomorrow"
    sections = [Section("a", checked(w2s_doctor)), Section("b", [Finding("x", "ok", "y")])]
    assert worst(sections) == "warn" and worst(sections[1:]) == worst([]) == "ok"


def test_the_hugging_face_plugin_says_what_devices_there_are() -> None:
    sections = {s.name: s.findings for s in examine(STORE, RUNS)}
    found = sections["plugin hf (w2s-toolkit)"]
    assert "dtype: auto means" in _only(found, "cpu").message
    assert "hub cache" in {f.name for f in found}


# --- the store -----------------------------------------------------------------------------------

KEYS = [f"{n:02x}" * 32 for n in range(1, 20)]


def _put(key: str, store: Store | None = None) -> Path:
    store = store or Store(STORE)
    work = store.workspace(key)
    (work / "a.txt").write_text("hello")
    return store.commit(key, work, {"kind": "data", "parts": {}}).path


def _break(folder: Path, how: str) -> None:
    target, manifest = folder / "a.txt", folder / "manifest.json"
    if how == "gone":
        target.unlink()
    elif how == "longer":
        target.write_text("hello, world")
    elif how == "same size":
        target.write_text("HELLO")
    elif how == "folder for a file":
        target.unlink()
        target.mkdir()
    elif how == "pipe":
        target.unlink()
        os.mkfifo(target)
    elif how == "manifest is a pipe":
        manifest.unlink()
        os.mkfifo(manifest)
    elif how == "manifest of another":
        manifest.write_text(manifest.read_text().replace(folder.name, KEYS[-1]))
    else:
        manifest.write_text({"empty": "", "list": "[]", "deep": "[" * 100_000}[how])


@pytest.mark.parametrize(
    "how",
    [
        "gone", "longer", "folder for a file", "pipe", "manifest is a pipe",
        "manifest of another", "empty", "list", "deep",
    ],
)  # fmt: skip
def test_every_sort_of_damage_is_found_without_reading_contents(how: str) -> None:
    _put(KEYS[0])
    folder = _put(KEYS[1])
    _break(folder, how)
    found = list(store_health(STORE))
    damage = _only(found, "damaged object")
    assert damage.status == "fail" and str(folder.name)[:12] in damage.message
    assert "rm -r" in damage.next_step
    assert "1 whole object," in _only(found, "objects").message


def test_a_changed_byte_is_found_by_a_deep_look() -> None:
    folder = _put(KEYS[0])
    _break(folder, "same size")
    assert not _named(store_health(STORE), "damaged object")
    found = _only(store_health(STORE, deep=True), "damaged object")
    assert "other content" in found.message


def test_a_deletion_that_was_cut_off_is_finished_by_cleaning(w2s: Any) -> None:
    folder = _put(KEYS[0])
    (folder / "manifest.json").unlink()
    for path in (folder / "a.txt", folder):
        os.utime(path, (0, 0))
    found = _only(store_health(STORE), "unfinished deletion")
    assert found.status == "warn" and "w2s cache gc --store store" in found.next_step
    assert w2s(*found.next_step.split()[1:]).returncode == 0
    assert not folder.exists() and not _named(store_health(STORE), "unfinished deletion")


def test_leftovers_are_told_with_their_size() -> None:
    store = Store(STORE)
    _put(KEYS[0], store)
    for index, folder in enumerate([store.workspace(KEYS[1]), store.scratch(KEYS[2], 1)]):
        (folder / "part").write_bytes(b"x" * 1500)
        if index:
            for path in (*folder.iterdir(), folder):
                os.utime(path, (0, 0))
    found = list(store_health(STORE))
    assert _only(found, "tmp").status == "ok"
    scratch = _only(found, "scratch")
    assert scratch.status == "warn" and "1.5 kB" in scratch.message
    assert "w2s cache gc --store store" in scratch.next_step


def test_locks_of_the_dead_are_told_from_those_of_the_living() -> None:
    _put(KEYS[0])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    locks = STORE / "locks"
    locks.mkdir()
    here = socket.gethostname()
    owners = {
        KEYS[1]: f"process {os.getpid()} on {here}",
        KEYS[2]: f"process {gone.pid} on {here}",
        KEYS[3]: "process 1 on another-machine",
        KEYS[4]: "\0garbage",
    }
    for key, text in owners.items():
        (locks / f"{key}.owner").write_text(text)
    held, stale = _named(store_health(STORE), "locks")
    assert (held.status, stale.status) == ("ok", "warn")
    assert KEYS[1][:12] in held.message and "another-machine" in held.message
    assert f"{KEYS[2]}.owner" in stale.next_step and f"{KEYS[4]}.owner" in stale.next_step
    subprocess.run(stale.next_step, shell=True, check=True)
    assert len(_named(store_health(STORE), "locks")) == 1


def test_what_no_run_uses_and_what_cleaning_would_wrongly_delete_are_told(
    toy_recipe: Path,
) -> None:
    folder = _run(toy_recipe)
    assert not _named(store_health(STORE), "unused objects")
    _put(KEYS[0])
    assert "1 object (5 B)" in _only(store_health(STORE), "unused objects").message
    plan = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(plan[:100])
    found = _only(store_health(STORE), "run in use")
    assert found.status == "fail" and "w2s cache gc" in found.next_step
    folder.rename("elsewhere")
    assert "18 objects" in _only(store_health(STORE), "unused objects").message
    assert len(list((STORE / "runs").iterdir())) == 1, "looking forgets nothing"


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("place", ["objects", "objects/ab", "runs", "locks", "tmp", "scratch"])
@pytest.mark.parametrize("what", ["file", "loop", "folder"])
def test_a_store_of_garbage_is_described_not_crashed_on(place: str, what: str) -> None:
    target = STORE / place
    target.parent.mkdir(parents=True)
    if what == "file":
        target.write_bytes(b"\xff\x00")
    elif what == "loop":
        _loop(target)
    else:
        (target / "x.owner" / "manifest.json").mkdir(parents=True)
        _loop(target / "y")
    sections = list(examine(STORE, RUNS, deep=True))
    assert sections[-1].name == "runs"
    for finding in (f for s in sections for f in s.findings):
        assert finding.message and (finding.next_step or finding.status == "ok")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_folders_of_somebody_else_are_described(tmp_path: Path) -> None:
    _put(KEYS[0])
    RUNS.mkdir(mode=0o700)
    (STORE / "objects" / KEYS[0][:2]).chmod(0o700)
    tmp_path.chmod(0o755)
    child = os.fork()
    if not child:  # pragma: no cover
        code = 1
        try:
            os.setuid(65534)
            found = [
                *checked(lambda: store_health(STORE)),
                *checked(lambda: runs_health(STORE, RUNS)),
            ]
            failed = {f.name for f in found if f.status == "fail" and f.next_step}
            code = 0 if failed == {"unreadable", "check"} else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- runs ----------------------------------------------------------------------------------------


def test_a_killed_run_can_be_gone_on_with_until_another_one_finished(toy_recipe: Path) -> None:
    folder = _run(toy_recipe)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (folder / "status").write_text("running\n")
    log = (folder / "events.jsonl").read_text().splitlines()
    start = {**json.loads(log[0]), "pid": gone.pid}
    (folder / "events.jsonl").write_text("\n".join([json.dumps(start), *log[1:]]) + "\n")
    found = _only(runs_health(STORE, RUNS), "killed run")
    assert found.status == "warn"
    assert found.next_step == f"w2s run {folder}/resolved.yaml --store store --runs runs"
    _run(toy_recipe)
    assert not _named(runs_health(STORE, RUNS), "killed run")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plan.json", "{"), ("plan.json", "[]"), ("plan.json", '{"stages": [1]}'),
        ("results.json", "[" * 100_000), ("results.json", "\0"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_read_is_a_failure(toy_recipe: Path, file: str, text: str) -> None:
    folder = _run(toy_recipe)
    (folder / file).write_text(text)
    found = [f for f in runs_health(STORE, RUNS) if f.status == "fail"]
    assert len(found) == 1 and folder.name in found[0].message and found[0].next_step


@pytest.mark.parametrize("file", ["recipe.yaml", "status", "events.jsonl", "env.json"])
def test_a_run_without_one_of_its_files_is_looked_at(w2s: Any, toy_recipe: Path, file: str) -> None:
    folder = _run(toy_recipe)
    (folder / file).unlink()
    assert not [f for f in runs_health(STORE, RUNS) if f.status == "fail"]
    listed = w2s("runs", "ls")
    assert listed.returncode == 0 and folder.name in listed.stdout
