"""The result as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

ROLES = {
    "weak_floor": "weak floor",
    "supervisor": "supervisor",
    "student": "weak-to-strong student",
    "strong_ceiling": "strong ceiling",
}


def print_summary(results: Mapping[str, Any]) -> None:
    """Print what was found, a table a phase and combination of axes, to stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for group, phase, rows in groups(results["summary"]):
        title = " · ".join([phase, *(f"{k}={v}" for k, v in group.items())])
        table = Table(title=f"{results['recipe']} · {title}", title_justify="left")
        for column in ("role", "model", "split", "metric"):
            table.add_column(column, overflow="fold")
        for column in ("value", "95% interval", "n"):
            table.add_column(column, justify="right", no_wrap=True)
        last = ""
        for row in ordered(rows):
            if last and row["role"] != last:
                table.add_section()
            last = row["role"]
            table.add_row(
                ROLES.get(row["role"], row["role"]),
                row["model"],
                row["split"],
                row["metric"],
                number(row["value"]),
                interval(row),
                "" if row["n"] is None else str(row["n"]),
            )
        console.print(table)
        for row in rows:
            if row["reason"]:
                console.print(f"  {row['role']} {row['metric']}: {row['reason']}", markup=False)
        _print_seeds(console, results, group, phase)
    for item in results["signatures"]:
        console.print(f"[bold yellow]warning[/] {item['name']}: {item['message']}")
    for item in results["warnings"]:
        console.print(f"note ({item['stage']}): {item['message']}", markup=False)


def groups(summary: Sequence[Row]) -> list[tuple[Mapping[str, Any], str, list[Row]]]:
    """Summary rows by combination of axes and phase, in the order they come."""
    out: list[tuple[Mapping[str, Any], str, list[Row]]] = []
    for row in summary:
        for group, phase, rows in out:
            if group == row["group"] and phase == row["phase"]:
                rows.append(row)
                break
        else:
            out.append((row["group"], row["phase"], [row]))
    return out


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Rows by role: floor, supervisor, student, ceiling."""
    order = list(ROLES)
    return sorted(rows, key=lambda r: order.index(r["role"]) if r["role"] in order else len(order))


def number(value: float | None) -> str:
    """Three decimals, or a dash for a value that cannot be given."""
    return "–" if value is None else f"{value:.3f}"


def interval(row: Row) -> str:
    """``0.612 – 0.655``."""
    if row["low"] is None and row["high"] is None:
        return ""
    return f"{number(row['low'])} – {number(row['high'])}"


def _print_seeds(console: Any, results: Mapping[str, Any], group: Row, phase: str) -> None:
    """Below five seeds every seed is shown."""
    cells = [
        i
        for i, c in enumerate(results["cells"])
        if {k: v for k, v in c["axes"].items() if k != "seed"} == dict(group)
    ]
    if not 1 < len(cells) < 5:
        return
    for cell in cells:
        rows = [r for r in results["rows"] if r["cell"] == cell and r["phase"] == phase]
        shown = []
        for role in ROLES:
            found = [r for r in rows if r["role"] == role and r["metric"] == "accuracy"]
            shown += [f"{ROLES[role]} ({r['split']}) {number(r['value'])}" for r in found]
        pgr = [r["value"] for r in rows if r["metric"] == "pgr"]
        shown += [f"PGR {number(v)}" for v in pgr]
        console.print(f"  seed {results['cells'][cell]['seed']}: {', '.join(shown)}", markup=False)
