"""``kill -9`` in the middle of things; ``benchmarks/kills.py`` does it at many more points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_w2s.killing import Check

TINY = """\
schema: 1
name: tiny
models:
  weak: {use: hf, id: teacher, device: cpu}
  strong: {use: hf, id: teacher, device: cpu}
task:
  use: table
  path: rows.jsonl
  template: "{text}"
  choices: [negative, positive]
  label: opinion
  splits: {weak_train: 40, pool: 96, val: 40, test: 60}
phases:
  - name: first
    pool: pool
    supervisors:
      - {use: finetuned, model: weak, epochs: 2, checkpoint_seconds: 0, lr: 0.003}
    student:
      {use: classifier, model: strong, epochs: 3, checkpoint_seconds: 0, loss: {use: logconf}}
    evaluate: [accuracy]
"""


@pytest.fixture
def tiny_recipe(toy_recipe: Path) -> Path:
    from w2s_hf.tiny import make_tiny_model

    texts = [json.loads(line)["text"] for line in Path("rows.jsonl").read_text().splitlines()]
    make_tiny_model(Path("teacher"), texts, hidden=32)
    path = toy_recipe.with_name("tiny.yaml")
    path.write_text(TINY)
    return path


@pytest.mark.slow(seconds=35)
def test_killed_in_an_epoch_after_the_first(w2s: Any, tiny_recipe: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    check = Check(tmp_path, tiny_recipe, "--threads", "2", "--jobs", "2", w2s=w2s)
    # The fifth checkpoint of a process is written in the second epoch of whatever it trains.
    assert not check.killed("epoch", "*|open|checkpoint.new|5")
    steps = [
        json.loads(p.read_text())["counters"].get("resumed_at_step", 0)
        for p in (tmp_path / "epoch" / "store").glob("objects/*/*/manifest.json")
    ]
    assert max(steps) >= 3, "it began the training anew"


def test_killed_in_the_commit_window_and_in_mid_stage(
    w2s: Any, toy_recipe: Path, tmp_path: Path
) -> None:
    check = Check(tmp_path, toy_recipe, w2s=w2s)
    assert not check.killed("before", "train|os.rename|/objects/|1")
    assert not check.killed("after", "evaluate|open|/objects/.. |1")
    assert not check.killed("results", "*|open|results.json|1")
    assert not check.killed("stage", f"fit|*||{check.counts['fit'] // 2}")


def test_a_killed_worker_is_a_failed_stage_that_goes_on(
    w2s: Any, toy_recipe: Path, tmp_path: Path
) -> None:
    check = Check(tmp_path, toy_recipe, "--threads", "2", "--jobs", "2", w2s=w2s)
    assert not check.killed("worker", "*|open|tmp.*manifest.json|4")
