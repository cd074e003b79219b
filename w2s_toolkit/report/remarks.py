"""Warnings and remarks of a run, equal ones together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_toolkit.report.block import MISSING
from w2s_toolkit.report.blocks import axes_of, blocks, titles


def signatures(results: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Failure signatures as (name, message, places); no places where the run has one block."""
    found = blocks(results)
    axes, several = axes_of(found), len(found) > 1
    out: dict[tuple[str, str], list[str]] = {}
    for item in results.get("signatures") or []:
        places = out.setdefault((str(item["name"]), str(item["message"])), [])
        parts = (str(item.get("phase") or ""), axes.label(item.get("group") or {}))
        place = " · ".join(filter(None, parts))
        if several and place and place not in places:
            places.append(place)
    return [(name, message, places) for (name, message), places in out.items()]


FEW = 5
"""Above so many messages of one name, the others are folded away."""

Told = tuple[str, list[str]]
"""A message and where it holds."""


def by_name(found: Sequence[tuple[str, str, list[str]]]) -> dict[str, list[Told]]:
    """The same by name: one warning with all that it is about."""
    out: dict[str, list[Told]] = {}
    for name, message, places in found:
        out.setdefault(name, []).append((message, places))
    return out


def folded(told: Mapping[str, list[Told]]) -> list[tuple[str, list[Told], list[Told]]]:
    """Names in words, each with the messages to be shown and those to be folded away."""
    return [
        (_TITLES.get(name) or name.replace("_", " ").capitalize(), all_[:FEW], all_[FEW:])
        for name, all_ in told.items()
    ]


_TITLES = {
    "gap_too_small_for_pgr": "Gap too small for PGR",
    "over_imitation": "Over-imitation",
    "logconf_below_xent": "logconf below xent",
}


def unsaid(results: Mapping[str, Any]) -> list[str]:
    """Notes of all blocks and reasons for missing PGRs, for where no block is shown in full."""
    said = {message for _, message, _ in signatures(results)}
    found = blocks(results)
    out: dict[str, list[str]] = {}
    for block, title in zip(found, titles(found), strict=True):
        missing = [f for f in block.findings if f.value == MISSING and f.explanation not in said]
        for text in (*map(str, missing), *block.notes):
            out.setdefault(text, []).append(title)
    return [
        text if len(where) == len(found) else f"{text} [{'; '.join(where)}]"
        for text, where in out.items()
    ]


def remarks(results: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What stages had to say, as (message, stages).

    Messages with one code that differ after a colon alone, such as in examples, are one: the most
    detailed is shown.
    """
    out: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for item in results.get("warnings") or []:
        message = str(item.get("message", ""))
        kind = (str(item.get("code", "")), message.partition(":")[0])
        shown, stages = out.get(kind, ("", []))
        stage = str(item.get("stage") or "")
        if stage and stage not in stages:
            stages.append(stage)
        out[kind] = (max(shown, message, key=len), stages)
    return list(out.values())
