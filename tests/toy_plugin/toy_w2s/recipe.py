"""The recipe of toy components that tests run: over made-up reviews, in a fraction of a second."""

from __future__ import annotations

import json
from pathlib import Path

RECIPE = """\
schema: 1
name: toy
models:
  weak: {use: toy, letters: 1}
  strong: {use: toy}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: 40, pool: 200, val: 40, test: 200}
phases:
  - name: first
    pool: pool
    supervisors:
      - {use: toy_bayes, model: weak, train_on: weak_train}
    student: {use: toy_student, model: strong}
    evaluate: [accuracy, pgr]
"""


def write_recipe(folder: Path, *, name: str = "toy", more: str = "") -> Path:
    """The recipe and its rows in a folder; every review ends in ``more``."""
    from w2s_toolkit.testing.reviews import rows

    lines = [{**row, "text": row["text"] + more} for row in rows(seed=1, number=600)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / f"{name}.yaml"
    path.write_text(RECIPE.replace("name: toy", f"name: {name}", 1))
    return path
