"""Fixtures that the whole suite shares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked import LIGHT, TORCH, Forks

TOY = Path(__file__).parent / "toy_plugin"
SHARED = Path(__file__).parents[1].parent / "shared"

os.environ["HF_HUB_OFFLINE"] = "1"
# Small stages run faster in one process; tests of side-by-side stages ask for them.
os.environ["W2S_JOBS"] = "1"
# Test files run side by side: more threads than one would only wait for one another. This is read
# when a library is loaded, so it is set before any is.
os.environ["OMP_NUM_THREADS"] = "1"
# The toy plugin is found as any installed distribution is: by its metadata on the path.
sys.path.insert(0, str(TOY))
os.environ["PYTHONPATH"] = os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that side by side none of them is still running when all others are done."""
    seconds: Counter[Path] = Counter()
    counted = set()  # a mark of a class or of a parametrized test is one for all that it marks
    for item in items:
        mark = item.get_closest_marker("slow")
        if mark and id(mark) not in counted:
            counted.add(id(mark))
            seconds[item.path] += mark.kwargs.get("seconds", 6)
    items.sort(key=lambda item: -seconds[item.path])


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own: stores and runs never meet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("W2S_STORE", raising=False)
    monkeypatch.delenv("W2S_RUNS", raising=False)
    monkeypatch.setenv("W2S_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def toy_recipe(tmp_path: Path) -> Path:
    """A recipe of toy components over made-up reviews; runs in a fraction of a second."""
    from toy_w2s.recipe import write_recipe

    return write_recipe(tmp_path)


@pytest.fixture(scope="session")
def light_forks() -> Iterator[Forks]:
    """Processes that have imported what every run imports."""
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def torch_forks() -> Iterator[Forks]:
    """Processes that have imported PyTorch and transformers as well."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    forks = Forks((*LIGHT, *TORCH))
    yield forks
    forks.close()


@pytest.fixture
def forks(light_forks: Forks) -> Forks:
    """Where the processes of :func:`w2s` come from; files whose commands train networks override it."""
    return light_forks


@pytest.fixture
def w2s(tmp_path: Path, forks: Forks) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does: in a process of its own.

    With another option of :func:`subprocess.run` than ``env`` that process is a new interpreter.
    """

    def run(*args: object, **more: object) -> subprocess.CompletedProcess[str]:
        environment = more.get("env", os.environ)
        if not more.keys() - {"env"} and forks.fit(environment):
            return forks.run(list(map(str, args)), tmp_path, environment, timeout=240)
        command = [sys.executable, "-m", "w2s_toolkit", *map(str, args)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=240, cwd=tmp_path, **more
        )

    return run


@pytest.fixture
def fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run a command in this process that must end in one clear error; returns what it said."""
    from w2s_toolkit.cli.main import entry

    def run(*args: object, code: int = 2, next_step: bool = True) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["w2s", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            entry()
        out, shown = capsys.readouterr()
        print(shown)
        assert "Traceback" not in out + shown
        assert end.value.code == code, shown
        assert not next_step or "  next: " in shown
        return out + shown

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data and models; tests that need them are skipped without."""
    if not SHARED.is_dir():
        pytest.skip("the development data and models are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``transformers serve`` with lab-l on a free port of this machine, once for all tests; its base URL."""
    for package in ("torch", "transformers", "fastapi", "openai"):
        pytest.importorskip(package, reason='needs pip install "w2s-toolkit[hf,openai,test]"')
    from served import serving

    from w2s_lab.family import folder

    with serving(folder("lab-l"), tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture
def workers_here() -> Callable[[], list[int]]:
    """Asks for the worker processes that were started in this test's folder."""
    import psutil

    def find() -> list[int]:
        here, found = str(Path.cwd()), []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            line = " ".join(process.info["cmdline"] or ())
            if "w2s_toolkit.worker" in line and process.info["cwd"] == here:
                found.append(process.pid)
        return found

    return find
