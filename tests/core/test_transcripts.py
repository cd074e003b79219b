"""The files of transcripts and verdicts: what is read of them, and what damage is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit.errors import DataError
from w2s_toolkit.transcripts import read_turns, read_verdicts

TURN = {"example_id": "a", "protocol": "debate", "order": 0, "round": 1, "speaker": "x", "text": ""}


def _write(path: Path, *lines: Any, head: Any = None) -> Path:
    first = {"w2s": 1, "protocol": "debate"} if head is None else head
    path.write_bytes(b"".join(json.dumps(v, ensure_ascii=False).encode() + b"\n" for v in (first, *lines)))  # fmt: skip
    return path


def test_turns_are_read_one_by_one(tmp_path: Path) -> None:
    # U+2028 and others end a line for str.splitlines, but not in JSON lines.
    text = "one\u2028two\x85three"
    quotes = [{"text": "one", "verified": True}]
    later = {**TURN, "text": text, "side": 1, "quotes": quotes, "of a later version": 3}
    head, turns = read_turns(_write(tmp_path / "t.jsonl", TURN, later))
    assert head["protocol"] == "debate"
    first, second = turns
    assert (first.side, first.visibility, first.quotes) == (None, "all", ())
    assert (second.text, second.side, second.quotes) == (text, 1, tuple(quotes))


def test_verdicts_are_read(tmp_path: Path) -> None:
    line = {"example_id": "a", "p": [0.25, 1], "label": 1, "method": "samples", "flipped": True}
    _, (scored, unscored) = _both(_write(tmp_path / "v.jsonl", line, {"example_id": "b", "status": "unscored"}))  # fmt: skip
    assert (scored.p, scored.label, scored.flipped, scored.status) == ((0.25, 1), 1, True, "ok")
    assert (unscored.p, unscored.label, unscored.status) == ((), None, "unscored")


def _both(path: Path) -> tuple[dict[str, Any], list[Any]]:
    head, verdicts = read_verdicts(path)
    return head, list(verdicts)


@pytest.mark.parametrize("head", [{"w2s": 2}, {}, [], "w2s"])
def test_another_version_is_refused(tmp_path: Path, head: Any) -> None:
    with pytest.raises(DataError, match="not of version 1"):
        read_turns(_write(tmp_path / "t.jsonl", TURN, head=head))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({k: v for k, v in TURN.items() if k != "text"}, "no turn"),
        ({**TURN, "order": "first"}, "order is of another type"),
        ({**TURN, "text": None}, "text is of another type"),
        ({**TURN, "quotes": ["one"]}, "quotes is of another type"),
        ([1], "no turn"),
    ],
)
def test_a_line_that_is_no_turn_is_named(tmp_path: Path, line: Any, said: str) -> None:
    _, turns = read_turns(_write(tmp_path / "t.jsonl", TURN, line))
    with pytest.raises(DataError) as found:
        list(turns)
    assert said in str(found.value)
    assert found.value.where.endswith("t.jsonl:3")


@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_damage_is_named(tmp_path: Path, damage: bytes) -> None:
    path = _write(tmp_path / "t.jsonl", TURN)
    path.write_bytes(path.read_bytes() + damage)
    _, turns = read_turns(path)
    with pytest.raises(DataError, match="not JSON") as found:
        list(turns)
    assert found.value.where.endswith("t.jsonl:3")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_turns(tmp_path / "none.jsonl")
