"""A loop that is killed anywhere goes on where it was and ends in the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_w2s import rounds
from toy_w2s.killing import Check

SMALL = "task.splits={weak_train: 40, pool: 200, pool_2: 400, val: 40, anchor: 400, test: 100}"
POINTS = {
    "in the decision of round 1": "decide|os.rename|.|2",
    "in a part of the anchor": "part|*||40",
    "in a training of the loop": "train|open|slopes|3",
    "in an evaluation": "evaluate|open||120",
}


@pytest.mark.slow(seconds=10)
def test_a_killed_loop_goes_on_and_ends_in_the_same_bytes(w2s: Any, tmp_path: Path) -> None:
    rounds.write(tmp_path, rows=3000)
    sets = ["--set", SMALL, "--set", "phases.recursive.repeat.max_rounds=2", "--jobs", "1"]
    check = Check(tmp_path, tmp_path / "rounds.yaml", *sets, w2s=w2s)
    found = {name: check.killed(name.replace(" ", "-"), point) for name, point in POINTS.items()}
    assert not {name: wrong for name, wrong in found.items() if wrong}
