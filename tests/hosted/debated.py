"""A recipe of hosted debates, runs of it in processes of their own, and what became of every debate."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import w2s_recipes

from w2s_toolkit.calls import Call, Ledger, Spent, Standing
from w2s_toolkit.calls.desk import ledger_path

if TYPE_CHECKING:
    from fault_proxy import Proxy

UNKNOWN = ("drop", "truncated", "html", "empty", "stall")
"""Faults after which nobody can tell whether the call was paid for."""

RECIPE = """\
schema: 1
name: debated
models:
  judge: {{use: lab, id: lab-xs, dtype: float32, device: cpu}}
  debater: {debater}
  opponent: {opponent}
task:
  use: lab_claims
  rows: {rows}
  rows_seed: 7
  splits: {{pool: {half}, test: {half}}}
baselines: []
phases:
  - name: heard
    pool: pool
    oversight:
      - use: debate
        debater: debater
        opponent: opponent
        rounds: {rounds}
        prompts: prompts
        text: 'Text: (.*)\\nClaim:'
        max_tokens: {most}
    supervisors: [{{use: judge, model: judge}}]
    student: null
    evaluate: [accuracy, oversight]
{end}
"""


def hosted(url: str, model: str, **settings: Any) -> str:
    """An entry of ``models:`` for a server."""
    given = {"max_concurrency": 8, "max_attempts": 8, "max_wait_s": 0.5, "timeout_s": 20.0}
    return json.dumps({"use": "openai", "id": model, "base_url": url, **given, **settings})


def local(model: str, **settings: Any) -> str:
    """An entry of ``models:`` for a model of the lab in the run itself."""
    given = {"use": "lab", "id": model, "dtype": "float32", "device": "cpu"}
    return json.dumps(given | settings)


def write_recipe(
    path: Path,
    debater: str,
    *,
    debates: int,
    opponent: str = "",
    rounds: int = 2,
    most: int = 8,
    end: str = "",
) -> Path:
    """The recipe for so many debates, half of them on the pool and half on the test split."""
    prompts = path.parent / "prompts"
    shutil.copytree(Path(w2s_recipes.__file__).parent / "lab" / "debate", prompts)
    for side in ("yes", "no"):  # the second round hears the first one
        opening = (prompts / f"opening.{side}.txt").read_text()
        (prompts / f"critique.{side}.txt").write_text("{transcript} " + opening)
    text = RECIPE.format(
        debater=debater,
        opponent=opponent or debater,
        rows=max(16, 2 * debates),
        half=debates // 2,
        rounds=rounds,
        most=most,
        end=end,
    )
    path.write_text(text, encoding="utf-8")
    return path


def run_args(recipe: Path, place: Path, *more: str) -> list[str]:
    """Of ``w2s run`` with a store and runs of its own below ``place``."""
    folders = ["--store", str(place / "store"), "--runs", str(place / "runs")]
    return ["run", str(recipe), "-q", *folders, "--jobs", "1", "--threads", "1", *more]


def start(recipe: Path, place: Path, *more: str) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "w2s_toolkit", *run_args(recipe, place, *more)]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(
        command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def run_here(recipe: Path, place: Path, *more: str) -> tuple[int, str]:
    """A run in this process: its exit code, and what it said on stderr."""
    from w2s_toolkit.cli.main import entry

    before, said = sys.argv, io.StringIO()
    sys.argv = ["w2s", *run_args(recipe, place, *more)]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            entry()
    except SystemExit as end:
        return int(end.code or 0), said.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("a command ends in an exit code")


@dataclass(frozen=True)
class Held:
    """The last run below a folder, and the ledger beside it."""

    place: Path

    @property
    def run(self) -> Path:
        """Its folder."""
        return max((self.place / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    @property
    def status(self) -> str:
        """How it ended."""
        return (self.run / "status").read_text().strip()

    def files(self, name: str) -> dict[str, bytes]:
        """The stages' files of this name, by stage."""
        stages = self.run / "stages"
        found = sorted(stages.rglob(f"*/{name}")) if stages.is_dir() else []
        return {str(path.parent.relative_to(stages)): path.read_bytes() for path in found}

    def results(self) -> bytes:
        """``results.json``."""
        return (self.run / "results.json").read_bytes()

    def kept(self) -> set[str]:
        """Keys of the answers that lie in the call cache."""
        return {path.stem for path in (self.place / "store" / "calls").rglob("*.json")}

    def ledger(self) -> tuple[Spent, Standing]:
        """What was settled and what stands, over all runs."""
        ledger = Ledger(ledger_path(self.place / "store", "debated"))
        try:
            return ledger.total(), sum(ledger.standing().values(), Standing())
        finally:
            ledger.close()

    def settled(self) -> list[int]:
        """Settled tokens after every line of the ledger."""
        total, sums = 0, []
        path = ledger_path(self.place / "store", "debated")
        for line in path.read_text().splitlines() if path.exists() else ():
            entry = json.loads(line)
            total += entry.get("prompt_tokens", 0) + entry.get("completion_tokens", 0)
            sums.append(total)
        return sums


def lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Records of a file of JSON lines after its head."""
    yield from (json.loads(line) for line in content.splitlines()[1:])


def turns(held: Held) -> dict[tuple[str, int, str], str]:
    """What was said, by stage's row, round and speaker."""
    said = [t for text in held.files("transcripts.jsonl").values() for t in lines(text)]
    return {(t["example_id"], t["round"], t["speaker"]): t["text"] for t in said}


def problems(held: Held, debates: int, rounds: int = 2) -> list[str]:
    """What is wrong with the transcripts and verdicts of a finished run; nothing where all is well."""
    found: list[str] = []
    turns = [t for text in held.files("transcripts.jsonl").values() for t in lines(text)]
    places = Counter((t["example_id"], t["round"], t["speaker"]) for t in turns)
    each = Counter(t["example_id"] for t in turns)
    found += [f"turn {place} is there {n} times" for place, n in places.items() if n > 1]
    found += [f"debate {row} has {n} turns" for row, n in each.items() if n != 2 * rounds]
    if len(each) != debates:
        found.append(f"{len(each)} debates of {debates}")
    verdicts = [v for text in held.files("verdicts.jsonl").values() for v in lines(text)]
    if {v["example_id"] for v in verdicts} != set(each) or len(verdicts) != debates:
        found.append(f"{len(verdicts)} verdicts on {debates} debates")
    unscored = [v["reason"] for v in verdicts if v["status"] != "ok"]
    return found + [f"not scored: {reason}" for reason in unscored]


def differences(one: Held, other: Held) -> list[str]:
    """In which files of results, turns and verdicts two runs differ by a byte."""
    found = ["results.json"] if one.results() != other.results() else []
    for name in ("transcripts.jsonl", "verdicts.jsonl"):
        mine, theirs = one.files(name), other.files(name)
        found += [f"{s}/{name}" for s in sorted({*mine, *theirs}) if mine.get(s) != theirs.get(s)]
    return found


def misaccounted(held: Held, proxy: Proxy) -> list[str]:
    """Where the ledger and what the proxy saw disagree, after runs that were not killed."""
    settled, standing = held.ledger()
    unknown = sum(proxy.met[fault] for fault in UNKNOWN)
    pairs = {
        "settled calls": (settled.calls, sum(proxy.completed.values())),
        "tokens read": (settled.prompt_tokens, proxy.usage[0]),
        "tokens written": (settled.completion_tokens, proxy.usage[1]),
        "standing calls": (standing.calls, unknown),
        "calls answered twice": (max(proxy.completed.values(), default=1), 1),
    }
    return [f"{what}: {mine}, the proxy saw {seen}" for what, (mine, seen) in pairs.items() if mine != seen]  # fmt: skip


def asked_again(proxy: Proxy, before: Mapping[str, int], kept: set[str]) -> list[str]:
    """Requests that were sent since ``before`` though their answers were kept already."""
    since = [name for name, number in proxy.sent.items() if number > before.get(name, 0)]
    return [name for name in since if _key(proxy, proxy.given[name]) in kept]


def _key(proxy: Proxy, body: Mapping[str, Any]) -> str:
    """The key under which the answer to a body is kept."""
    call = Call.of(
        endpoint=proxy.url, model=str(body["model"]), revision=None, body=body, sample_index=0
    )
    return call.key


def know(url: str, model: str) -> None:
    """That a server can do nothing special, so that none is probed."""
    from w2s_openai.known import Known
    from w2s_toolkit.calls import endpoint_of

    Known(endpoint_of(url), model, "2026-01-01", "max_tokens", 0, False, False).write()


def ended(
    process: subprocess.Popen[str],
    until: Callable[[], bool] | None = None,
    by: signal.Signals = signal.SIGKILL,
    within: float = 900,
) -> str:
    """Wait for a run, or end it by a signal once ``until`` holds; what it said on stderr.

    A run that hangs is an error after ``within`` seconds.
    """
    while until is not None and process.poll() is None:
        if until():
            process.send_signal(by)
            break
        time.sleep(0.002)
    _, said = process.communicate(timeout=within)
    return said
