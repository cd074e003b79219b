"""Tables and paragraphs on a terminal, which come out as plain text in a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from w2s_toolkit.report.wording import printable

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 100
GAP = 3
"""Blanks between two columns."""


def print_with(draw: Callable[[Console], None]) -> None:
    """Let ``draw`` write on a console of at most :data:`WIDEST` columns, and print that."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    with console.capture() as captured:
        draw(console)
    # Rich pads table rows with blanks, of no use in a file or a mail.
    text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    # A terminal that is not UTF-8 shows question marks rather than ending a long run in an error.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def table(
    console: Console, title: str, columns: Sequence[tuple[str, list[str], bool]], fixed: int
) -> None:
    """A table of (header, cells, right-aligned) columns.

    Columns that do not fit go into a further table that repeats the first ``fixed`` ones.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if title:
        line(console, title, style="bold")
    for part in _that_fit(columns, fixed, console.width):
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
        for head, _, right in part:
            made.add_column(
                Text(printable(head)),
                justify="right" if right else "left",
                no_wrap=True,
                overflow="ellipsis",
                max_width=None if right else console.width // 2,
            )
        for cells in zip(*(c for _, c, _ in part), strict=True):
            made.add_row(*(Text(printable(c)) for c in cells))
        console.print(made)


def _that_fit(
    columns: Sequence[tuple[str, list[str], bool]], fixed: int, width: int
) -> list[list[tuple[str, list[str], bool]]]:
    head = list(columns[:fixed])
    start = sum(GAP + longest(h, c) for h, c, _ in head)
    parts, used = [list(head)], start
    for column in columns[fixed:]:
        need = GAP + longest(column[0], column[1])
        if used + need > width and len(parts[-1]) > fixed:
            parts.append(list(head))
            used = start
        parts[-1].append(column)
        used += need
    return parts


def longest(head: str, cells: Sequence[str]) -> int:
    """Width of the widest line of a column."""
    from rich.cells import cell_len

    return max(cell_len(line) for text in (head, *cells) for line in text.split("\n"))


def line(
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


def blank(console: Console) -> None:
    """An empty line."""
    console.print()
