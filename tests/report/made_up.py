"""Run directories of every shape, made up without running anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Results = dict[str, Any]

HOSTILE = '<script>alert("&")</script>'
LOSS = "phases.bootstrap.student.loss.use"
EPOCHS = "phases.bootstrap.student.epochs"

_LEVELS = {"weak_floor": 0.62, "supervisor": 0.62, "student": 0.70, "strong_ceiling": 0.85}
_MODELS = {"weak_floor": "weak", "supervisor": "weak"}


PLAN = [
    {"id": "data", "key": "d", "kind": "data", "component": "tasks/made_up", "inputs": {}},
    {
        "id": "bootstrap/student/train",
        "key": "t",
        "kind": "train",
        "component": "students/classifier",
        "inputs": {"pool": "d"},
    },
]


def metric(
    value: float | None, half: float | None = 0.02, n: int = 1000, reason: str = ""
) -> Results:
    """One metric's fields, with an interval of ``half`` to both sides."""
    bounded = value is not None and half is not None
    return {
        "value": value,
        "low": value - half if bounded else None,
        "high": value + half if bounded else None,
        "n": n,
        "reason": reason,
    }


def results_of(
    groups: Sequence[Mapping[str, Any]] = ({},),
    seeds: Sequence[int] = (0,),
    phases: Sequence[str] = ("bootstrap",),
    *,
    pgr: Mapping[str, Any] | None = None,
    levels: Mapping[str, float] = _LEVELS,
    step: float = 0.01,
) -> Results:
    """Results with all evaluators; group i scores ``i * step`` more, seed j 0.005 more."""
    several = len(seeds) > 1
    cells = [
        {"axes": {**g, **({"seed": s} if several else {})}, "seed": s}
        for g in groups
        for s in seeds
    ]
    summary, rows, tables = [], [], []
    for phase in phases:
        for index, group in enumerate(groups):
            of_all = _measure(levels, index * step, pgr)
            head = {"group": dict(group), "seeds": list(seeds), "phase": phase}
            summary += [{**head, **row} for row in of_all]
            tables += [{**head, **table} for table in _bins(levels)]
            for number, seed in enumerate(seeds):
                head = {"cell": index * len(seeds) + number, "seed": seed, "phase": phase}
                of_one = _measure(levels, index * step + number * 0.005, pgr)
                rows += [{**head, **row} for row in of_one]
    return {
        "schema": 1,
        "recipe": "made-up",
        "task": {
            "kind": "classification",
            "classes": ["no", "yes"],
            "splits": {"pool": 2000, "test": 1000, "weak_train": 2000},
        },
        "cells": cells,
        "summary": summary,
        "rows": rows,
        "tables": tables,
        "gold_labels": [{"stage": "bootstrap/strong_ceiling/train", "labels": 2000}],
        "warnings": [],
        "signatures": [],
    }


def _measure(
    levels: Mapping[str, float], more: float, pgr: Mapping[str, Any] | None
) -> list[Results]:
    def row(
        role: str, evaluator: str, name: str, found: Mapping[str, Any], split: str = "test"
    ) -> Results:
        head = {"role": role, "model": _MODELS.get(role, "strong"), "split": split}
        return {**head, "evaluator": evaluator, "metric": name, **found}

    out = []
    scored = [(r, "test", v + (more if r == "student" else 0)) for r, v in levels.items()]
    if "supervisor" in levels:
        scored.append(("supervisor", "pool", 0.615))
    for role, split, value in scored:
        unbounded = metric(
            0.05, None, reason="no interval: resampling inflates a calibration error"
        )
        out += [
            row(role, "accuracy", "accuracy", metric(value), split),
            row(role, "auroc", "auroc", metric(value + 0.05), split),
            row(role, "calibration", "brier", metric(0.3), split),
            row(role, "calibration", "ece", unbounded, split),
        ]
    gain = levels["student"] + more - levels.get("weak_floor", 0.62)
    gap = levels.get("strong_ceiling", 0.85) - levels.get("weak_floor", 0.62)
    ratio = metric(gain / gap, 0.1) if pgr is None else pgr
    out += [
        row("student", "pgr", "pgr", ratio),
        row("student", "pgr", "gain", metric(gain)),
        row("student", "agreement", "agreement", metric(0.8)),
        row("student", "agreement", "agreement_weak_right", metric(0.9)),
        row("student", "agreement", "agreement_weak_wrong", metric(0.65)),
    ]
    return out


def _bins(levels: Mapping[str, float]) -> list[Results]:
    points = [
        {"low": low, "high": low + 0.1, "confidence": low + 0.05, "accuracy": low + 0.02, "n": 200}
        for low in (0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    return [
        {
            "role": role,
            "model": _MODELS.get(role, "strong"),
            "split": "test",
            "evaluator": "calibration",
            "table": "bins",
            "rows": [{**p, "accuracy": p["accuracy"] + 0.01 * i} for p in points],
        }
        for i, role in enumerate(r for r in levels if r != "supervisor")
    ]


def pairs(names: Sequence[str] = ("xs", "s", "m", "l")) -> Results:
    """A phase for every pair of a weak and a stronger model; scores grow with both sizes."""
    all_pairs = [(w, s) for i, w in enumerate(names) for s in names[i + 1 :]]
    results = results_of(phases=[f"{w} to {s}" for w, s in all_pairs], seeds=(0, 1))
    for row in (*results["summary"], *results["rows"], *results["tables"]):
        weak, strong = row["phase"].split(" to ")
        row["model"] = weak if row["model"] == "weak" else strong
        if row.get("metric") == "accuracy":
            more = 0.05 * names.index(row["model"])
            more += 0.03 * names.index(weak) * (row["role"] == "student")
            row |= metric(row["value"] + more)
    return results


def generation() -> Results:
    """Generated text: nothing that needs probabilities can be given."""
    results = results_of()
    results["task"] |= {"kind": "generation", "classes": []}
    results["tables"] = []
    nothing = metric(None, n=0, reason="not defined for generated text")
    for row in (*results["summary"], *results["rows"]):
        if row["metric"] != "gain":
            row.update(nothing)
    results["summary"] = [r for r in results["summary"] if r["metric"] != "gain"]
    return results


def write_run(path: Path, results: Results) -> Path:
    """A complete run directory but for its report."""
    (path / "predictions").mkdir(parents=True)
    events = [
        {"time": "2025-03-01T10:00:00.000+00:00", "event": "run_started", "id": "made-up-1"},
        _finished("data", "tasks/made_up", "cached", 0.0),
        _finished("bootstrap/student/train", "students/classifier", "ran", 12.5),
    ]
    recipe = (
        "name: made-up\ndescription: A run that never was.\n"
        "models:\n  weak: {use: hf, id: small, peft: null}\n  strong: {use: hf, id: large}\n"
        "phases:\n- name: bootstrap\n  pool: pool\n"
        "  supervisors: [{use: finetuned, model: weak, train_on: weak_train}]\n"
        "  student: {use: classifier, model: strong, loss: {use: xent}}\n"
        "  evaluate: [{use: accuracy}, {use: pgr}]\n"
    )
    env = {
        "python": "3.11.7",
        "platform": "Linux",
        "git": None,
        "packages": {"numpy": "2.0.0", "torch": "2.5.0", "zipp": "3.1"},
        "plugins": [
            {"name": "hf", "distribution": "w2s-toolkit", "version": "0.1.0", "reason": ""}
        ],
    }
    index = [{"file": "bootstrap/student-test.parquet", "role": "student", "split": "test"}]
    files = {
        "results.json": json.dumps(results),
        "predictions/index.json": json.dumps(index),
        "plan.json": json.dumps({"stages": PLAN}),
        "env.json": json.dumps(env),
        "usage.json": json.dumps({"seconds": 12.5, "ran": {}, "stages": {}}),
        "events.jsonl": "".join(f"{json.dumps(e)}\n" for e in events),
        "recipe.yaml": "# as given\nname: made-up\n",
        "resolved.yaml": recipe,
        "overrides.txt": "seed=0\n",
    }
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def _finished(stage: str, component: str, status: str, seconds: float) -> Results:
    head = {"event": "stage_finished", "stage": stage, "component": component}
    return {**head, "status": status, "seconds": seconds}


def repeated(
    promoted: Sequence[Sequence[bool]] = ((True, True), (False, True), (False, False)),
) -> Results:
    """A phase in rounds, one seed a column of ``promoted``; each round drifts a bit further."""
    rounds = range(1, len(promoted) + 1)
    results = results_of(phases=[f"loop/{n}" for n in rounds], seeds=range(len(promoted[0])))
    for n in rounds:
        head = {"group": {}, "seeds": [0, 1], "phase": f"loop/{n}", "role": "student"}
        head |= {"model": "strong", "split": "test", "evaluator": "drift"}
        results["summary"] += [
            {**head, "metric": "kept", **metric(1 - 0.05 * n)},
            {**head, "metric": "flips", **metric(0.04 * n)},
            {**head, "metric": "ece", **metric(0.05, None, reason="no interval")},
            {**head, "metric": "prior_shift", **metric(None, reason="there is no earlier student")},
        ]
    results["rounds"] = [
        {"cell": seed, "seed": seed, "phase": "loop", "round": n, "promoted": said,
         "reason": "" if said else "worse than its supervisor", "accuracy": {"student": 0.7},
         "tests": [], "metrics": {}}
        for n, seeds in enumerate(promoted, 1)
        for seed, said in enumerate(seeds)
    ]  # fmt: skip
    return results
