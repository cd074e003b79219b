"""A recipe in two phases on made-up words, for what has to be quick: a few seconds a run."""

import json
import random
from pathlib import Path

RECIPE = """\
schema: 1
name: rounds
models:
  weak: {use: toy}
  mid: {use: toy, letters: 3}
  strong: {use: toy}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: 40, pool: 600, pool_2: 1800, val: 100, anchor: 2100, test: 400}
phases:
  - name: bootstrap
    pool: pool
    supervisors: [{use: toy_bayes, model: weak, train_on: weak_train}]
    refine: []
    student: {use: toy_linear, model: mid}
    evaluate: [accuracy, {use: pgr, replicates: 200}]
  - name: recursive
    pool: {split: pool_2, fold_by_round: true}
    repeat: {max_rounds: 3, promote: {on: anchor, delta: 0.02}}
    supervisors: [{use: auto_aligner, model: "@prev.student"}]
    refine: []
    student: {use: toy_linear, model: strong}
    evaluate: [accuracy, {use: pgr, replicates: 200}, {use: drift, on: anchor, replicates: 200}]
"""


def write(folder, rows=7000):
    """Rows whose words speak for their class two times in three; returns the recipe's path."""
    folder = Path(folder)
    draw = random.Random(0)
    letters = "bcdfghjklmnprstvz"
    made = sorted({a + v + b + w for a in letters for v in "aeiou" for b in letters for w in "ao"})
    draw.shuffle(made)
    words = {"negative": made[:40], "positive": made[40:80]}
    other = {"negative": "positive", "positive": "negative"}
    with (folder / "rows.jsonl").open("w") as file:
        for number in range(rows):
            own = ("negative", "positive")[number % 2]
            sides = [own if draw.random() < 0.65 else other[own] for _ in range(15)]
            text = " ".join(draw.choice(words[side]) for side in sides)
            file.write(json.dumps({"text": text, "opinion": own}) + "\n")
    path = folder / "rounds.yaml"
    path.write_text(RECIPE)
    return path
