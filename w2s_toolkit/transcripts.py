"""Transcripts of oversight protocols and verdicts of judges, as stages leave them.

Both are JSON lines. The first line of a file holds the version and what is true of all lines,
``{"w2s": 1, "kind": "transcripts", "protocol": "debate", …}``; each further line is a :class:`Turn`
or a :class:`Verdict`. Fields that a reader does not know are left out, so that a protocol may add
some without a new version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from w2s_toolkit.errors import DataError

SCHEMA = 1
TRANSCRIPTS, VERDICTS = "transcripts.jsonl", "verdicts.jsonl"

T = TypeVar("T")


@dataclass(frozen=True)
class Turn:
    """What one speaker said once. Holds no gold.

    Attributes:
        example_id: the row it is about.
        protocol: component that asked for it.
        order: 0, or 1 for the second order of a protocol that is held in both.
        round: from 1.
        speaker: an id such as ``debater_0``.
        text: what the others read.
        side: index of the choice that it argues for.
        sample: number of the candidate among several.
        visibility: ``all``, or ``nobody`` for a candidate that was not taken.
        said: what the model wrote, where that differs from ``text``.
        quotes: each with ``text`` and ``verified``, whether the source holds it.
        request: hash of what was asked, or the key of the call.
        usage: tokens read and written, where they are known.
        flags: remarks on the request.
    """

    example_id: str
    protocol: str
    order: int
    round: int
    speaker: str
    text: str
    side: int | None = None
    sample: int = 0
    visibility: str = "all"
    said: str | None = None
    quotes: tuple[Mapping[str, Any], ...] = ()
    request: str = ""
    usage: Mapping[str, int] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a judge makes of one row.

    Attributes:
        example_id: the row.
        p: probability of each choice; empty where there is no verdict.
        label: index of the most probable choice; None likewise.
        method: how it was found: ``likelihood``, ``logprobs``, ``samples``, ``schema``, ``verdict``.
        mass: least probability of all answers together, over orders; None where that means nothing.
        censored: whether an answer was missing from what a server lists.
        per_order: for each order, ``order``, the choices as they were listed, and ``p`` of each
            choice, aligned.
        flipped: whether the orders differ in their most probable choice.
        status: ``ok`` or ``unscored``.
        reason: why there is no verdict.
        usage: tokens that it took.
    """

    example_id: str
    p: tuple[float, ...] = ()
    label: int | None = None
    method: str = ""
    mass: float | None = None
    censored: bool = False
    per_order: tuple[Mapping[str, Any], ...] = ()
    flipped: bool = False
    status: str = "ok"
    reason: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)


def write_lines(path: Path, head: Mapping[str, Any], rows: Iterable[Turn | Verdict]) -> None:
    """Write a file of turns or of verdicts, its first line ``head`` with the version."""
    with path.open("w", encoding="utf-8") as file:
        for line in ({"w2s": SCHEMA, **head}, *map(asdict, rows)):
            file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")


def read_turns(path: Path) -> tuple[dict[str, Any], Iterator[Turn]]:
    """First line of a file of turns, and the turns, read as they are asked for.

    Raises:
        DataError: the file cannot be read, has another version, or a line that is no turn.
    """
    return _read(path, Turn)


def read_verdicts(path: Path) -> tuple[dict[str, Any], Iterator[Verdict]]:
    """First line of a file of verdicts, and the verdicts, read as they are asked for.

    Raises:
        DataError: the file cannot be read, has another version, or a line that is no verdict.
    """
    return _read(path, Verdict)


def _read(path: Path, kind: type[T]) -> tuple[dict[str, Any], Iterator[T]]:
    lines = _lines(path)
    head = next(lines, (1, None))[1]
    if not isinstance(head, dict) or head.get("w2s") != SCHEMA:
        raise DataError(
            f"these transcripts are not of version {SCHEMA}",
            where=str(path),
            next_step="read them with the version of w2s-toolkit that made them",
        )
    return head, (_made(kind, values, f"{path}:{number}") for number, values in lines)


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    # Bytes, since a text may hold characters other than a line feed that end a line.
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield number, json.loads(line)
    except OSError as error:
        raise DataError(
            f"the transcripts cannot be read: {error.strerror or error}", where=str(path)
        ) from None
    except (ValueError, RecursionError):
        raise DataError(
            "this line is not JSON", where=f"{path}:{number}", next_step=_MAKE_AGAIN
        ) from None


_MAKE_AGAIN = "the file is damaged: run the recipe again, which finds that out and makes it anew"


def _made(kind: type[T], values: Any, where: str) -> T:
    wanted = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict):
        values = {}
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in wanted
    }
    wrong = [name for name, value in given.items() if not _fits(value, str(wanted[name]))]
    missing = [
        f.name
        for f in fields(kind)  # type: ignore[arg-type]
        if f.default is MISSING and f.default_factory is MISSING and f.name not in given
    ]
    if wrong or missing:
        said = [f"{name} is of another type" for name in wrong]
        said += [f"{name} is missing" for name in missing]
        raise DataError(
            f"this line is no {kind.__name__.lower()}: {', '.join(said)}",
            where=where,
            next_step=_MAKE_AGAIN,
        )
    return kind(**given)


def _fits(value: Any, wanted: str) -> bool:
    """Whether a value is of a field's type, as far as rendering it depends on that."""
    if value is None:
        return "None" in wanted
    if wanted.startswith("tuple[Mapping"):
        return isinstance(value, tuple) and all(isinstance(v, dict) for v in value)
    if wanted.startswith("Mapping"):
        return isinstance(value, dict)
    kinds: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
    plain = kinds.get(wanted.partition(" ")[0], tuple)
    return isinstance(value, plain)
