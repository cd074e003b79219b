"""Rows -> disjoint splits of exact size, balanced by class, never cutting a group.

Rows are drawn in an order that depends on the seed and on the content of groups alone, so
shuffling a file changes nothing. Evaluation splits are drawn first: changing the size of a
training split leaves them as they are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_toolkit.errors import DataError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitRequest:
    """One split to draw: its name, size (None: all that is left) and the seed of its order."""

    name: str
    size: int | None
    seed: str


@dataclass(frozen=True)
class Source:
    """Columns of one source: group and class of each row (class −1: not to be balanced)."""

    groups: Sequence[str]
    classes: npt.NDArray[np.int64]


def draw(
    sources: Mapping[str, Source],
    feeds: Mapping[str, str],
    requests: Sequence[SplitRequest],
    *,
    classes: Sequence[str],
    balance: bool,
) -> dict[str, Rows]:
    """Rows of each requested split, as positions in its source.

    Args:
        sources: columns by source name.
        feeds: split -> source; ``"*"`` for splits that are not named.
        requests: in drawing order.
        classes: class names; with ``balance``, every split gets as many rows of each (sizes that
            do not divide evenly give the first classes one more).

    Raises:
        DataError: a source has too few rows.
    """
    taken: set[str] = set()
    out: dict[str, Rows] = {}
    for request in requests:
        origin = feeds.get(request.name, feeds.get("*", ""))
        if origin not in sources:
            raise DataError(
                f"split {request.name!r} is drawn from {origin!r}, which the task does not have",
                where=f"task.splits.{request.name}",
                next_step=f"the task has: {', '.join(sources)}",
            )
        source = sources[origin]
        quotas = _quotas(source, request, taken, classes if balance else ())
        rows = _fill(source, request, quotas, taken)
        _check_size(request, rows, source, taken, classes, quotas, origin)
        taken.update(source.groups[r] for r in rows)
        out[request.name] = rows
    return out


def _quotas(
    source: Source, request: SplitRequest, taken: set[str], classes: Sequence[str]
) -> dict[int, int]:
    """How many rows of each class; class −1 stands for any when nothing is balanced."""
    if not classes:
        free = sum(g not in taken for g in source.groups)
        return {-1: free if request.size is None else request.size}
    count = len(classes)
    if request.size is None:
        free_rows = np.array([g not in taken for g in source.groups], dtype=bool)
        counts = np.bincount(source.classes[free_rows], minlength=count)
        return dict.fromkeys(range(count), int(counts.min()))
    return {k: request.size // count + (k < request.size % count) for k in range(count)}


def _fill(source: Source, request: SplitRequest, quotas: dict[int, int], taken: set[str]) -> Rows:
    """Whole groups that fit first; then parts of groups, the rest of which no split may use."""
    left = dict(quotas)
    members: dict[str, list[int]] = {}
    for row, group in enumerate(source.groups):
        if group not in taken:
            members.setdefault(group, []).append(row)
    order = sorted(members, key=lambda g: hashlib.sha256(f"{request.seed}:{g}".encode()).digest())
    chosen: list[int] = []
    skipped: list[str] = []
    balanced = -1 not in quotas
    for group in order:
        if not any(left.values()):
            break
        need = Counter(int(source.classes[r]) if balanced else -1 for r in members[group])
        if all(left.get(k, 0) >= n for k, n in need.items()):
            chosen.extend(members[group])
            for k, n in need.items():
                left[k] -= n
        else:
            skipped.append(group)
    for group in skipped:
        for row in members[group]:
            k = int(source.classes[row]) if balanced else -1
            if left.get(k, 0) > 0:
                chosen.append(row)
                left[k] -= 1
    return np.array(chosen, dtype=np.int64)


def _check_size(
    request: SplitRequest,
    rows: Rows,
    source: Source,
    taken: set[str],
    classes: Sequence[str],
    quotas: Mapping[int, int],
    origin: str,
) -> None:
    wanted = sum(quotas.values())
    if len(rows) == wanted and wanted > 0:
        return
    free = [int(c) for g, c in zip(source.groups, source.classes, strict=True) if g not in taken]
    by_class = Counter(free)
    detail = ", ".join(f"{by_class.get(k, 0)} {name!r}" for k, name in enumerate(classes))
    need = request.size if request.size is not None else "at least one"
    raise DataError(
        f"split {request.name!r} needs {need} rows, but its source {origin!r} has {len(free)} "
        f"left{f' ({detail})' if detail and -1 not in quotas else ''} "
        f"after the splits drawn before it",
        where=f"task.splits.{request.name}",
        next_step="ask for fewer rows, or set task.balance: false if the classes are uneven",
    )
