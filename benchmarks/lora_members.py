"""Eight members of an ensemble that are adapters of one model, beside eight runs of one member each.

One recipe trains and labels with bagging over adapters: a process holds one copy of the weights they
belong to. The single runs train one adapter each, every one with an empty store and a process of its
own. Memory is what all processes of a run hold at once (resident, sampled), and also that above what a
process holds that has only imported the libraries.

    python benchmarks/lora_members.py [--members 8] [--rows 256] [--hidden 640] [--layers 8]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from _machine import describe

RECIPE = """\
schema: 1
name: members
models:
  base: {use: hf, id: base, peft: {r: 8}}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: ROWS, pool: ROWS, test: 64}
phases:
  - name: first
    pool: pool
    supervisors:
      - {use: finetuned, model: base, lr: 0.003, epochs: 1, choose_on: null}
    student: null
    evaluate: [accuracy]
"""
WORDS = (
    "bad poor ugly dull awful".split(),
    "good fine lovely bright great".split(),
)
FILLER = "the a film was story and plot acting very with of it seemed end".split()


class Taken(NamedTuple):
    """What a run took."""

    seconds: float
    peak: int


def main() -> None:
    """Run both ways and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--rows", type=int, default=256, help="rows of weak_train and of the pool")
    parser.add_argument("--hidden", type=int, default=640)
    parser.add_argument("--layers", type=int, default=8)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        weights = _make(home, options)
        print(f"base of {weights / 1e6:.0f}M weights, {options.rows} rows to train on and to label")
        bagging = f"{{use: bagging, members: {options.members}, by: [data, seeds]}}"
        together = _run(home, "together", f"phases.first.ensemble={bagging}")
        alone = [_run(home, f"alone{n}", f"seed={n}") for n in range(options.members)]
        libraries = _watched([sys.executable, "-c", "import w2s_hf.fit, peft"]).peak
    one = float(np.median([taken.peak for taken in alone]))
    cold = sum(taken.seconds for taken in alone)
    print(f"{'':<28}{'seconds':>9}{'peak MB':>9}")
    print(f"{'one member, median':<28}{cold / len(alone):>9.1f}{one / 1e6:>9.0f}")
    print(f"{f'{len(alone)} separate runs':<28}{cold:>9.1f}")
    print(
        f"{f'{len(alone)} members in one':<28}{together.seconds:>9.1f}{together.peak / 1e6:>9.0f}"
    )
    print(f"time: {together.seconds / cold:.2f} of the separate runs")
    print(
        f"peak memory: {together.peak / one:.2f} of one member's, "
        f"{(together.peak - libraries) / (one - libraries):.2f} without libraries"
    )


def _make(home: Path, options: argparse.Namespace) -> int:
    from w2s_hf.tiny import make_tiny_model

    draw = np.random.default_rng(0)
    rows = []
    for number in range(2 * options.rows + 100):
        words = [*draw.choice(FILLER, 24), *draw.choice(WORDS[number % 2], 2), str(number)]
        opinion = ("negative", "positive")[number % 2]
        rows.append({"text": " ".join(draw.permutation(words)), "opinion": opinion})
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [row["text"] for row in rows]
    make_tiny_model(home / "base", texts, hidden=options.hidden, layers=options.layers)
    (home / "members.yaml").write_text(RECIPE.replace("ROWS", str(options.rows)))
    return (home / "base" / "model.safetensors").stat().st_size // 4


def _run(home: Path, name: str, override: str) -> Taken:
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(home / "members.yaml"), "--quiet"]
    places = ["--store", str(home / name / "store"), "--runs", str(home / name / "runs")]
    return _watched([*command, *places, "--jobs", "1", "--set", override])


def _watched(command: list[str]) -> Taken:
    """Run a command to its end and watch the memory of all its processes."""
    started, peak = time.perf_counter(), 0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family))
        except psutil.Error:
            pass  # one has ended in between
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Taken(time.perf_counter() - started, peak)


if __name__ == "__main__":
    main()
