"""What a run shows while it works: bars on a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol


class Display(Protocol):
    """Shows events."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal clean."""


def make_display(total: int, *, quiet: bool = False) -> Display:
    """A display that fits where stderr goes."""
    if quiet:
        return Silent()
    return Bars(total) if sys.stderr.isatty() else Lines(total)


class Silent:
    """Shows nothing."""

    def event(self, event: Mapping[str, Any]) -> None:
        """See :class:`Display`."""

    def close(self) -> None:
        """See :class:`Display`."""


class Lines:
    """A line when a stage ends, a line every ten seconds while it works; cached ones are counted."""

    EVERY = 10.0

    def __init__(self, total: int) -> None:
        self._total, self._done, self._cached = total, 0, 0
        self._spoke_at = time.monotonic()

    def event(self, event: Mapping[str, Any]) -> None:
        """See :class:`Display`."""
        kind = event["event"]
        if kind == "stage_finished":
            self._finished(event)
        elif kind == "warning":
            self._say(f"  note ({event['stage']}): {event['message']}")
        elif kind in ("stage_waits", "decided"):
            self._total += event["added"]
        elif kind == "waiting":
            self._say(f"  {event['stage']}: waiting, {event['holder']} is making it")
        elif kind == "progress" and time.monotonic() - self._spoke_at > self.EVERY:
            self._say(f"  {event['stage']}: {progress_text(event)}")

    def close(self) -> None:
        """See :class:`Display`."""
        self._flush_cached()

    def _finished(self, event: Mapping[str, Any]) -> None:
        if event["status"] == "cached":
            self._done += 1
            self._cached += 1
            return
        self._flush_cached()
        if event["status"] == "ran":
            self._done += 1
        words = {"ran": "done", "failed": "FAILED", "partial": "stopped at the budget"}
        mark = words.get(event["status"], event["status"])
        place = f"[{self._done}/{self._total}]"
        self._say(f"{place} {event['stage']}: {mark} in {event['seconds']:.1f} s")

    def _flush_cached(self) -> None:
        if self._cached:
            noun = "stage" if self._cached == 1 else "stages"
            self._say(f"[{self._done}/{self._total}] {self._cached} {noun} cached")
            self._cached = 0

    def _say(self, text: str) -> None:
        self._spoke_at = time.monotonic()
        print(text, file=sys.stderr, flush=True)


class Bars:
    """One bar for the run, one for each running stage, finished stages above them."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._total = total
        self._run = self._progress.add_task("run", total=total, note="")
        self._bars: dict[str, Any] = {}
        self._cached = 0
        self._progress.start()

    def event(self, event: Mapping[str, Any]) -> None:
        """See :class:`Display`."""
        kind = event["event"]
        if kind == "stage_started":
            bar = self._progress.add_task(_escape(event["stage"]), total=None, note="")
            self._bars[event["stage"]] = bar
        elif kind == "progress" and event["stage"] in self._bars:
            self._progress.update(
                self._bars[event["stage"]],
                completed=event["done"],
                total=event["total"] or None,
                note=_escape(f"{event['label']} {event['note']}"),
            )
        elif kind == "warning":
            self._console.print(f"  [yellow]note[/] {_escape(event['message'])}")
        elif kind == "waiting":
            holder = _escape(event["holder"])
            self._console.print(f"  waiting for {_escape(event['stage'])}: {holder} is making it")
        elif kind == "stage_waits":
            self._progress.remove_task(self._bars.pop(event["stage"]))
            self._add(event["added"])
        elif kind == "decided":
            self._add(event["added"])
        elif kind == "stage_finished":
            self._finished(event)

    def close(self) -> None:
        """See :class:`Display`."""
        self._progress.stop()
        if self._cached:
            self._console.print(f"  [dim]{self._cached} cached[/]")

    def _add(self, number: int) -> None:
        self._total += number
        self._progress.update(self._run, total=self._total)

    def _finished(self, event: Mapping[str, Any]) -> None:
        bar = self._bars.pop(event["stage"], None)
        if bar is not None:
            self._progress.remove_task(bar)
        if event["status"] in ("ran", "cached"):
            self._progress.advance(self._run)
        if event["status"] == "cached":
            self._cached += 1
            return
        marks = {"ran": "[green]✓[/]", "failed": "[red]✗[/]"}
        mark = marks.get(event["status"], "[yellow]■[/]")
        text = f"{mark} {_escape(event['stage'])} [dim]{event['seconds']:.1f} s[/]"
        self._console.print(text)


def progress_text(event: Mapping[str, Any]) -> str:
    """``epoch 1: 40/126 loss 0.61``."""
    return f"{event['label']}: {event['done']}/{event['total']} {event['note']}".rstrip()


def _escape(text: Any) -> str:
    from rich.markup import escape

    return escape(str(text))
