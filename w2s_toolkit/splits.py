"""Rows -> disjoint splits of exact size, balanced by class, never cutting a group.

Rows are drawn in an order that depends on the seed and on the content of groups alone, so
shuffling a file changes nothing. Evaluation splits are drawn first: changing the size of a
training split leaves them as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s_toolkit import arrow
from w2s_toolkit.arrow import Strings
from w2s_toolkit.errors import DataError

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


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
    pools, names = _pools(sources, len(classes) if balance else 0)
    taken = np.zeros(len(names), dtype=np.bool_)  # groups, whichever source they were drawn from
    out: dict[str, Rows] = {}
    for request in requests:
        origin = feeds.get(request.name, feeds.get("*", ""))
        if origin not in sources:
            raise DataError(
                f"split {request.name!r} is drawn from {origin!r}, which the task does not have",
                where=f"task.splits.{request.name}",
                next_step=f"the task has: {', '.join(sources)}",
            )
        pool = pools[origin]
        free = np.flatnonzero(~taken[pool.groups])
        quotas = _quotas(pool, request, free)
        rows = _fill(pool, request, quotas, free, names)
        if len(rows) != quotas.sum() or not len(rows):
            raise _too_few(request, pool, free, classes, origin)
        taken[pool.groups[rows]] = True
        out[request.name] = rows
    return out


@dataclass(frozen=True)
class _Pool:
    """A source as numbers: groups are numbered alike in all sources.

    Attributes:
        groups: (n,) group of each row.
        kinds: (n,) what is to be balanced: the class; ``count`` where it is no class. All 0 when
            nothing is balanced.
        count: number of kinds.
        balanced: whether kinds are classes.
    """

    groups: Rows
    kinds: Rows
    count: int
    balanced: bool


def _pools(sources: Mapping[str, Source], classes: int) -> tuple[dict[str, _Pool], Strings]:
    columns = {name: Strings(source.groups).arrow for name, source in sources.items()}
    chunks = [chunk for column in columns.values() for chunk in column.chunks]
    numbers, names = arrow.codes(pa.chunked_array(chunks, pa.string()))
    pools, start = {}, 0
    for name, source in sources.items():
        groups = numbers[start : start + len(columns[name])]
        kinds = np.zeros(len(groups), dtype=np.int64)
        if classes:
            known = (source.classes >= 0) & (source.classes < classes)
            kinds = np.where(known, source.classes, classes)
        pools[name] = _Pool(groups, kinds, classes or 1, bool(classes))
        start += len(groups)
    return pools, Strings(names)


def _quotas(pool: _Pool, request: SplitRequest, free: Rows) -> Rows:
    """How many rows of each kind, (count,)."""
    if request.size is None:
        counts = np.bincount(pool.kinds[free], minlength=pool.count)[: pool.count]
        return np.full(pool.count, counts.min(), dtype=np.int64)
    share, more = divmod(request.size, pool.count)
    return share + (np.arange(pool.count) < more).astype(np.int64)


def _fill(pool: _Pool, request: SplitRequest, quotas: Rows, free: Rows, names: Strings) -> Rows:
    """Whole groups that fit first; then parts of groups, the rest of which no split may use."""
    ranks = _ranks(pool.groups[free], names, request.seed)
    order = np.argsort(ranks, kind="stable")  # rows of a group stay in the order of the file
    rows, ranks, kinds = free[order], ranks[order], pool.kinds[free[order]]
    left = np.append(quotas, 0)
    whole = _whole_groups(ranks, kinds, left)[ranks]
    parts = np.zeros(len(rows), dtype=np.bool_)
    for kind in np.flatnonzero(left):
        parts[np.flatnonzero(~whole & (kinds == kind))[: left[kind]]] = True
    return np.concatenate([rows[whole], rows[parts]])


def _ranks(groups: Rows, names: Strings, seed: str) -> Rows:
    """Place of each row's group in an order that depends on the seed and the groups' names."""
    present, which = np.unique(groups, return_inverse=True)
    digests = bytearray()  # joining a list would hold an object a group
    for name in Strings(arrow.take(names.arrow, present)):
        digests += hashlib.sha256(f"{seed}:{name}".encode()).digest()
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, 4).astype(np.uint64)
    ranks = np.empty(len(present), dtype=np.int64)
    ranks[np.lexsort(words.T[::-1])] = np.arange(len(present))
    return ranks[which.reshape(-1)]


def _whole_groups(ranks: Rows, kinds: Rows, left: Rows) -> Flags:
    """Which groups are taken whole when each in turn is if it fits, (G,); lowers ``left``.

    A group that does not fit now never will, since less and less is left. So all that do not fit
    are put aside at once, then the longest stretch that fits together is taken at once, and so on:
    one round for each size of group at most.

    Args:
        ranks: (n,) group of each row, in ascending order, the order of the draw.
        kinds: (n,) kind of each row.
        left: (count + 1,) rows still wanted of each kind; none of the last.
    """
    number = int(ranks[-1]) + 1 if len(ranks) else 0
    taken = np.zeros(number, dtype=np.bool_)
    pairs, size = np.unique(kinds * number + ranks, return_counts=True)
    kind, group = np.divmod(pairs, max(1, number))  # sorted by kind, then by rank
    while len(group):
        unfit = np.zeros(number, dtype=np.bool_)
        unfit[group[size > left[kind]]] = True
        kind, group, size = (a[~unfit[group]] for a in (kind, group, size))
        first = np.searchsorted(kind, np.arange(len(left)))
        before = np.concatenate([[0], np.cumsum(size)])
        too_many = before[1:] - before[first][kind] > left[kind]
        stop = int(group[too_many].min()) if too_many.any() else number
        now = group < stop
        taken[group[now]] = True
        left -= np.bincount(kind[now], weights=size[now], minlength=len(left)).astype(np.int64)
        kind, group, size = (a[~now] for a in (kind, group, size))
    return taken


def _too_few(
    request: SplitRequest, pool: _Pool, free: Rows, classes: Sequence[str], origin: str
) -> DataError:
    counts = np.bincount(pool.kinds[free], minlength=pool.count)
    detail = ", ".join(f"{counts[k]} {name!r}" for k, name in enumerate(classes[: pool.count]))
    need = request.size if request.size is not None else "at least one"
    return DataError(
        f"split {request.name!r} needs {need} rows, but its source {origin!r} has {len(free)} "
        f"left{f' ({detail})' if detail and pool.balanced else ''} "
        f"after the splits drawn before it",
        where=f"task.splits.{request.name}",
        next_step="ask for fewer rows, or set task.balance: false if the classes are uneven",
    )
