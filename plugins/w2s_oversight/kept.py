"""What was said in a stage that has not ended: stopped at its budget, interrupted, or still at it.

Such a stage has no transcript yet. Its journal, which outlives it, holds what its models have answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_oversight import words
from w2s_oversight.cases import cases_of
from w2s_oversight.journal import FILE, read_records
from w2s_oversight.talk import TURN, turn_of
from w2s_toolkit.data import Dataset
from w2s_toolkit.transcripts import Turn

UNDECIDED = "undecided"
"""Visibility of candidates among which nobody has chosen yet."""


def kept_turns(scratch: Path, stage: Mapping[str, Any], data: Dataset) -> dict[str, list[Turn]]:
    """Turns by row, in the order in which they are spoken; of some rows there may be a part alone.

    Args:
        scratch: private folder of the stage.
        stage: its entry in the run's ``plan.json``.
        data: the rows that it was given.
    """
    path = scratch / FILE
    if not path.is_file():
        return {}
    records, _ = read_records(path)
    config, seed = stage["parts"]["config"], int(stage["parts"]["seed"])
    secret = words.delimiter(seed)
    cases = cases_of(data, data.info.question, config.get("text"), config.get("passage"))
    sources = {case.id: case.source for case in cases}
    protocol = str(stage["component"]).rpartition("/")[2]
    several = int(config.get("best_of", 1)) > 1
    found: dict[str, list[Turn]] = {}
    for key, record in records.items():
        place = _place(key)
        if place is None or "text" not in record or place["example_id"] not in sources:
            continue
        shown = UNDECIDED if several and place["speaker"] != "judge" else "all"
        source = sources[place["example_id"]]
        turn = turn_of(record, source, secret, protocol=protocol, visibility=shown, **place)
        found.setdefault(turn.example_id, []).append(turn)
    for turns in found.values():
        turns.sort(key=lambda t: (t.round, t.speaker != "judge", t.order, t.speaker, t.sample))
    return found


def _place(key: str) -> dict[str, Any] | None:
    """What the key of a turn says; None for another key."""
    head, _, rest = key.partition("/")
    parts = rest.rsplit("/", 5)  # an id may hold slashes, the others do not
    if head != TURN or len(parts) != 6:
        return None
    row, order, number, speaker, side, sample = parts
    return {
        "example_id": row,
        "order": int(order),
        "round": int(number),
        "speaker": speaker,
        "side": None if side == "None" else int(side),
        "sample": int(sample),
    }
