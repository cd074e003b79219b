"""A real run of toy components with transcripts beside its labels, for tests that walk its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.report.html import write_report
from w2s_toolkit.run import run_recipe
from w2s_toolkit.transcripts import TRANSCRIPTS, VERDICTS

ORDERS = (0, 1)


def run_toy(recipe: Path, *overrides: str) -> Path:
    """Run a recipe beside itself; its run directory."""
    registry, here = Registry(), recipe.parent
    loaded = load_recipe(recipe, registry, overrides)
    outcome = run_recipe(
        loaded, registry, store=here / "store", runs=here / "runs", quiet=True, executor="inprocess"
    )
    assert outcome.error is None
    return outcome.folder


def talked_run(recipe: Path, said: str = "It is <quote>good</quote>.") -> tuple[Path, list[str]]:
    """A run whose first ten test rows have transcripts and verdicts; the ids of the test rows.

    Row 0's verdict flips with the order, row 1 has none, and each has one turn that was not taken.
    """
    run = run_toy(recipe, "phases.first.oversight=[{use: toy_hint}]")
    ids = pq.read_table(run / "predictions/first/student-test.parquet")["id"].to_pylist()
    (assist,) = (run / "stages/first/oversight").rglob("test")
    write_lines(
        assist / TRANSCRIPTS,
        {"kind": "transcripts", "protocol": "debate"},
        [turn for example in ids[:10] for turn in turns(example, said)],
    )
    write_lines(
        run / "stages/first/supervisor/label/test" / VERDICTS,
        {"kind": "verdicts", "judge": "judge"},
        [verdict(example, number) for number, example in enumerate(ids[:10])],
    )
    write_report(run)
    return run, ids


def turns(example: str, said: str) -> list[dict[str, Any]]:
    """Two orders of a debate of one round, and a candidate that was not taken."""
    head = {"example_id": example, "protocol": "debate", "round": 1, "sample": 0}
    out = [
        {
            **head,
            "order": order,
            "speaker": f"debater_{side}",
            "side": side,
            "visibility": "all",
            "text": f"order {order}, side {side}: {said}",
            "quotes": [{"text": "good", "verified": side == 1}],
        }
        for order in ORDERS
        for side in (0, 1)
    ]
    spare = {"sample": 1, "visibility": "nobody", "text": "the other candidate"}
    return [*out, {**out[0], **spare, "quotes": []}]


def verdict(example: str, number: int) -> dict[str, Any]:
    """Row 0 flips, row 1 is unscored, the others are plain."""
    if number == 1:
        reason = "no rung gave an answer"
        return {"example_id": example, "p": [], "label": None, "method": "none",
                "status": "unscored", "reason": reason}  # fmt: skip
    orders = [{"order": [0, 1], "p": [0.4, 0.6]}, {"order": [1, 0], "p": [0.6, 0.4]}]
    return {"example_id": example, "p": [0.5, 0.5], "label": 0, "method": "likelihood",
            "mass": 0.9, "per_order": orders, "flipped": number == 0, "status": "ok"}  # fmt: skip


def write_lines(path: Path, head: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Version 1 of the format, as a protocol writes it."""
    lines = [{"w2s": 1, **head}, *rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
