"""Rounds of repeated phases that two runs decided otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_toolkit.compare.observations import group_name
from w2s_toolkit.compare.side import Side

_FIELDS = {"cell", "phase", "round", "promoted", "stop"}

Round = tuple[str, str, int]
"""Combination of axes, phase, round."""


def decision_changes(a: Side, b: Side) -> list[dict[str, Any]]:
    """Rounds in which another number of students was promoted.

    ``a`` and ``b``: ``promoted`` of so many ``students``, one a seed, or None where a run did not come so
    far. Round 0 is the test of the first supervisor, which is "promoted" if the rounds began.
    """
    one, two = _decided(a.results), _decided(b.results)
    if len({r[0] for r in one}) == len({r[0] for r in two}) == 1:
        # One combination each: they are compared even where the matrix names them differently.
        (name,) = {r[0] for r in one}
        two = {(name, *rest): found for (_, *rest), found in two.items()}  # type: ignore[misc]
    return [
        {"group": group, "phase": phase, "round": number, "a": one.get(key), "b": two.get(key)}
        for key in dict.fromkeys([*one, *two])
        if one.get(key) != two.get(key)
        for group, phase, number in [key]
    ]


def _decided(results: Mapping[str, Any]) -> dict[Round, dict[str, int]]:
    cells = results.get("cells") or []
    out: dict[Round, dict[str, int]] = {}
    for row in results.get("rounds") or []:
        if not isinstance(row, dict) or not row.keys() >= _FIELDS or row["cell"] >= len(cells):
            continue
        key = (group_name(cells[row["cell"]]["axes"]), str(row["phase"]), int(row["round"]))
        found = out.setdefault(key, {"promoted": 0, "students": 0})
        found["promoted"] += bool(row["promoted"] if row["round"] else not row["stop"])
        found["students"] += 1
    return out
