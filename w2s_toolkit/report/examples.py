"""Example by example: what each model said, column by column, for the page's browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from w2s_toolkit import arrow
from w2s_toolkit.report.answers import Answers, Table, Texts
from w2s_toolkit.report.artefacts import Artefact, Artefacts
from w2s_toolkit.report.facts import RunFiles
from w2s_toolkit.report.sources import Sources, sources_of
from w2s_toolkit.report.talks import Talks
from w2s_toolkit.report.wording import Axes, canonical, ordered_roles

MOST_ROWS = 60_000
"""Examples in a page."""

MOST_CELLS = 1_200_000
"""Answers in a page: examples times models."""

MOST_MEMBERS = 16
"""Members of an ensemble whose answers are shown."""


@dataclass
class Browser:
    """All that the page's browser of examples needs, JSON-able once packed.

    Attributes:
        texts: prompts, choices and written answers by number.
        answers: columns of answers by number.
        ids, prompts, choices, groups: by example.
        views: what is looked at together: one combination of axes, phase and split.
        notes: what is left out, for people.
    """

    kind: str
    classes: list[str]
    texts: Texts = field(default_factory=Texts)
    ids: list[str] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    choices: list[list[int]] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers = Answers(self.texts)
        self.talks = Talks()


class _Builder:
    def __init__(self, files: RunFiles, artefacts: Artefacts, task: Mapping[str, Any]) -> None:
        self._files, self._artefacts = files, artefacts
        self.browser = Browser(
            str(task.get("kind") or "classification"), [str(c) for c in task.get("classes") or ()]
        )
        self._numbers: dict[str, int] = {}
        self._read: dict[tuple[str, int], np.ndarray[Any, Any]] = {}
        self.cut_rows: dict[str, tuple[int, int]] = {}

    def view(self, title: str, rows: list[Mapping[str, Any]]) -> bool:
        """Add a view of the tables ``rows`` of the index; False when there is no room for it."""
        folder = self._files.path / "predictions"
        room = max(0, MOST_ROWS - len(self.browser.ids))
        first, split = rows[0], str(rows[0]["split"])
        head = Table(folder / first["file"], MOST_ROWS)
        ids = [i or "" for i in head.strings("id")]
        new = [i for i in ids if i not in self._numbers]
        if len(new) > room:
            if any(v["split"] == split for v in self.browser.views) or not room:
                return False
            ids = ids[:room]
            head = Table(folder / first["file"], room)
        if self.browser.answers.cells + len(ids) * (len(rows) + 2) > MOST_CELLS:
            return False
        if len(ids) < head.rows:
            self.cut_rows[split] = (len(ids), head.rows)
        stages = first.get("stages") or {}
        self._examples(ids, str(stages.get("data") or f"split/{split}"), head)
        answers = self.browser.answers
        sources = sources_of(str(stages.get("weak") or ""), self._artefacts)
        view = {
            "title": title,
            "phase": str(first.get("phase") or ""),
            "split": split,
            "rows": _compact([self._numbers[i] for i in ids]),
            "n": len(ids),
            "of": head.rows,
            "gold": head.add(answers, "gold"),
            "weak": head.add(answers, "weak", "weak_p"),
            "roles": _together([self._role(row, len(ids)) for row in rows]),
            "labels": self._labels(sources, ids),
            "makers": [[what, made.id, _about(made)] for what, made in sources.makers],
            "readers": [made.id for made in sources.readers],
            "talks": self.browser.talks.add(sources, set(ids)),
        }
        self.browser.views.append(view)
        return True

    def _role(self, row: Mapping[str, Any], rows: int) -> dict[str, Any]:
        table = Table(self._files.path / "predictions" / row["file"], rows)
        return {
            "role": str(row["role"]),
            "model": str(row.get("model") or ""),
            "stage": str((row.get("stages") or {}).get("labels") or ""),
            "column": table.add(self.browser.answers, "predicted", "p"),
        }

    def _labels(self, sources: Sources, ids: list[str]) -> list[dict[str, Any]]:
        """What every stage behind the weak labels said of these rows."""
        wanted = arrow.text_array(ids)
        out = []
        members = [what for what, _ in sources.labels if what.startswith("member ")]
        if len(members) > MOST_MEMBERS:
            note = f"The first {MOST_MEMBERS} of {len(members)} members of an ensemble are shown."
            if note not in self.browser.notes:
                self.browser.notes.append(note)
        for what, made in sources.labels:
            path = made.folder / "labels.parquet"
            if what in members[MOST_MEMBERS:] or not path.is_file():
                continue
            table = Table(path, 10 * MOST_ROWS)
            rows = arrow.positions(wanted, table.ids)
            column = table.add_labels(self.browser.answers, rows)
            out.append({"what": what, "stage": made.id, "column": column})
        return out

    def _examples(self, ids: list[str], stage: str, head: Table) -> None:
        """Prompt, choices and group of examples that are not known yet."""
        new = {i for i in ids if i not in self._numbers}
        if not new:
            return
        browser, texts = self.browser, self.browser.texts
        rows = self._rows_of(stage, new)
        groups: dict[str, int] = {}
        for example_id, group in zip(ids, head.strings("group"), strict=True):
            if example_id not in new or example_id in self._numbers:
                continue
            prompt, choices = rows.get(example_id, ("", ()))
            self._numbers[example_id] = len(browser.ids)
            browser.ids.append(example_id)
            browser.prompts.append(texts.number(prompt))
            same = list(choices) == browser.classes
            browser.choices.append([] if same else [texts.number(c) for c in choices])
            number = groups.setdefault(group or example_id, len(groups))
            browser.groups.append(number)

    def _rows_of(self, stage: str, ids: set[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        import pyarrow.parquet as pq

        made = self._artefacts.by_id.get(stage)
        path = made.folder / "data.parquet" if made else None
        if path is None or not path.is_file():
            note = "Texts are left out where the artefact of a split is no longer in the store."
            if note not in self.browser.notes:
                self.browser.notes.append(note)
            return {}
        out: dict[str, tuple[str, tuple[str, ...]]] = {}
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(8192, columns=["id", "prompt", "choices"]):
                columns = [batch.column(n).to_pylist() for n in ("id", "prompt", "choices")]
                for example_id, prompt, choices in zip(*columns, strict=True):
                    if example_id in ids:
                        out[example_id] = (prompt or "", tuple(choices or ()))
                if len(out) == len(ids):
                    break
        return out


def browse(files: RunFiles, artefacts: Artefacts, results: Mapping[str, Any]) -> Browser | None:
    """Examples with all answers, or None when the run has no predictions that can be read."""
    index = [r for r in files.json("predictions/index.json", list) if _whole(r)]
    index = [r for r in index if (files.path / "predictions" / r["file"]).is_file()]
    if not index:
        return None
    together: dict[str, list[Mapping[str, Any]]] = {}
    for row in index:
        name = canonical([row.get("cell"), row.get("phase"), row["split"]])
        together.setdefault(name, []).append(row)
    # What is evaluated comes before pools, on which the supervisor alone is looked at.
    groups = sorted(together.values(), key=lambda rows: len({r["role"] for r in rows}) < 2)
    titles = _titles(groups, str(results.get("recipe") or ""))
    builder = _Builder(files, artefacts, results.get("task") or {})
    browser, left = builder.browser, []
    for title, rows in zip(titles, groups, strict=True):
        try:
            shown = builder.view(title, sorted(rows, key=lambda r: ordered_roles(str(r["role"]))))
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            files.missing.append(f"predictions of {title} cannot be read: {error}")
            continue
        if not shown:
            left.append(title)
    for split, (some, every) in builder.cut_rows.items():
        browser.notes.append(f"The first {some} of {every} rows of {split} are shown.")
    if left:
        browser.notes.append(
            f"{len(browser.views)} of {len(groups)} combinations are shown; the tables in "
            "predictions/ hold all."
        )
    return browser if browser.views else None


def _titles(groups: list[list[Mapping[str, Any]]], recipe: str) -> list[str]:
    """What tells each view from the others: phase, axes, seed, split."""
    heads = [rows[0] for rows in groups]
    axes = Axes([_axes(h) for h in heads])
    several = {name: len({canonical(h.get(name)) for h in heads}) > 1 for name in ("phase", "seed")}
    return [
        ", ".join(
            filter(
                None,
                [
                    str(head.get("phase") or "") if several["phase"] else "",
                    *axes.parts(_axes(head)),
                    f"seed={head.get('seed')}" if several["seed"] else "",
                    str(head["split"]),
                ],
            )
        )
        or recipe
        for head in heads
    ]


def _together(roles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Floor and supervisor as one where they say the same, which is the rule."""
    by_role = {r["role"]: r for r in roles}
    floor, weak = by_role.get("weak_floor"), by_role.get("supervisor")
    if not floor or not weak or floor["column"] != weak["column"]:
        return roles
    floor["name"] = "weak floor = supervisor"
    return [r for r in roles if r is not weak]


def _axes(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in (row.get("axes") or {}).items() if k != "seed"}


def _whole(row: Any) -> bool:
    return isinstance(row, dict) and {"file", "role", "split"} <= row.keys()


def _about(made: Artefact) -> str:
    """``finetuned, 1000 gold labels``."""
    counters = made.manifest.get("counters") or {}
    gold = counters.get("gold_labels")
    name = made.component.rpartition("/")[2]
    return f"{name}, {gold} gold labels" if gold else name


def _compact(numbers: list[int]) -> list[int] | int:
    """Numbers that follow one another as the first alone."""
    if numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return numbers[0]
    return numbers
