"""The result as a table for people: grasped in five seconds, 80 columns wide, fit for a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.block import Block, ordered
from w2s_toolkit.report.blocks import axes_of, blocks, measured, steps, titles
from w2s_toolkit.report.remarks import FEW, by_name, remarks, signatures, unsaid
from w2s_toolkit.report.rounds import print_rounds
from w2s_toolkit.report.terminal import GAP, blank, line, longest, print_with, table
from w2s_toolkit.report.wording import (
    ROLES,
    SHORT_ROLES,
    Row,
    count,
    estimate,
    measure,
    metric_name,
    number,
    printable,
)

if TYPE_CHECKING:
    from rich.console import Console

FEW_SEEDS = 5
"""Below this many seeds every one is shown."""

FEW_BLOCKS = 4
"""Above this many blocks the comparison stands alone; the HTML report has them all."""


def print_summary(results: Mapping[str, Any]) -> None:
    """Print what was found to stdout: comparison, a table a block, warnings, remarks."""
    print_with(lambda console: _print(console, results))


def _print(console: Console, results: Mapping[str, Any]) -> None:
    found = blocks(results)
    name = printable(results.get("recipe", ""))
    if not found:
        line(console, f"{name}: nothing was evaluated")
    if len(found) > 1:
        _comparison(console, name, found)
    if len(found) <= FEW_BLOCKS:
        for block, title in zip(found, titles(found), strict=True):
            _block(console, " · ".join(filter(None, (name, title or block.phase))), block)
    else:
        line(console, f"The tables of all {len(found)} are in the run's report.html.")
        for note in unsaid(results):
            line(console, note, "note: ", style="dim")
        blank(console)
    print_rounds(console, results)
    for name, told in by_name(signatures(results)).items():
        for message, places in told[:FEW]:
            where = f" [{'; '.join(places)}]" if places else ""
            line(console, f"{name}: {message}{where}", "warning: ", style="bold yellow")
        if len(told) > FEW:
            more = f"{name}: {len(told) - FEW} more of these are in the report"
            line(console, more, "warning: ", style="bold yellow")
    for message, stages in remarks(results):
        head = f"note ({stages[0]}): " if len(stages) == 1 else "note: "
        tail = f" ({len(stages)} stages)" if len(stages) > 1 else ""
        line(console, message + tail, head, style="dim")


def _comparison(console: Console, name: str, found: Sequence[Block]) -> None:
    """One row a block: axes, student, PGR, gain; the supervisor where nobody is taught."""
    axes, metric = axes_of(found), (found[0].columns or ["accuracy"])[0]
    taught = any(b.find("student", metric) for b in found)
    role = "student" if taught else "supervisor"
    values = [
        [
            _value(b.find(role, metric)),
            estimate(b.find("student", "pgr"), 2),
            _value(b.find("student", "gain"), signed=True),
        ]
        for b in found
    ]
    heads = [role, "PGR", "gain"]
    of, several = metric_name(metric), measured(found)
    if several:
        heads = [metric_name(m) for m in several]
        values = [[steps(b, m) for m in several] for b in found]
        of = "supervisor → student"
    keep = [i for i in range(len(heads)) if any(row[i] for row in values)]
    names: list[tuple[str, list[str]]] = [
        (axes.names[a], [axes.value(b.group, a) for b in found]) for a in axes.names
    ]
    for head, column in (("on", [b.split for b in found]), ("phase", [b.phase for b in found])):
        if len(set(column)) > 1:
            names.insert(0, (head, column))
    room = console.width - sum(GAP + longest(heads[i], [r[i] for r in values]) for i in keep)
    if sum(GAP + longest(h, c) for h, c in names) > room:
        stacked = ["\n".join(f"{h}={c[i]}" for h, c in names) for i in range(len(found))]
        names = [("combination", stacked)]
    columns = [(h, c, False) for h, c in names]
    columns += [(heads[i], [r[i] for r in values], True) for i in keep]
    table(
        console,
        f"{name} · {len(found)} combinations, {of}{_over(found)}",
        columns,
        len(names),
    )
    blank(console)


def _over(found: Sequence[Block]) -> str:
    seeds = {len(b.seeds) for b in found}
    return f" over {count(seeds.pop(), 'seed')}" if len(seeds) == 1 else ""


def _value(row: Row | None, *, signed: bool = False) -> str:
    return "" if row is None else number(row["value"], signed=signed)


def _block(console: Console, title: str, block: Block) -> None:
    lines, metrics = block.lines, block.columns
    columns = [("", [x.label for x in lines], False), ("model", [x.model for x in lines], False)]
    for place, metric in enumerate(metrics):
        rows = [x.values.get(metric) for x in lines]
        # One interval is enough to see how sure the table is; the HTML report has them all.
        shown = [estimate(r) if place == 0 or r is None else number(r["value"]) for r in rows]
        columns.append((metric_name(metric), shown, True))
    on = f"{block.split}, {block.size} rows" if block.size else block.split
    table(console, f"{title} · {on}", columns, 2)
    for finding in block.findings:
        line(console, str(finding), style="bold" if finding.name == "PGR" else "", whole=True)
    if block.measures:
        _measures(console, block)
    if 1 < len(block.seeds) < FEW_SEEDS:
        _seeds(console, block)
    for note in block.notes:
        line(console, note, "note: ", style="dim")
    blank(console)


def _measures(console: Console, block: Block) -> None:
    """Metrics of evaluators without a main one: a line a metric, a column a role."""
    roles = ordered({role for _, rows in block.measures for role in rows})
    columns = [("", [metric_name(metric) for metric, _ in block.measures], False)]
    for role in roles:
        cells = [measure(rows.get(role)) for _, rows in block.measures]
        columns.append((SHORT_ROLES.get(role, role), cells, True))
    blank(console)
    table(console, "", columns, 1)


def _seeds(console: Console, block: Block) -> None:
    blank(console)
    rows = block.seed_table
    keys = [k for k in (*ROLES, "pgr", "gain") if any(k in row for row in rows)]
    if all(row.get("supervisor") == row.get("weak_floor") for row in rows):
        keys = [k for k in keys if k != "supervisor"]
    columns = [("seed", [str(row["seed"]) for row in rows], True)]
    for key in keys:
        digits, signed = (2 if key == "pgr" else 3), key == "gain"
        cells = [number(row.get(key), digits, signed=signed) for row in rows]
        columns.append((SHORT_ROLES.get(key) or metric_name(key), cells, True))
    table(console, "", columns, 1)
