"""Reliability bins of a block, from an evaluator's table ``bins``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.wording import ROLES, canonical

TABLE = "bins"

Points = list[dict[str, Any]]


def bins_of(block: Block, tables: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Role -> bins in order of confidence; the supervisor only where it is not the floor."""
    out: dict[str, Points] = {}
    for role in ROLES:
        for table in tables:
            if table["table"] == TABLE and table["role"] == role and belongs(table, block):
                out.setdefault(role, _over_seeds(table["rows"]))
    if out.get("supervisor") == out.get("weak_floor"):
        out.pop("supervisor", None)
    return {role: points for role, points in out.items() if points}


def belongs(table: Mapping[str, Any], block: Block) -> bool:
    """Whether a table is about a block; tables of single seeds have a cell in place of a group."""
    return (
        "group" in table
        and table["phase"] == block.phase
        and table["split"] == block.split
        and canonical(table["group"]) == canonical(block.group)
    )


def _over_seeds(rows: Sequence[Mapping[str, Any]]) -> Points:
    """Equal bins of several seeds as one, rows counting alike."""
    found: dict[tuple[float, float], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("n"):
            found.setdefault((row["low"], row["high"]), []).append(row)
    points = []
    for (low, high), parts in found.items():
        n = sum(p["n"] for p in parts)
        point: dict[str, Any] = {"low": low, "high": high, "n": n}
        for name in ("confidence", "accuracy"):
            point[name] = sum(p["n"] * p[name] for p in parts) / n
        points.append(point)
    return sorted(points, key=lambda p: float(p["confidence"]))
