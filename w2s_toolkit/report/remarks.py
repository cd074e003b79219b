"""Warnings and remarks of a run, equal ones together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_toolkit.report.blocks import axes_of, blocks


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


def remarks(results: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What stages had to say, as (message, stages)."""
    out: dict[str, list[str]] = {}
    for item in results.get("warnings") or []:
        stages = out.setdefault(str(item.get("message", "")), [])
        stage = str(item.get("stage") or "")
        if stage and stage not in stages:
            stages.append(stage)
    return list(out.items())
