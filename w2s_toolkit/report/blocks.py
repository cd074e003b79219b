"""``results.json`` cut into blocks, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_toolkit.report.block import COMPARING, Block
from w2s_toolkit.report.wording import ROLES, Axes, Row, canonical, number


def blocks(results: Mapping[str, Any]) -> list[Block]:
    """All blocks, in the order of the summary."""
    sizes = (results.get("task") or {}).get("splits") or {}
    cells = [
        canonical({k: v for k, v in cell["axes"].items() if k != "seed"})
        for cell in results.get("cells") or []
    ]
    single: dict[tuple[str, str], list[Row]] = {}
    for row in results.get("rows") or []:
        single.setdefault((cells[row["cell"]], row["phase"]), []).append(row)
    out = []
    for group, phase, rows in groups(results.get("summary") or []):
        own = single.get((canonical(group), phase), [])
        splits = _evaluation_splits(rows)
        out += [
            Block(
                phase=phase,
                group=group,
                split=split,
                seeds=tuple(dict.fromkeys(s for r in rows for s in r.get("seeds") or ())),
                size=sizes.get(split),
                rows=tuple(r for r in rows if r["split"] == split),
                pool=tuple(r for r in rows if r["split"] not in splits and not _compares(r)),
                beside=tuple(r for r in rows if r["split"] not in splits and _compares(r)),
                per_seed=tuple(r for r in own if r["split"] == split),
            )
            for split in splits
        ]
    return out


def groups(summary: Sequence[Row]) -> list[tuple[Mapping[str, Any], str, list[Row]]]:
    """Summary rows by combination of axes and phase, in the order they come."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in summary:
        found.setdefault((canonical(row["group"]), row["phase"]), []).append(row)
    return [(rows[0]["group"], phase, rows) for (_, phase), rows in found.items()]


def axes_of(found: Sequence[Block]) -> Axes:
    """Names of the axes on which blocks differ."""
    return Axes([b.group for b in found])


def compared(found: Sequence[Block]) -> list[str]:
    """What a comparison has columns for: roles with a score, the supervisor unless it is the floor, PGR, gain."""
    metric = next((b.columns[0] for b in found if b.columns), "")
    out = [role for role in ROLES if any(b.find(role, metric) for b in found)]
    pairs = [(b.find("weak_floor", metric), b.find("supervisor", metric)) for b in found]
    if all(weak is None or (floor and floor["value"] == weak["value"]) for floor, weak in pairs):
        out = [role for role in out if role != "supervisor"]
    return out + [m for m in ("pgr", "gain") if any(b.find("student", m) for b in found)]


def measured(found: Sequence[Block]) -> list[str]:
    """What a comparison shows where no evaluator has one score: the first few metrics; none elsewhere."""
    if any(b.columns for b in found):
        return []
    return list(dict.fromkeys(metric for b in found for metric, _ in b.measures))[:4]


def steps(block: Block, metric: str) -> str:
    """A metric of the supervisor and of its student, as ``0.5 → 0.6``; of one where there is one."""
    rows = (block.find(role, metric) for role in ("supervisor", "student"))
    return " → ".join(number(row["value"]) for row in rows if row is not None)


def titles(found: Sequence[Block]) -> list[str]:
    """What tells each block from the others; empty for a block that is alone."""
    return [", ".join(parts) for parts in title_parts(found)]


def short_titles(found: Sequence[Block], most: int) -> list[str]:
    """Titles in at most so many characters, where that can be without cutting them.

    Of names of axes only the last word stays, then only the values: ``mean · 2 · data+features``.
    """
    whole = title_parts(found)
    words = [
        [
            f"{p.partition('=')[0].rpartition('.')[2]}={p.partition('=')[2]}" if "=" in p else p
            for p in parts
        ]
        for parts in whole
    ]
    values = [[p.partition("=")[2] or p for p in parts] for parts in whole]
    ways = (
        [", ".join(p) for p in whole],
        [", ".join(p) for p in words],
        [" · ".join(p) for p in values],
    )
    fit = (
        way for way in ways if len(set(way)) == len(way) and max(map(len, way), default=0) <= most
    )
    return next(fit, ways[-1] if len(set(ways[-1])) == len(whole) else ways[0])


def title_parts(found: Sequence[Block]) -> list[list[str]]:
    """The same in pieces: phase, axes, split."""
    axes = axes_of(found)
    phases = len({b.phase for b in found}) > 1
    splits = len({b.split for b in found}) > 1
    return [
        [*([b.phase] if phases else []), *axes.parts(b.group), *([b.split] if splits else [])]
        for b in found
    ]


def _evaluation_splits(rows: Sequence[Row]) -> list[str]:
    """Splits on which more than the weak labels were scored: those are scored on the pool too.

    Those on which students are only compared with one another count where there are no others.
    """
    every = list(dict.fromkeys(str(r["split"]) for r in rows))
    scored = {r["split"] for r in rows if not _compares(r)}
    taught = {r["split"] for r in rows if not _compares(r) and r["role"] != "supervisor"}
    return [s for s in every if s in taught] or [s for s in every if s in scored] or every


def _compares(row: Row) -> bool:
    return row["evaluator"] in COMPARING
