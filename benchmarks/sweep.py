"""A sweep as one recipe beside the same cells run one by one, each with an empty store.

2 weak models x 2 strong models x 2 losses x 3 seeds, all tiny transformers made on the spot and
trained on made-up reviews. Prints how many stages the cells have, how many of them they share, how
many ran, and both times. The single runs start Python and import torch 24 times, as they would.

    python benchmarks/sweep.py [--rows 1500] [--jobs N]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _machine import describe

AXES = {
    "phases.first.supervisors.finetuned.model": ["weak1", "weak2"],
    "phases.first.student.model": ["strong1", "strong2"],
    "phases.first.student.loss.use": ["xent", "logconf"],
    "seed": [0, 1, 2],
}
RECIPE = """\
schema: 1
name: sweep
models:
  weak1: {use: hf, id: weak1}
  weak2: {use: hf, id: weak2}
  strong1: {use: hf, id: strong1}
  strong2: {use: hf, id: strong2}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: ROWS, pool: ROWS, val: 200, test: 600}
phases:
  - name: first
    pool: pool
    supervisors:
      - {use: finetuned, model: weak1, lr: 0.001}
    student: {use: classifier, model: strong1, lr: 0.0005, epochs: 2}
    evaluate: [accuracy, pgr]
"""


def main() -> None:
    """Run both ways and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000, help="rows of weak_train and of the pool")
    parser.add_argument("--jobs", type=int, help="stages side by side in the sweep")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _make(home, options.rows)
        jobs = ["--jobs", str(options.jobs)] if options.jobs else []
        matrix = [f"matrix.{axis}={json.dumps(values)}" for axis, values in AXES.items()]
        sweep = _run(home, "sweep", matrix, *jobs)
        cells = list(itertools.product(*AXES.values()))
        alone = [
            _run(
                home, f"cell{n}", [f"{a}={json.dumps(v)}" for a, v in zip(AXES, cell, strict=True)]
            )
            for n, cell in enumerate(cells)
        ]
    planned = sum(one["stages"] for one in alone)
    total = sum(one["seconds"] for one in alone)
    print(
        f"{len(cells)} cells: {planned} stages planned, {planned - sweep['stages']} shared, "
        f"{sweep['stages']} distinct, {sweep['ran']} run"
    )
    print(f"one recipe        {sweep['seconds']:>7.1f} s ({sweep['how']})")
    print(f"cells one by one  {total:>7.1f} s, each started anew ({alone[0]['how']})")
    print(f"share of the time of the single cells: {sweep['seconds'] / total:.2f}")


def _make(home: Path, number: int) -> None:
    from w2s_hf.tiny import make_tiny_model
    from w2s_toolkit.testing.reviews import rows

    table = list(rows(seed=1, number=3 * number + 1500))
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    texts = [str(row["text"]) for row in table]
    for name, hidden, layers in (
        ("weak1", 32, 1), ("weak2", 32, 2), ("strong1", 96, 3), ("strong2", 128, 4),
    ):  # fmt: skip
        make_tiny_model(home / name, texts, hidden=hidden, layers=layers)
    (home / "sweep.yaml").write_text(RECIPE.replace("ROWS", str(number)))


def _run(home: Path, name: str, overrides: list[str], *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "w2s_toolkit", "run", str(home / "sweep.yaml"), "--quiet"]
    command += [
        *options,
        "--store",
        str(home / name / "store"),
        "--runs",
        str(home / name / "runs"),
    ]
    for override in overrides:
        command += ["--set", override]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    folder = next((home / name / "runs").iterdir())
    usage = json.loads((folder / "usage.json").read_text())
    how = json.loads((folder / "schedule.json").read_text())
    return {
        "seconds": seconds,
        "stages": len(json.loads((folder / "plan.json").read_text())["stages"]),
        "ran": len(usage["ran"]),
        "how": f"{how['jobs']} stages side by side on {how['threads']} threads, {how['executor']}",
    }


if __name__ == "__main__":
    main()
