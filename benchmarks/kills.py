"""Kills a run with SIGKILL at seeded points, runs it again, and compares the bytes of results.json.

The recipe has a stage of every kind and trains real, tiny transformers. Points: somewhere in each
kind of stage, around the moment an artefact is committed, in an epoch after the first, while
results are written, and a worker process instead of the whole run. Every point has a store of its
own. Exit code 1 if any point fails.

    python benchmarks/kills.py [--points 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from _machine import describe

ROOT = Path(__file__).parents[1]
TOY = ROOT / "tests" / "toy_plugin"
KINDS = ("data", "split", "assist", "fit", "label", "refine", "train", "evaluate", "aggregate")

RECIPE = """\
schema: 1
name: kills
models:
  weak: {use: hf, id: teacher, device: cpu}
  strong: {use: hf, id: teacher, device: cpu}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: 48, pool: 96, val: 40, test: 80}
phases:
  - name: first
    pool: pool
    oversight: [{use: toy_hint}]
    supervisors:
      - {use: finetuned, model: weak, epochs: 2, checkpoint_seconds: 0, lr: 0.003}
    refine: [{use: toy_sharpen}]
    student:
      use: classifier
      model: strong
      epochs: 3
      checkpoint_seconds: 0
      loss: {use: logconf, threshold: buffer}
    evaluate: [accuracy, pgr]
matrix:
  seed: [0, 1]
"""


def main() -> int:
    """Run every point; print a line for each and how many held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(TOY)
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, str(TOY))
    from toy_w2s.killing import Check

    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        recipe = _recipe(home)
        check = Check(home, recipe, "--threads", "2", "--jobs", "1")
        beside = Check(home / "two", recipe, "--threads", "2", "--jobs", "2")
        failures = 0
        points = _points(random.Random(options.seed), check.counts)[: options.points]
        for number, (point, workers) in enumerate(points):
            started = time.perf_counter()
            wrong = (beside if workers else check).killed(f"point{number}", point)
            failures += bool(wrong)
            place = "two workers" if workers else "one process"
            print(
                f"{number + 1:>3} {place:<12} {point:<44} {wrong or 'same bytes, nothing run twice'}"
                f"  ({time.perf_counter() - started:.0f} s)",
                flush=True,
            )
    print(f"{len(points) - failures} of {len(points)} points held")
    return 1 if failures else 0


def _recipe(home: Path) -> Path:
    from w2s_hf.tiny import make_tiny_model
    from w2s_toolkit.testing.reviews import rows

    table = list(rows(seed=1, number=600))
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    make_tiny_model(home / "teacher", [str(row["text"]) for row in table], hidden=32)
    path = home / "kills.yaml"
    path.write_text(RECIPE)
    (home / "two").mkdir()
    return path


def _points(rng: random.Random, counts: dict[str, int]) -> list[tuple[str, bool]]:
    """(kind|event|pattern|number, whether two workers run); see ``toy_w2s.faults``."""
    anywhere = [(f"{kind}|*||{rng.randint(1, int(0.9 * counts[kind]))}", False) for kind in KINDS]
    named = [
        ("train|os.rename|objects|1", False),  # before the commit
        ("label|open|objects/.. |3", False),  # after it, before the run knows
        ("fit|open|tmp.*manifest.json|1", False),  # half way through it
        (f"train|open|checkpoint.new|{rng.randint(5, 12)}", False),  # an epoch after the first
        (f"train|os.rename|checkpoint.new|{rng.randint(5, 12)}", False),
        (f"fit|open|checkpoint.new|{rng.randint(4, 5)}", False),
        ("*|open|results.json|1", False),
        ("*|open|checkpoint.new|7", True),
        (f"*|os.rename|objects|{rng.randint(2, 12)}", True),
        (f"*|open|tmp.*parquet|{rng.randint(1, 4)}", True),
        (f"*|*||{rng.randint(20_000, 60_000)}", True),
    ]
    more = [(f"{(kind := rng.choice(KINDS))}|*||{rng.randint(1, int(0.9 * counts[kind]))}", False)
            for _ in range(200)]  # fmt: skip
    return [*anywhere, *named, *more]


if __name__ == "__main__":
    sys.exit(main())
