"""Transcripts and verdicts of examples, for the page's browser."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from w2s_toolkit.errors import DataError
from w2s_toolkit.report.artefacts import Artefact
from w2s_toolkit.report.sources import Sources
from w2s_toolkit.transcripts import (
    TRANSCRIPTS,
    VERDICTS,
    Turn,
    Verdict,
    read_turns,
    read_verdicts,
)


class Talks:
    """What was said about examples, by stage.

    Attributes:
        stages: each with ``stage``, ``protocol``, ``turns`` (example id -> turns), ``verdicts``
            (example id -> verdict) and how many there are.
        notes: files that could not be read.
    """

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, sources: Sources, ids: Collection[str]) -> list[int]:
        """Read what the stages behind some labels left; gives their numbers."""
        labelled = [made for _, made in sources.labels]
        found = [self._stage(made, ids) for made in (*sources.evidence, *labelled)]
        return [number for number in found if number is not None]

    def _stage(self, made: Artefact, ids: Collection[str]) -> int | None:
        turns, verdicts = made.folder / TRANSCRIPTS, made.folder / VERDICTS
        if not (turns.is_file() or verdicts.is_file()):
            return None
        if made.key not in self._numbers:
            self._numbers[made.key] = len(self.stages)
            self.stages.append(
                {"stage": made.id, "protocol": made.component, "turns": {}, "verdicts": {}}
            )
        stage = self.stages[self._numbers[made.key]]
        if not stage["turns"] and turns.is_file():
            stage["turns"] = self._turns(turns, ids, made)
        if not stage["verdicts"] and verdicts.is_file():
            stage["verdicts"] = self._verdicts(verdicts, ids, made)
        return self._numbers[made.key]

    def _turns(self, path: Path, ids: Collection[str], made: Artefact) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        try:
            _, turns = read_turns(path)
            for turn in turns:
                if turn.example_id in ids:
                    out.setdefault(turn.example_id, []).append(_plain_turn(turn))
        except DataError as error:
            self._cannot(made, error)
        return out

    def _verdicts(self, path: Path, ids: Collection[str], made: Artefact) -> dict[str, Any]:
        out: dict[str, Any] = {}
        try:
            _, verdicts = read_verdicts(path)
            for verdict in verdicts:
                if verdict.example_id in ids:
                    out[verdict.example_id] = _plain_verdict(verdict)
        except DataError as error:
            self._cannot(made, error)
        return out

    def _cannot(self, made: Artefact, error: DataError) -> None:
        self.notes.append(f"transcripts of {made.id} cannot be read: {error.what}")


def _plain_turn(turn: Turn) -> dict[str, Any]:
    """What the page shows of a turn; what is as always is left out."""
    usual = {"side": None, "sample": 0, "visibility": "all", "said": None}
    values = asdict(turn)
    out = {name: values[name] for name in ("order", "round", "speaker", "text")}
    out |= {name: values[name] for name, value in usual.items() if values[name] != value}
    if turn.quotes:
        quotes = [[str(q.get("text") or ""), bool(q.get("verified"))] for q in turn.quotes]
        out["quotes"] = quotes
    if turn.flags:
        out["flags"] = [str(flag) for flag in turn.flags]
    return out


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    per_order = [
        {
            "order": [int(c) for c in one.get("order") or () if isinstance(c, int)],
            "p": _rounded(one.get("p") or ()),
        }
        for one in verdict.per_order
    ]
    return {
        "p": _rounded(verdict.p),
        "label": verdict.label,
        "method": verdict.method,
        "mass": None if verdict.mass is None else round(verdict.mass, 3),
        "censored": verdict.censored,
        "flipped": verdict.flipped,
        "status": verdict.status,
        "reason": verdict.reason,
        "orders": per_order,
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 3) for v in values if isinstance(v, int | float)]
