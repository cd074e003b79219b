"""Command lines as processes of their own, forked from one that has imported what they need.

Most of a small ``w2s`` command's time is spent on imports. ``python forked.py`` does them once,
computes nothing, and then forks for each command that it reads from standard input. Each child is
a process like any other: its own arguments, environment, folder, output and exit code. It runs the
package as ``python -m w2s_toolkit`` does and ends as an interpreter ends.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

LIGHT = (
    "w2s_toolkit.run", "w2s_toolkit.executors.inprocess", "w2s_toolkit.report.html",
    "w2s_toolkit.cli.main", "w2s_toolkit.cli.run", "w2s_toolkit.cli.plan", "w2s_toolkit.cli.runs",
    "matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg",
    "pyarrow.parquet", "pyarrow.json", "pyarrow.csv",
)  # fmt: skip
"""What every run imports: nothing here starts a thread."""

TORCH = (
    "torch", "transformers", "transformers.models.llama.modeling_llama",
    "transformers.models.gpt2.modeling_gpt2", "transformers.models.bert.modeling_bert",
    "w2s_hf.classifier", "w2s_hf.finetuned", "w2s_hf.loading", "w2s_hf.sft_trainer",
)  # fmt: skip
"""What runs with networks import beyond that; no threads either, before anything is computed."""

FIXED = ("PYTHONPATH", "PYTHONHASHSEED", "OMP_NUM_THREADS")
"""An interpreter, or a library when it is loaded, reads these once."""


class Forks:
    """A process that waits, with ``modules`` imported, for commands to fork for."""

    def __init__(self, modules: Sequence[str] = LIGHT) -> None:
        self._fixed = _fixed(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fit(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork is what a new process with this environment would be."""
        return sys.platform == "linux" and _fixed(environment) == self._fixed

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``w2s`` with these arguments in a folder; nothing to read from standard input.

        Raises:
            RuntimeError: the waiting process has ended.
            subprocess.TimeoutExpired: as :func:`subprocess.run` does.
        """
        with tempfile.TemporaryDirectory() as place:
            out, err = Path(place, "out"), Path(place, "err")
            asked = {
                "command": list(command), "folder": str(folder), "environment": dict(environment),
                "out": str(out), "err": str(err),
            }  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            pid = self._answer()
            late = threading.Timer(timeout, os.kill, (pid, 9))
            late.start()
            code = self._answer()
            if not late.is_alive():
                raise subprocess.TimeoutExpired(list(command), timeout)
            late.cancel()
            said = [path.read_text(encoding="utf-8") for path in (out, err)]
        return subprocess.CompletedProcess(list(command), code, *said)

    def close(self) -> None:
        """Let the waiting process go."""
        self._process.communicate()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the waiting process ended with {self._process.wait()}")
        return int(line)


def _fixed(environment: Mapping[str, str]) -> list[str | None]:
    return [environment.get(name) for name in FIXED]


def _wait() -> dict[str, Any] | None:
    """Fork for every line; what a child has to do is returned in the child, nothing in the parent."""
    for line in sys.stdin:
        assert not (others := _threads()), f"an import started {others}: children are without them"
        pid = os.fork()
        if pid == 0:
            return dict(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def _threads() -> set[str]:
    """Names of this process's threads beside the first, but for one that its library starts again."""
    tasks = Path("/proc/self/task").iterdir()
    names = {t.joinpath("comm").read_text().strip() for t in tasks if int(t.name) != os.getpid()}
    return names - {"jemalloc_bg_thd"}


def _become(asked: dict[str, Any]) -> None:
    """Take over folder, environment, arguments and output of the command that was asked for."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    files = [os.open(asked[name], os.O_WRONLY | os.O_CREAT) for name in ("out", "err")]
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["w2s", *asked["command"]]
    # What ``python -m`` puts first is the folder that it is started in.
    sys.path[0] = asked["folder"]


if __name__ == "__main__":
    for module in sys.argv[1:]:
        import_module(module)
    if asked := _wait():
        _become(asked)
        runpy.run_module("w2s_toolkit", run_name="__main__", alter_sys=True)
