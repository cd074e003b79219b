"""Transcripts and verdicts of a run, joined row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_oversight.kept import kept_turns
from w2s_toolkit.data import Dataset, Example
from w2s_toolkit.errors import UsageError
from w2s_toolkit.loading import Run
from w2s_toolkit.registry import suggestion
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.store import Store
from w2s_toolkit.transcripts import (
    TRANSCRIPTS,
    VERDICTS,
    Turn,
    Verdict,
    read_turns,
    read_verdicts,
)


@dataclass(frozen=True)
class Talked:
    """One stage that left transcripts, and the labelling stage that judged by them, if there is one.

    Attributes:
        stage: the stage that left transcripts; empty where the judge had no evidence.
        judged: the stage that left verdicts; empty where none did.
        protocol: component that talked; empty where the judge had no evidence.
        turns: by row.
        verdicts: by row.
        data: rows with gold and evidence.
        ended: whether the stage has; else ``turns`` are those that are kept so far.
    """

    stage: str
    judged: str
    protocol: str
    data: Path
    turns: Mapping[str, list[Turn]] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    ended: bool = True

    @property
    def name(self) -> str:
        """Both stages, for headings and filters."""
        return " > ".join(filter(None, (self.stage, self.judged)))

    def rows(self) -> list[Example]:
        """The rows themselves."""
        return list(Dataset.read(self.data / DATA))


def talks_of(run: Run, store: Path) -> list[Talked]:
    """All stages of a run that hold transcripts or verdicts, and those that have not ended.

    Args:
        store: the store that the run works in, for what a run that was killed has made.

    Raises:
        UsageError: it holds none.
    """
    stages = json.loads((run.path / "plan.json").read_text(encoding="utf-8"))["stages"]
    place = Store(store)
    folders = {stage["key"]: _folder(run, stage, place) for stage in stages}
    made = [stage for stage in stages if folders[stage["key"]].exists()]
    judges: dict[str, list[Mapping[str, Any]]] = {}
    for stage in made:
        if (folders[stage["key"]] / VERDICTS).is_file():
            judges.setdefault(stage["inputs"]["data"], []).append(stage)
    found = list[Talked]()
    for stage in made:
        folder = folders[stage["key"]]
        if not (folder / TRANSCRIPTS).is_file():
            continue
        head, said = read_turns(folder / TRANSCRIPTS)
        turns: dict[str, list[Turn]] = {}
        for turn in said:
            turns.setdefault(turn.example_id, []).append(turn)
        for judge in judges.pop(stage["key"], [None]):
            verdicts = _verdicts(folders[judge["key"]]) if judge else {}
            judged = str(judge["id"]) if judge else ""
            protocol = str(head["protocol"])
            found.append(Talked(str(stage["id"]), judged, protocol, folder, turns, verdicts))
    for key, several in judges.items():
        for judge in several:
            verdicts = _verdicts(folders[judge["key"]])
            found.append(Talked("", str(judge["id"]), "", folders[key], {}, verdicts))
    found += _so_far(stages, folders, place)
    if not found:
        raise UsageError(
            "the run has no transcripts",
            where=str(run.path),
            next_step="they are written by oversight protocols and by the supervisor judge",
        )
    return found


def _folder(run: Run, stage: Mapping[str, Any], place: Store) -> Path:
    """Where the artefact of a stage lies, whether or not it exists."""
    linked = run.path / "stages" / stage["id"]
    return linked if linked.exists() else place.folder(stage["key"])


def _so_far(
    stages: list[Mapping[str, Any]], folders: Mapping[str, Path], place: Store
) -> list[Talked]:
    """Protocols that have not ended, with the turns that are kept."""
    linked = next((f for f in folders.values() if f.is_symlink()), None)
    root = linked.resolve().parents[2] if linked else place.root
    found = list[Talked]()
    for stage in stages:
        key, data = stage["key"], folders.get(stage["inputs"].get("data", ""))
        if stage["kind"] != "assist" or folders[key].exists() or data is None:
            continue
        if not (data / DATA).is_file():
            continue
        turns = kept_turns(root / "scratch" / key, stage, Dataset.read(data / DATA))
        if turns:
            protocol = str(stage["component"]).rpartition("/")[2]
            found.append(Talked(str(stage["id"]), "", protocol, data, turns, ended=False))
    return found


def _verdicts(folder: Path) -> dict[str, Verdict]:
    _, found = read_verdicts(folder / VERDICTS)
    return {verdict.example_id: verdict for verdict in found}


def chosen(talks: list[Talked], part: str | None) -> list[Talked]:
    """Those whose stage's name holds ``part``.

    Raises:
        UsageError: there is none.
    """
    found = [talk for talk in talks if part is None or part in talk.name]
    if not found:
        names = [talk.name for talk in talks]
        raise UsageError(
            f"no stage with transcripts is called {part!r}{suggestion(str(part), names)}",
            next_step=f"there are: {', '.join(names)}",
        )
    return found


def wanted(
    talk: Talked,
    row: Example,
    only: str | None,
    below: float | None,
    above: float | None,
) -> bool:
    """Whether a row passes the filters: ``wrong``, ``right``, ``flipped``, ``unscored``, confidence."""
    verdict = talk.verdicts.get(row.id)
    if only or below is not None or above is not None:
        if verdict is None:
            return False
        scored = verdict.status == "ok"
        tests = {
            "wrong": scored and verdict.label != row.gold,
            "right": scored and verdict.label == row.gold,
            "flipped": verdict.flipped,
            "unscored": not scored,
        }
        sure = max(verdict.p, default=0.0)
        return (
            (only is None or tests[only])
            and (below is None or (scored and sure < below))
            and (above is None or (scored and sure >= above))
        )
    return True
