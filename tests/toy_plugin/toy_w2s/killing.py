"""Runs a recipe that is killed, runs it again, and compares with a run nobody disturbed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def new_interpreter(*arguments, env):
    """Run ``w2s`` in an interpreter of its own."""
    command = [sys.executable, "-m", "w2s_toolkit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)


class Check:
    """One recipe; each call of :meth:`killed` uses a store of its own below ``folder``.

    ``options`` are added to every ``w2s run``. ``w2s`` starts a process with arguments and ``env``
    and returns what it said, as :func:`subprocess.run` does.
    """

    def __init__(self, folder, recipe, *options, w2s=None):
        self.folder, self.recipe, self.options = Path(folder), str(recipe), options
        self.w2s = w2s or new_interpreter
        self.counts = {}
        counts = self.folder / "counts.json"
        done = self._run("undisturbed", TOY_COUNT=str(counts))
        assert done.returncode == 0, done.stderr
        self.expected = self._results("undisturbed")
        self.counts = json.loads(counts.read_text())

    def killed(self, name, point, *options):
        """Kill at ``point`` (see :mod:`toy_w2s.faults`), go on, and say what is wrong, if anything."""
        dead = self._run(name, *options, TOY_KILL=point)
        failed = any(
            e.get("status") == "failed" and "killed" in e.get("error", "")
            for e in self._events(name)
        )
        if dead.returncode != -signal.SIGKILL and not failed:
            return f"it was not killed (exit code {dead.returncode})"
        kept = self._made(name)
        done = self._run(name, *options)
        if done.returncode:
            return f"it did not go on: {done.stderr[-2000:]}"
        if "Traceback" in dead.stderr + done.stderr:
            return f"traceback: {dead.stderr}{done.stderr}"
        if self._results(name) != self.expected:
            return "results.json differs"
        ran = [e["key"] for e in self._events(name) if e.get("status") == "ran"]
        twice = {key for key in ran if ran.count(key) > 1}
        again = {key for key, when in kept.items() if self._made(name)[key] != when}
        left = list((self.folder / name / "store" / "scratch").glob("*"))
        if twice or again or left:
            return f"made twice: {twice or again}; left behind: {left}"
        return ""

    def _run(self, name, *options, **environment):
        home = self.folder / name
        home.mkdir(exist_ok=True)
        command = ["run", self.recipe, *self.options, *options]
        command += ["--store", str(home / "store"), "--runs", str(home / "runs")]
        return self.w2s(*command, env={**os.environ, **environment})

    def _results(self, name):
        """Of the latest run that has any."""
        found = sorted((self.folder / name / "runs").glob("*/results.json"))
        return max(found, key=lambda p: p.stat().st_mtime_ns).read_bytes()

    def _events(self, name):
        logs = (self.folder / name / "runs").glob("*/events.jsonl")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return [json.loads(line) for line in lines if line.endswith("}")]

    def _made(self, name):
        """When each finished object was made."""
        found = (self.folder / name / "store" / "objects").glob("*/*/manifest.json")
        return {p.parent.name: json.loads(p.read_text())["created"] for p in found}
