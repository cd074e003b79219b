"""Where a label came from: the stages behind it, and what each of them said of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from w2s_toolkit.report.artefacts import Artefact, Artefacts


@dataclass
class Sources:
    """The stages behind the labels of one split.

    Attributes:
        labels: stages that labelled its rows, as (what it is, stage), the first one last.
        makers: stages that trained or built what labelled, likewise.
        evidence: stages that added evidence to its rows.
        readers: stages that were trained on the labels.
    """

    labels: list[tuple[str, Artefact]] = field(default_factory=list)
    makers: list[tuple[str, Artefact]] = field(default_factory=list)
    evidence: list[Artefact] = field(default_factory=list)
    readers: list[Artefact] = field(default_factory=list)


def sources_of(stage: str, artefacts: Artefacts) -> Sources:
    """What stands behind the labels that a stage gave, by its id; empty if its artefact is gone."""
    found = Sources()
    made = artefacts.by_id.get(stage)
    while made is not None and made.kind == "refine":
        found.labels.append((f"refined by {_name(made)}", made))
        made = artefacts.by_key.get(made.inputs.get("labels", ""))
    if made is None:
        return found
    what = {"combine": "combined by", "label": "labelled by"}.get(made.kind, "given by")
    found.labels.append((f"{what} {_name(made)}", made))
    found.labels += [(f"member {n}", member) for n, member in _members(made, artefacts)]
    found.evidence = list(_evidence(made, artefacts))
    maker = artefacts.by_key.get(made.inputs.get("ref", ""))
    if maker is not None:
        found.makers.append(("built" if maker.kind == "build" else "trained", maker))
    first = artefacts.by_id.get(stage)
    found.readers = [
        one
        for one in artefacts.by_id.values()
        if first and one.kind == "train" and one.inputs.get("labels") in _later(first, artefacts)
    ]
    return found


def _members(made: Artefact, artefacts: Artefacts) -> Iterator[tuple[int, Artefact]]:
    """Members of an ensemble that labelled the same data."""
    keys = made.manifest.get("members") or ()
    found = [artefacts.by_key[key] for key in keys if key in artefacts.by_key]
    same = [
        m for m in found if m.kind == "label" and m.inputs.get("data") == made.inputs.get("data")
    ]
    yield from enumerate(same, 1)


def _evidence(made: Artefact, artefacts: Artefacts) -> Iterator[Artefact]:
    data = artefacts.by_key.get(made.inputs.get("data", ""))
    while data is not None and data.kind == "assist":
        yield data
        data = artefacts.by_key.get(data.inputs.get("data", ""))


def _later(made: Artefact, artefacts: Artefacts) -> set[str]:
    """Keys of the labels and of all that refiners made of them."""
    keys = {made.key}
    refiners = [a for a in artefacts.by_id.values() if a.kind == "refine"]
    while more := {r.key for r in refiners if r.inputs.get("labels") in keys} - keys:
        keys |= more
    return keys


def _name(made: Artefact) -> str:
    return made.component.rpartition("/")[2] or made.kind
