"""Turns and verdicts, and the files they are kept in: JSON, one a line, with a version in the first line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from w2s_toolkit.errors import DataError

SCHEMA = 1
TRANSCRIPTS, VERDICTS = "transcripts.jsonl", "verdicts.jsonl"


@dataclass(frozen=True)
class Turn:
    """What one speaker said once. Holds no gold.

    Attributes:
        example_id: of the row it is about.
        protocol: component that asked for it.
        order: 0, or 1 for the second order of a protocol that is held in both.
        round: from 1.
        speaker: an id such as ``debater_0``; names are put on when it is shown.
        side: choice that it argues for.
        sample: number of the candidate.
        visibility: ``all``, or ``nobody`` for a candidate that was not taken.
        text: cleaned; see :func:`words.clean`.
        said: what the model wrote, where that differs.
        quotes: text and whether it was found in the source.
        request: hash of what was asked, or the key of the call.
        usage: tokens read and written, where they are known.
        flags: remarks on the request.
    """

    example_id: str
    protocol: str
    order: int
    round: int
    speaker: str
    side: int | None
    sample: int
    text: str
    visibility: Literal["all", "nobody"] = "all"
    said: str | None = None
    quotes: tuple[Mapping[str, Any], ...] = ()
    request: str = ""
    usage: Mapping[str, int] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a judge makes of one row.

    Attributes:
        p: probability of each choice; empty where there is no verdict.
        label: index of the most probable choice; None likewise.
        method: rung of the ladder: ``likelihood``, ``logprobs``, ``samples``, ``schema``, ``verdict``, or ``none``.
        mass: least probability of all answers together, over orders; None where it means nothing.
        censored: whether an answer was missing from what a server lists.
        per_order: for each order, the choices as they were listed, and the probability of each choice.
        flipped: whether two orders have different most probable choices.
        reason: why there is no verdict.
    """

    example_id: str
    p: tuple[float, ...]
    label: int | None
    method: str
    mass: float | None = None
    censored: bool = False
    per_order: tuple[Mapping[str, Any], ...] = ()
    flipped: bool = False
    status: Literal["ok", "unscored"] = "ok"
    reason: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)


def write_lines(path: Path, head: Mapping[str, Any], rows: Iterable[Any]) -> None:
    """Write a file of dataclasses, its first line ``head`` with the version."""
    with path.open("w", encoding="utf-8") as file:
        for line in ({"w2s": SCHEMA, **head}, *map(asdict, rows)):
            file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")


def read_lines(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The first line of a file and its rows.

    Raises:
        DataError: the file cannot be read, or is of another version.
    """
    try:
        # Not splitlines(): a text may hold other characters that end a line.
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise DataError(f"the transcripts cannot be read: {error}", where=str(path)) from None
    if not rows or rows[0].get("w2s") != SCHEMA:
        raise DataError(
            f"these transcripts are not of version {SCHEMA}",
            where=str(path),
            next_step="read them with the version of w2s-toolkit that made them",
        )
    return rows[0], iter(rows[1:])


def turn_of(values: Mapping[str, Any]) -> Turn:
    """A turn from its line."""
    lists = {name: tuple(values[name]) for name in ("quotes", "flags")}
    return Turn(**{**values, **lists})


def verdict_of(values: Mapping[str, Any]) -> Verdict:
    """A verdict from its line."""
    lists = {name: tuple(values[name]) for name in ("p", "per_order")}
    return Verdict(**{**values, **lists})
