"""Finished stages -> ``results.json`` and prediction tables.

``results.json`` holds no time, cost, path, host or cache flag, so that the same science gives the
same bytes on any run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from w2s_toolkit import arrow, traits
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.plan.plan import Measured, Plan, Predicted, Round
from w2s_toolkit.signatures import failure_signatures
from w2s_toolkit.stages.loop import DECISION
from w2s_toolkit.stages.rows import DATA, read_info
from w2s_toolkit.stages.watch import CURVE
from w2s_toolkit.stages.work import LABELS, METRICS, read_ref
from w2s_toolkit.store import Store

SCHEMA = 1

T = TypeVar("T", Measured, Predicted, Round)


def collect(plan: Plan, store: Store, partial: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything that was found out, as one JSON-able mapping.

    Args:
        partial: stages that the budget stopped, and what to do about it. Then only what was made is
            collected, ``unfinished`` lists the stages that were not, and the remarks tell of it.
    """
    unfinished = [s.id for s in plan.graph if partial and not store.has(s.key)]
    if partial:
        plan = _as_far_as_made(plan, store)
    aggregated = _groups_with_aggregates(plan)
    keys = {m.key for m in (*plan.measured, *plan.aggregated)}
    found = {k: json.loads((store.open(k).path / METRICS).read_text()) for k in sorted(keys)}
    measured, joined = _ordered(plan.measured), _ordered(plan.aggregated)
    rows, tables = _read(plan, found, measured, per_seed=True)
    summary, summary_tables = _read(plan, found, joined, per_seed=False)
    # A result of one seed is its own summary.
    alone = [m for m in measured if _group(plan, m.cell) not in aggregated]
    if partial:  # the others would have been joined over seeds
        alone = [m for m in alone if len(_seeds(plan, m.cell)) == 1]
    single, single_tables = _read(plan, found, alone, per_seed=False)
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "recipe": plan.recipe.name,
        "models": list(plan.recipe.document.get("models") or ()),
        "task": _task(plan, store),
        "cells": [{"axes": dict(c.axes), "seed": c.seed} for c in plan.recipe.cells],
        "summary": summary + single,
        "rows": rows,
        "tables": summary_tables + single_tables + tables,
        "gold_labels": _gold(plan, store),
        "curves": _curves(plan, store),
        "settings": traits.settings(plan),
        "warnings": _warnings(plan, store),
    }
    if partial:
        results["unfinished"] = unfinished
        results["warnings"] += [
            {"stage": stage, "code": "budget", "message": said.splitlines()[0]}
            for stage, said in partial.items()
        ]
    if plan.rounds:
        results["rounds"] = _rounds(plan, store)
    if members := traits.ensembles(plan, store):
        results["ensembles"] = members
    results["signatures"] = failure_signatures(results)
    return results


def _as_far_as_made(plan: Plan, store: Store) -> Plan:
    """The plan without what could not be measured."""
    return replace(
        plan,
        measured=[m for m in plan.measured if store.has(m.key)],
        aggregated=[m for m in plan.aggregated if store.has(m.key)],
        rounds=[r for r in plan.rounds if store.has(r.key)],
        predicted=[p for p in plan.predicted if all(map(store.has, (p.key, p.data, p.weak)))],
        splits={
            cell: {n: key for n, key in splits.items() if store.has(key)}
            for cell, splits in plan.splits.items()
        },
    )


def _ordered(items: Iterable[T]) -> list[T]:
    """In the order of the recipe: rounds are planned as they come, several cells at a time."""
    return sorted(items, key=lambda item: item.order)


def _rounds(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """What was decided in each round of each repeated phase; round 0 tests the first supervisor."""
    out = []
    for item in _ordered(plan.rounds):
        decision = json.loads((store.open(item.key).path / DECISION).read_text())
        head = {"cell": item.cell, "seed": plan.recipe.cells[item.cell].seed, "phase": item.phase}
        row = {**head, "supervisor": item.supervisor, "student": item.student, **decision}
        out.append(row)
    for row, following in zip(out, [*out[1:], None], strict=True):
        place = (row["cell"], row["phase"])
        if following is None or (following["cell"], following["phase"]) != place:
            row["stop"] = plan.endings[place]
    return out


def dump(results: Mapping[str, Any]) -> str:
    """The text of ``results.json``."""
    return json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_predictions(
    plan: Plan, store: Store, folder: Path, *, partial: bool = False
) -> list[dict[str, Any]]:
    """One Parquet table a model and split; returns an index of them.

    Columns: id, group (rows of one question), gold, weak (the supervisor's class), weak_p0 … (its
    probabilities), predicted, p0 … p(K−1), abstain. In a generation task gold, weak and predicted are
    texts, and there are no probabilities. The index names the stages that made labels, weak labels
    and data. ``partial``: only of what was made.
    """
    if partial:
        plan = _as_far_as_made(plan, store)
    index = []
    for row in _ordered(plan.predicted):
        cell = plan.recipe.cells[row.cell]
        parts = [cell_folder(plan.axes, row.cell), row.phase, f"{row.role}-{row.split}.parquet"]
        path = folder.joinpath(*(p for p in parts if p))
        path.parent.mkdir(parents=True, exist_ok=True)
        arrow.write_parquet(_predictions(store, row), path)
        index.append(
            {
                "file": path.relative_to(folder).as_posix(),
                "cell": row.cell,
                "seed": cell.seed,
                "axes": dict(cell.axes),
                "phase": row.phase,
                "role": row.role,
                "model": row.model,
                "split": row.split,
                "stages": {
                    name: plan.graph[key].id
                    for name, key in (("labels", row.key), ("weak", row.weak), ("data", row.data))
                },
            }
        )
    return index


def cell_folder(axes: list[Mapping[str, Any]], cell: int) -> str:
    """A readable folder name for a cell; empty when there is only one."""
    from w2s_toolkit.plan.graph import short_axis, short_value

    if len(axes) == 1:
        return ""
    name = ",".join(f"{short_axis(a)}={short_value(v)}" for a, v in axes[cell].items())
    clean = "".join(c if c.isalnum() or c in "=,._-" else "-" for c in name)
    return f"{cell:03d}-{clean}"[:120]


def _predictions(store: Store, row: Predicted) -> pa.Table:
    data = Dataset.read(store.open(row.data).path / DATA)
    labels = LabelSet.read(store.open(row.key).path / LABELS).align(data)
    weak = LabelSet.read(store.open(row.weak).path / LABELS).align(data)
    columns: dict[str, Any] = {"id": data.ids.arrow, "group": data.column("group")}
    columns["gold"] = data.column("gold_text" if data.info.kind == "generation" else "gold")
    columns["weak"] = _or_null(weak)
    columns |= {f"weak_p{k}": weak.probs[:, k] for k in range(weak.probs.shape[1])}
    columns["predicted"] = _or_null(labels)
    columns |= {f"p{k}": labels.probs[:, k] for k in range(labels.probs.shape[1])}
    columns["abstain"] = labels.abstain
    meta = {"w2s": json.dumps({"classes": list(labels.classes)})}
    return arrow.table(columns).replace_schema_metadata(meta)


def _or_null(labels: LabelSet) -> pa.Array | pa.ChunkedArray:
    """Each row's answer, a class or a text, null where there is none."""
    if labels.texts is not None:
        given = zip(labels.texts, labels.abstain, strict=True)
        return arrow.text_array(None if abstains else text for text, abstains in given)
    return arrow.from_numpy(labels.predicted, ~labels.abstain)


def _read(
    plan: Plan, found: Mapping[str, Any], measured: list[Measured], *, per_seed: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, tables = [], []
    for item in measured:
        metrics = found[item.key]
        head = _head(plan, item, per_seed=per_seed)
        for name, metric in metrics["values"].items():
            rows.append({**head, "metric": name, **metric})
        for name, table in metrics["tables"].items():
            tables.append({**head, "table": name, "rows": table})
    return rows, tables


def _head(plan: Plan, item: Measured, *, per_seed: bool) -> dict[str, Any]:
    head: dict[str, Any] = {
        "phase": item.phase,
        "role": item.role,
        "model": item.model,
        "split": item.split,
        "evaluator": item.evaluator,
    }
    if per_seed:
        return {"cell": item.cell, "seed": plan.recipe.cells[item.cell].seed, **head}
    return {"group": dict(_group(plan, item.cell)), "seeds": _seeds(plan, item.cell), **head}


def _group(plan: Plan, cell: int) -> tuple[tuple[str, Any], ...]:
    axes = plan.recipe.cells[cell].axes
    return tuple((a, json.loads(json.dumps(v))) for a, v in axes.items() if a != "seed")


def _seeds(plan: Plan, cell: int) -> list[int]:
    group = _group(plan, cell)
    return [c.seed for i, c in enumerate(plan.recipe.cells) if _group(plan, i) == group]


def _groups_with_aggregates(plan: Plan) -> list[Any]:
    return [_group(plan, m.cell) for m in plan.aggregated]


def _task(plan: Plan, store: Store) -> dict[str, Any]:
    data = next(s for s in plan.graph if s.kind == "data")
    info, _ = read_info(store.open(data.key).path)
    sizes: dict[str, int] = {}
    for splits in plan.splits.values():
        for name, key in splits.items():
            sizes[name] = int(store.open(key).manifest["counters"]["rows"])
    return {"kind": info.kind, "classes": list(info.classes), "splits": sizes}


def _gold(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """How many gold labels each training used."""
    return [
        {"stage": stage, "labels": int(counters["gold_labels"])}
        for stage, counters in _manifests(plan, store, "counters")
        if counters.get("gold_labels")
    ]


def _curves(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """What was measured while models were trained: looks at students, epochs that were chosen from."""
    out = []
    for stage in (*plan.graph.planned, *plan.graph.followed):
        found = store.get(stage.key, verify=False) if stage.kind in ("fit", "train") else None
        if found is None:
            continue
        ref = read_ref(found.path)
        if (found.path / CURVE).exists():
            points = json.loads((found.path / CURVE).read_text())
        else:
            points = list(ref.details.get("curve") or ())
        if points:
            head = {"stage": stage.id, "phase": stage.name.partition("/")[0], "role": stage.role}
            chosen = ref.details.get("epoch")
            out.append({**head, "cells": sorted(stage.cells), "points": points, "chosen": chosen})
    return out


def _warnings(plan: Plan, store: Store) -> list[dict[str, Any]]:
    return [
        {"stage": stage, **warning}
        for stage, warnings in _manifests(plan, store, "warnings")
        for warning in warnings
    ]


def _manifests(plan: Plan, store: Store, field: str) -> Iterator[tuple[str, Any]]:
    """Of the stages as planned, then of those that were added since, in the order of their ids.

    Members of an ensemble that an earlier run made are not in the graph of this one, but count alike.
    """
    made: dict[str, Any] = {}
    names = {stage.key: stage.id for stage in (*plan.graph.planned, *plan.graph.followed)}
    for key in names:
        found = store.get(key, verify=False)
        if found:
            made[key] = found.manifest
    for manifest in list(made.values()):
        for key in manifest.get("members", ()):
            member = None if key in made else store.get(key, verify=False)
            if member and member.manifest["kind"] != "sample":
                made[key], names[key] = member.manifest, str(member.manifest["label"])
    planned = [stage.key for stage in plan.graph.planned]
    added = sorted(set(made) - set(planned), key=lambda key: (names[key], key))
    for key in (*planned, *added):
        if key in made:
            yield names[key], made[key].get(field) or {}
