"""Who was believed: an evaluator's table ``wins`` of a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from w2s_toolkit.report.bins import belongs
from w2s_toolkit.report.block import Block

TABLE = "wins"


class Wins(NamedTuple):
    """How often one side, speaker or truth was believed, and of how many times it was argued for."""

    by: str
    name: str
    won: float
    n: int


def wins_of(block: Block, tables: Sequence[Mapping[str, Any]]) -> list[Wins]:
    """Rows of the supervisor's table over all seeds, each argument counting alike."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for table in tables:
        if table["table"] == TABLE and table["role"] == "supervisor" and belongs(table, block):
            for row in table["rows"]:
                found.setdefault((str(row["by"]), str(row["name"])), []).append(row)
    out = []
    for (by, name), rows in found.items():
        n = sum(row["n"] for row in rows)
        if n:
            out.append(Wins(by, name, sum(row["won"] * row["n"] for row in rows) / n, n))
    return out
