"""The shipped recipe of local students and a hosted assistant, against a real server on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("openai")
pytest.importorskip("sklearn")

from w2s_toolkit.recipe.load import find_recipe, load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.run import Outcome, run_recipe

TINY = (
    "task.rows=400",
    "task.splits={weak_train: 12, pool_1: 12, pool_2: 12, val: 12, anchor: 24, test: 12}",
    "phases.bootstrap.oversight.interaction.max_tokens=16",
    "phases.bootstrap.oversight.debate.max_tokens=16",
    "phases.bootstrap.supervisors.finetuned.epochs=1",
    "phases.bootstrap.ensemble.members=2",
    "phases.recursive.repeat.max_rounds=1",
    # A student of twelve rows would not be promoted.
    "phases.recursive.repeat.promote.enforce=false",
    "baselines=[weak_floor]",
)


@pytest.mark.slow(seconds=25)
def test_two_phases_run_with_a_hosted_assistant(lab_server: str, tmp_path: Path) -> None:
    from w2s_lab.family import folder

    registry = Registry()
    helper = (f"models.helper.id={folder('lab-l')}", f"models.helper.base_url={lab_server}")

    def run() -> Outcome:
        recipe = load_recipe(find_recipe("two_phase_mixed", registry), registry, (*TINY, *helper))
        here = {"store": tmp_path / "store", "runs": tmp_path / "runs"}
        return run_recipe(recipe, registry, **here, quiet=True, executor="inprocess")

    first = run()
    assert first.error is None
    results = json.loads((first.folder / "results.json").read_text())
    assert [(r["phase"], r["round"], r["promoted"]) for r in results["rounds"] if r["round"]] == [
        ("recursive", 1, True)
    ]
    (used,) = [row for row in results["settings"] if row["phase"] == "bootstrap"]
    assert used["oversight"] == ["interaction", "debate"]
    assert used["ensemble"] == "bagging"
    for protocol, turns in (("0/interaction", 12), ("1/debate", 24)):
        folder_of = first.folder / f"stages/bootstrap/oversight/{protocol}/test"
        head, *said = (folder_of / "transcripts.jsonl").read_text().splitlines()
        assert len(said) == turns, head
        assert all(json.loads(turn)["text"] for turn in said)

    tokens = {r["role"]: r["value"] for r in results["rows"] if r["metric"] == "tokens_per_row"}
    assert tokens["supervisor"] > 0, "the ensemble's labels lead to what was said before it"
    spent = _settled(first)
    assert spent["calls"] == 4 * 12 * 3  # on four splits, one explanation and two arguments a row
    assert 0 < spent["prompt_tokens"] + spent["completion_tokens"] < 3_000_000
    again = run()
    assert again.error is None
    assert (again.folder / "results.json").read_bytes() == (
        first.folder / "results.json"
    ).read_bytes()
    assert _settled(again) == spent, "nothing is asked twice"


def _settled(outcome: Outcome) -> dict[str, int]:
    usage = json.loads((outcome.folder / "usage.json").read_text())
    return usage["hosted"]["all_runs"]["settled"]  # type: ignore[no-any-return]
