"""What each phase used, and how good the members of its ensembles are alone: what failures are told by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from w2s_toolkit.data import BoolArray, Dataset, LabelSet
from w2s_toolkit.plan.plan import SUPERVISOR, Plan, Predicted
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.stages.work import LABELS, read_ref
from w2s_toolkit.store import Object, Store


def settings(plan: Plan) -> list[dict[str, Any]]:
    """Per combination of axes and phase: the student's loss, protocols of oversight, the ensembler."""
    out: list[dict[str, Any]] = []
    for cell in plan.recipe.cells:
        group = {a: json.loads(json.dumps(v)) for a, v in cell.axes.items() if a != "seed"}
        for phase in cell.phases:
            student = phase.student_of(1)
            loss = getattr(student.config, "loss", None) if student else None
            row = {
                "group": group,
                "phase": phase.name,
                "loss": str(getattr(loss, "use", "") or ""),
                "oversight": [use.name for use in phase.oversight],
                "ensemble": phase.ensemble.name if phase.ensemble else "",
            }
            if row not in out:
                out.append(row)
    return out


def ensembles(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Ensembles that supervise, one a cell, phase and split that others were scored on.

    ``accuracy``: of the ensemble; ``members``: of each member alone; ``best``: of the best member,
    picked on one half of the rows and scored on the other, both ways, so that picking does not
    flatter it; ``stage``: the one that built the ensemble. Generated answers are left out: they are not
    right or wrong by a class.
    """
    out = []
    scored = {(p.cell, p.phase, p.split) for p in plan.predicted if p.role != SUPERVISOR}
    for item in sorted(plan.predicted, key=lambda p: p.order):
        if item.role == SUPERVISOR and (item.cell, item.phase, item.split) in scored:
            made = store.open(item.key)
            if made.manifest.get("members"):
                out += list(_ensemble(plan, store, item, made))
    return out


def _ensemble(plan: Plan, store: Store, item: Predicted, made: Object) -> Iterator[dict[str, Any]]:
    ref = (made.manifest["parts"].get("inputs") or {}).get("ref")
    found = store.get(ref, verify=False) if ref else None
    data = Dataset.read(store.open(item.data).path / DATA)
    if found is None or data.info.kind == "generation":
        return
    if found.manifest["component"][0] != "ensemblers":
        return
    alone = [store.get(key, verify=False) for key in made.manifest["members"]]
    right = [_right(one, data) for one in alone if one and (one.path / LABELS).exists()]
    head = {"cell": item.cell, "phase": item.phase, "split": item.split}
    yield {
        **head,
        "stage": plan.graph.stages[ref].id
        if ref in plan.graph.stages
        else str(found.manifest["label"]),
        "component": "/".join(found.manifest["component"]),
        "accuracy": float(_right(made, data).mean()) if len(data) else 0.0,
        "members": [float(one.mean()) for one in right] if len(data) else [],
        "best": _best(right),
    }


def sizes(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Ensembles whose size was chosen: how good the first 1, 2, … members are, and how many were kept.

    ``points``: ``size``, and the measure named in ``by``, with its standard error (``accuracy_se``).
    """
    out = []
    for stage in (*plan.graph.planned, *plan.graph.followed):
        found = store.get(stage.key, verify=False) if stage.kind == "build" else None
        details = read_ref(found.path).details if found else {}
        by = str(details.get("curve_by") or "accuracy")
        points = [
            p for p in details.get("curve") or () if {"size", by} <= p.keys() and p[by] is not None
        ]
        if details.get("size") in [point["size"] for point in points]:
            head = {"stage": stage.id, "phase": stage.name.partition("/")[0], "by": by}
            chosen = {"points": points, "size": details["size"]}
            out.append({**head, "cells": sorted(stage.cells), **chosen})
    return out


def _right(made: Object, data: Dataset) -> BoolArray:
    """Which rows are answered right, (n,); rows without an answer are not."""
    labels = LabelSet.read(made.path / LABELS).align(data)
    right: BoolArray = (labels.predicted == data.gold) & ~labels.abstain
    return right


def _best(right: list[BoolArray]) -> float | None:
    """Accuracy of the member that is best on the other half of the rows; None for too few rows."""
    half = len(right[0]) // 2 if right else 0
    if not half:
        return None
    first, second = (
        np.array([r[cut].mean() for r in right]) for cut in (slice(half), slice(half, None))
    )
    return float((second[first.argmax()] + first[second.argmax()]) / 2)
