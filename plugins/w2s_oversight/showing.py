"""Transcripts on a terminal: the row, what was said, the verdict, both orders side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2s_oversight.kept import UNDECIDED
from w2s_oversight.reading import Talked
from w2s_toolkit.data import Example
from w2s_toolkit.report.terminal import blank, line, print_with
from w2s_toolkit.report.wording import count, number, printable
from w2s_toolkit.transcripts import Turn, Verdict

if TYPE_CHECKING:
    from rich.console import Console

SO_FAR = "not ended: what is kept so far; run the recipe again to go on"
"""Said of a stage that has no transcript yet."""

NARROW = 90
"""On fewer columns, two orders are shown one below the other."""


def print_list(talks: Sequence[Talked]) -> None:
    """Each stage with its whole name, what was said in it and what a judge made of that."""

    def draw(console: Console) -> None:
        for talk in talks:
            line(console, talk.stage or talk.judged, style="bold")
            if talk.stage:
                said = f"{count(_turns(talk), 'turn')} about {count(len(talk.turns), 'row')}"
                line(console, f"  {talk.protocol}: {said if talk.turns else 'no turns'}")
            if talk.judged:
                line(console, f"  {_judged(talk)}")
            if not talk.ended:
                line(console, f"  {SO_FAR}", style="yellow")

    print_with(draw)


def _turns(talk: Talked) -> int:
    return sum(map(len, talk.turns.values()))


def _judged(talk: Talked) -> str:
    where = f"{talk.judged}: " if talk.stage else ""
    scored = [verdict for verdict in talk.verdicts.values() if verdict.status == "ok"]
    unscored = len(talk.verdicts) - len(scored)
    flipped = sum(verdict.flipped for verdict in scored)
    return f"{where}{count(len(scored), 'verdict')}, {flipped} flipped, {unscored} unscored"


def print_rows(
    rows: Sequence[tuple[Talked, Example]], left: int, *, candidates: bool = False
) -> None:
    """Rows in full, with candidates that were not taken or without; ``left`` is how many more rows there are."""

    def draw(console: Console) -> None:
        for talk, row in rows:
            _row(console, talk, row, candidates)
        if left:
            line(console, f"{count(left, 'more row')} like these; --limit shows more", style="dim")

    print_with(draw)


def _row(console: Console, talk: Talked, row: Example, candidates: bool) -> None:
    line(console, f"{row.id} · {talk.name}", style="bold")
    if not talk.ended:
        line(console, SO_FAR, style="yellow")
    line(console, row.prompt)
    if row.choices:
        gold = None if row.gold is None else row.choices[row.gold]
        shown = ", ".join(row.choices) + (f" (right: {gold})" if gold is not None else "")
        line(console, shown, "choices: ", style="dim")
    said = talk.turns.get(row.id, [])
    turns = [turn for turn in said if candidates or turn.visibility != "nobody"]
    orders = sorted({turn.order for turn in turns})
    if len(orders) > 1:
        _side_by_side(console, [[t for t in turns if t.order == o] for o in orders], row)
    else:
        blank(console)
        for turn in turns:
            _turn(console, turn, row)
    if left := len(said) - len(turns):
        line(console, f"{count(left, 'candidate')} not taken; --candidates shows them", style="dim")
    verdict = talk.verdicts.get(row.id)
    if verdict is not None:
        _verdict(console, verdict, row)
    blank(console)


def _title(turn: Turn, row: Example) -> str:
    parts = [turn.speaker, f"round {turn.round}"]
    if turn.side is not None:
        parts.append(f"for {row.choices[turn.side]}")
    if turn.visibility == "nobody":
        parts.append(f"candidate {turn.sample + 1}, not taken")
    if turn.visibility == UNDECIDED:
        parts.append(f"candidate {turn.sample + 1}")
    if turn.quotes:
        verified = sum(bool(quote["verified"]) for quote in turn.quotes)
        parts.append(f"{verified} of {count(len(turn.quotes), 'quote')} verified")
    if turn.said is not None:
        parts.append("marks taken out")
    return ", ".join(parts)


def _turn(console: Console, turn: Turn, row: Example) -> None:
    line(console, _title(turn, row), style="cyan")
    line(console, turn.text, "  ")


def _side_by_side(console: Console, orders: Sequence[Sequence[Turn]], row: Example) -> None:
    """Debates held in two orders, one in each column where there is room."""
    from rich.table import Table
    from rich.text import Text

    if console.width < NARROW:
        for at, turns in enumerate(orders):
            line(console, f"order {at + 1}", style="bold dim")
            for turn in turns:
                _turn(console, turn, row)
        return
    made = Table.grid(padding=(0, 2), expand=True)
    cells = []
    for at, turns in enumerate(orders):
        made.add_column(ratio=1)
        text = Text(f"order {at + 1}\n", style="bold")
        for turn in turns:
            text.append(f"{printable(_title(turn, row))}\n", style="cyan")
            text.append(f"{printable(turn.text)}\n", style="not bold")
        cells.append(text)
    made.add_row(*cells)
    console.print(made)


def _verdict(console: Console, verdict: Verdict, row: Example) -> None:
    if verdict.status != "ok" or verdict.label is None:
        line(console, verdict.reason, "no verdict: ", style="yellow")
        return
    right = "" if row.gold is None else (", right" if verdict.label == row.gold else ", wrong")
    flipped = ", flipped between orders" if verdict.flipped else ""
    text = f"{row.choices[verdict.label]} ({number(max(verdict.p))}) by {verdict.method}"
    line(console, f"{text}{right}{flipped}", "verdict: ", style="bold")
    for order in verdict.per_order:
        places = " ".join(
            f"{row.choices[index]} {number(order['p'][index])}" for index in order["order"]
        )
        line(console, places, "  listed as: ", style="dim")
