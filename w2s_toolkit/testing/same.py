"""Whether two answers of a component say the same, row by row and whatever the order."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from w2s_toolkit.data import Dataset, LabelSet, Metrics


def difference(a: Any, b: Any, tolerance: float) -> str:
    """What differs between two label sets, data sets or metrics; empty when nothing does.

    Rows go by id. Numbers may differ by ``tolerance``.
    """
    if isinstance(a, LabelSet) and isinstance(b, LabelSet):
        return _labels(a, b, tolerance)
    if isinstance(a, Dataset) and isinstance(b, Dataset):
        return _evidence(a, b)
    if isinstance(a, Metrics) and isinstance(b, Metrics):
        return _metrics(a, b, tolerance)
    return f"one is a {type(a).__name__}, the other a {type(b).__name__}"


def _labels(a: LabelSet, b: LabelSet, tolerance: float) -> str:
    if found := _ids(a.ids, b.ids):
        return found
    where = {i: row for row, i in enumerate(b.ids)}
    b = b.take(np.asarray([where[i] for i in a.ids], dtype=np.int64))
    if a.probs.shape != b.probs.shape:
        return f"probabilities of shape {a.probs.shape} and {b.probs.shape}"
    if a.texts != b.texts:
        return "the texts differ"
    for name, left, right in (("abstain", a.abstain, b.abstain), ("weight", a.weight, b.weight)):
        rows = np.flatnonzero(np.abs(left.astype(float) - right.astype(float)) > tolerance)
        if len(rows):
            r = int(rows[0])
            return f"{name} of {len(rows)} rows differs; {a.ids[r]}: {left[r]} and {right[r]}"
    given = ~a.abstain
    apart = np.abs(a.probs - b.probs).max(1, initial=0.0) * given
    if len(apart) and not apart.max() <= tolerance:
        r = int(np.nanargmax(apart))
        return (
            f"probabilities of {int((apart > tolerance).sum())} of {len(apart)} rows differ by up "
            f"to {apart.max():.3g} (allowed {tolerance:g}); {a.ids[r]}: {a.probs[r]} and {b.probs[r]}"
        )
    return ""


def _evidence(a: Dataset, b: Dataset) -> str:
    if found := _ids(a.ids, b.ids):
        return found
    theirs = dict(zip(b.ids, b.table["evidence"].to_pylist(), strict=True))
    for example_id, mine in zip(a.ids, a.table["evidence"].to_pylist(), strict=True):
        if mine != theirs[example_id]:
            return f"evidence of {example_id}: {mine!r} and {theirs[example_id]!r}"
    return ""


def _metrics(a: Metrics, b: Metrics, tolerance: float) -> str:
    if set(a.values) != set(b.values):
        return f"values {sorted(a.values)} and {sorted(b.values)}"
    for name, left in a.values.items():
        right = b.values[name]
        for part in ("value", "low", "high"):
            x, y = getattr(left, part), getattr(right, part)
            if (x is None) != (y is None) or (x is not None and abs(x - y) > tolerance):
                return f"{part} of {name!r}: {x} and {y}"
    return ""


def _ids(a: Any, b: Any) -> str:
    missing, extra = [i for i in a if i not in set(b)], [i for i in b if i not in set(a)]
    if missing or extra or len(a) != len(b):
        return f"{len(a)} and {len(b)} rows; {len(missing)} only in the first, {len(extra)} only in the second"
    return ""


def fingerprint(value: Any) -> str:
    """Text that changes when a label set or data set does: to find out about changed inputs."""
    if isinstance(value, LabelSet):
        parts = [
            list(value.ids),
            value.probs.tolist(),
            value.abstain.tolist(),
            value.weight.tolist(),
        ]
        return json.dumps(parts)
    if isinstance(value, Dataset):
        return json.dumps(value.table.to_pydict())
    return repr(value)
