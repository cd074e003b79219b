"""The result as a table for people: grasped in five seconds, 80 columns wide, fit for a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import axes_of, blocks, titles
from w2s_toolkit.report.remarks import remarks, signatures, unsaid
from w2s_toolkit.report.wording import (
    ROLES,
    SHORT_ROLES,
    Row,
    count,
    estimate,
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

_WIDEST = 100
_LONGEST_NAME = 18
_GAP = 3


def print_summary(results: Mapping[str, Any]) -> None:
    """Print what was found to stdout: comparison, a table a block, warnings, remarks."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, _WIDEST)
    with console.capture() as captured:
        _print(console, results)
    # Rich pads table rows with blanks, of no use in a file or a mail.
    text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    # A terminal that is not UTF-8 shows question marks rather than ending a long run in an error.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _print(console: Console, results: Mapping[str, Any]) -> None:
    found = blocks(results)
    name = printable(results.get("recipe", ""))
    if not found:
        _line(console, f"{name}: nothing was evaluated")
    if len(found) > 1:
        _comparison(console, name, found)
    if len(found) <= FEW_BLOCKS:
        for block, title in zip(found, titles(found), strict=True):
            _block(console, " · ".join(filter(None, (name, title or block.phase))), block)
    else:
        _line(console, f"The tables of all {len(found)} are in the run's report.html.")
        for note in unsaid(results):
            _line(console, note, "note: ", style="dim")
        _blank(console)
    for name, message, places in signatures(results):
        where = f" [{'; '.join(places)}]" if places else ""
        _line(console, f"{name}: {message}{where}", "warning: ", style="bold yellow")
    for message, stages in remarks(results):
        head = f"note ({stages[0]}): " if len(stages) == 1 else "note: "
        tail = f" ({len(stages)} stages)" if len(stages) > 1 else ""
        _line(console, message + tail, head, style="dim")


def _comparison(console: Console, name: str, found: Sequence[Block]) -> None:
    """One row a block: axes, student, PGR, gain."""
    axes, metric = axes_of(found), (found[0].columns or ["accuracy"])[0]
    values = [
        [
            _value(b.find("student", metric)),
            estimate(b.find("student", "pgr"), 2),
            _value(b.find("student", "gain"), signed=True),
        ]
        for b in found
    ]
    heads = ["student", "PGR", "gain"]
    keep = [i for i in range(len(heads)) if any(row[i] for row in values)]
    names: list[tuple[str, list[str]]] = [
        (axes.names[a], [axes.value(b.group, a) for b in found]) for a in axes.names
    ]
    for head, column in (("on", [b.split for b in found]), ("phase", [b.phase for b in found])):
        if len(set(column)) > 1:
            names.insert(0, (head, column))
    room = console.width - sum(_GAP + _longest(heads[i], [r[i] for r in values]) for i in keep)
    if sum(_GAP + _longest(h, c) for h, c in names) > room:
        stacked = ["\n".join(f"{h}={c[i]}" for h, c in names) for i in range(len(found))]
        names = [("combination", stacked)]
    columns = [(h, c, False) for h, c in names]
    columns += [(heads[i], [r[i] for r in values], True) for i in keep]
    _table(
        console,
        f"{name} · {len(found)} combinations, {metric_name(metric)}{_over(found)}",
        columns,
        len(names),
    )
    _blank(console)


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
    _table(console, f"{title} · {on}", columns, 2)
    for finding in block.findings:
        _line(console, str(finding), style="bold" if finding.name == "PGR" else "", whole=True)
    if 1 < len(block.seeds) < FEW_SEEDS:
        _seeds(console, block)
    for note in block.notes:
        _line(console, note, "note: ", style="dim")
    _blank(console)


def _seeds(console: Console, block: Block) -> None:
    _blank(console)
    table = block.seed_table
    keys = [k for k in (*ROLES, "pgr", "gain") if any(k in line for line in table)]
    if all(line.get("supervisor") == line.get("weak_floor") for line in table):
        keys = [k for k in keys if k != "supervisor"]
    columns = [("seed", [str(line["seed"]) for line in table], True)]
    for key in keys:
        digits, signed = (2 if key == "pgr" else 3), key == "gain"
        cells = [number(line.get(key), digits, signed=signed) for line in table]
        columns.append((SHORT_ROLES.get(key) or metric_name(key), cells, True))
    _table(console, "", columns, 1)


def _table(
    console: Console, title: str, columns: Sequence[tuple[str, list[str], bool]], fixed: int
) -> None:
    """A table of (header, cells, right-aligned) columns.

    Columns that do not fit go into a further table that repeats the first ``fixed`` ones.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if title:
        _line(console, title, style="bold")
    for part in _that_fit(columns, fixed, console.width):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
        for head, _, right in part:
            table.add_column(
                Text(printable(head)),
                justify="right" if right else "left",
                no_wrap=True,
                overflow="ellipsis",
                max_width=None if right else console.width // 2,
            )
        for cells in zip(*(c for _, c, _ in part), strict=True):
            table.add_row(*(Text(printable(c)) for c in cells))
        console.print(table)


def _that_fit(
    columns: Sequence[tuple[str, list[str], bool]], fixed: int, width: int
) -> list[list[tuple[str, list[str], bool]]]:
    head = list(columns[:fixed])
    start = sum(_GAP + _longest(h, c) for h, c, _ in head)
    parts, used = [list(head)], start
    for column in columns[fixed:]:
        need = _GAP + _longest(column[0], column[1])
        if used + need > width and len(parts[-1]) > fixed:
            parts.append(list(head))
            used = start
        parts[-1].append(column)
        used += need
    return parts


def _longest(head: str, cells: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(cell_len(line) for text in (head, *cells) for line in text.split("\n"))


def _line(
    console: Console, text: str, head: str = "", *, style: str = "", whole: bool = False
) -> None:
    """A paragraph with a hanging indent; paths and other long words stay whole.

    Args:
        head: word before it, alone in ``style`` unless ``whole``.
        whole: whether all of it is in ``style``.
    """
    from rich.text import Text

    wrapped = textwrap.wrap(
        printable(head + text).replace("\n", " "),
        console.width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    shown = Text("\n".join(wrapped), style if whole or not head else "")
    if head and not whole:
        shown.stylize(style, 0, len(head.rstrip()))
    console.print(shown, soft_wrap=True)


def _blank(console: Console) -> None:
    console.print()
