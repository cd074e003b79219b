"""Rounds of repeated phases as a table: who supervised, who was taught, what was decided and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from w2s_toolkit.report.terminal import blank, line, table
from w2s_toolkit.report.wording import Axes, Row, count, number

if TYPE_CHECKING:
    from rich.console import Console

NOT_PROMOTED = "not promoted"

FEW = 4
"""Above this many loops only shares are shown."""


def print_rounds(console: Console, results: Mapping[str, Any]) -> None:
    """A table a loop, or one over all where they are many; nothing where there is none."""
    loops = _loops(results)
    if 0 < len(loops) <= FEW:
        for title, rows in loops.items():
            _loop(console, title, rows)
    elif loops:
        _shares(console, results)


class Told(NamedTuple):
    """One round of one cell: who supervised whom, accuracy of both on the anchor, what was decided and why."""

    where: str
    round: str
    supervisor: str
    student: str
    accuracy: float | None
    before: float | None
    decided: str
    reason: str


class Rounds(NamedTuple):
    """All rounds of a repeated phase; ``shares``: (round, promoted, students) by round."""

    phase: str
    shares: list[tuple[int, int, int]]
    told: list[Told]
    ends: list[tuple[str, str]]


def rounds(results: Mapping[str, Any]) -> list[Rounds]:
    """Rounds by phase; ``ends`` says where and why each loop of it ended."""
    cells = results.get("cells") or []
    axes = Axes([cell["axes"] for cell in cells])
    out: dict[str, Rounds] = {}
    for row in results.get("rounds") or []:
        phase = out.setdefault(str(row["phase"]), Rounds(str(row["phase"]), [], [], []))
        where = axes.label(cells[row["cell"]]["axes"])
        if row["round"]:
            scores = row.get("accuracy") or {}
            told = Told(
                where,
                str(row["round"]),
                str(row.get("supervisor") or ""),
                str(row.get("student") or ""),
                scores.get("student"),
                scores.get("supervisor"),
                _decided(row),
                str(row.get("reason") or ""),
            )
            phase.told.append(told)
        if row.get("stop"):
            phase.ends.append((where, row["stop"]))
    for phase in out.values():
        for number_ in dict.fromkeys(told.round for told in phase.told):
            own = [t for t in phase.told if t.round == number_]
            yes = sum(t.decided != NOT_PROMOTED for t in own)
            phase.shares.append((int(number_), yes, len(own)))
    return list(out.values())


def _loops(results: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Rows of each repeated phase and cell, by title."""
    cells = results.get("cells") or []
    axes = Axes([cell["axes"] for cell in cells])
    found: dict[str, list[Row]] = {}
    for row in results.get("rounds") or []:
        where = axes.label(cells[row["cell"]]["axes"])
        title = " · ".join(filter(None, (f"rounds of {row['phase']}", where)))
        found.setdefault(title, []).append(row)
    return found


def _loop(console: Console, title: str, rows: Sequence[Row]) -> None:
    taught = [row for row in rows if row["round"]]
    columns = [
        ("round", [str(row["round"]) for row in taught], True),
        ("supervisor", [row["supervisor"] for row in taught], False),
        ("student", [row["student"] for row in taught], False),
        ("on anchor", [number(row["accuracy"].get("student")) for row in taught], True),
        ("supervisor's", [number(row["accuracy"].get("supervisor")) for row in taught], True),
        ("", [_decided(row) for row in taught], False),
    ]
    if taught:
        table(console, title, columns, 1)
    for row in rows:
        if row["reason"] and row["round"]:
            kept = "all the same" if row["promoted"] else "not promoted"
            line(console, row["reason"], f"round {row['round']}, {kept}: ", style="dim")
    line(console, rows[-1]["stop"], f"{'end' if taught else title + ', none'}: ", style="dim")
    blank(console)


def _decided(row: Row) -> str:
    if not row["promoted"]:
        return NOT_PROMOTED
    return "promoted, but failed" if row.get("reason") else "promoted"


def _shares(console: Console, results: Mapping[str, Any]) -> None:
    """How often each round was reached and its student promoted."""
    rounds: dict[tuple[str, int], list[Row]] = {}
    for row in results["rounds"]:
        if row["round"]:
            rounds.setdefault((row["phase"], row["round"]), []).append(row)
    columns = [
        ("phase", [phase for phase, _ in rounds], False),
        ("round", [str(number_) for _, number_ in rounds], True),
        ("promoted", [f"{sum(r['promoted'] for r in rows)} of {len(rows)}" for rows in rounds.values()], True),
    ]  # fmt: skip
    loops = len({(row["cell"], row["phase"]) for row in results["rounds"]})
    table(console, f"rounds of {count(loops, 'loop')}", columns, 2)
    blank(console)
