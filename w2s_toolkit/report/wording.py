"""Names and numbers as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from w2s_toolkit.plan.graph import short_axis, short_value

Row = Mapping[str, Any]

ROLES = {
    "weak_floor": "weak floor",
    "supervisor": "supervisor",
    "student": "weak-to-strong student",
    "strong_ceiling": "strong ceiling",
}
"""Roles in the order in which they are shown."""

SHORT_ROLES = {**ROLES, "student": "student", "strong_ceiling": "ceiling"}
"""Role names for where there is little room."""

_METRICS = {
    "auroc": "AUROC",
    "brier": "Brier",
    "ece": "ECE",
    "f1": "F1",
    "nll": "log-loss",
    "pgr": "PGR",
    "pgr_assisted": "PGR (assisted)",
}


def role_name(role: str) -> str:
    """``weak_floor`` -> ``weak floor``."""
    return ROLES.get(role, role.replace("_", " "))


def ordered_roles(role: str) -> tuple[int, str]:
    """What roles are sorted by: floor, supervisor, student, ceiling, then unknown ones by name."""
    known = list(ROLES)
    return (known.index(role) if role in known else len(known), role)


def metric_name(metric: str) -> str:
    """``auroc`` -> ``AUROC``."""
    return _METRICS.get(metric, metric.replace("_", " "))


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Three decimals, or a dash for a value that cannot be given."""
    if value is None:
        return "–"
    # "z" turns a rounded -0.000 into 0.000.
    return f"{value:+z.{digits}f}" if signed else f"{value:z.{digits}f}"


def interval(row: Row, digits: int = 3, *, signed: bool = False) -> str:
    """``[0.612, 0.655]``; empty where there is none, a dash for an end that is not bounded."""
    low, high = row.get("low"), row.get("high")
    if low is None and high is None:
        return ""
    return f"[{number(low, digits, signed=signed)}, {number(high, digits, signed=signed)}]"


def estimate(row: Row | None, digits: int = 3, *, signed: bool = False) -> str:
    """A value and its interval: ``0.634 [0.612, 0.655]``."""
    if row is None:
        return ""
    value = number(row["value"], digits, signed=signed)
    return " ".join(filter(None, (value, interval(row, digits, signed=signed))))


def measure(row: Row | None) -> str:
    """A value of any size and its interval: ``0.840 [0.800, 0.880]``, ``180.5``, ``1473``."""
    size = 0.0 if row is None or row["value"] is None else abs(row["value"])
    return estimate(row, 0 if size >= 1000 else 1 if size >= 10 else 3)


def count(amount: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def duration(seconds: float) -> str:
    """``< 0.1 s``, ``0.3 s``, ``38 s``, ``2 min 14 s``, ``3 h 05 min``."""
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def amount(number: int) -> str:
    """``950``, ``64k``, ``1.2M``."""
    if number < 1000:
        return str(number)
    if number < 999_500:
        return f"{number / 1000:.0f}k" if number >= 9950 else f"{number / 1000:.1f}k"
    return f"{number / 1e6:.1f}M"


def size(number: float) -> str:
    """Bytes for people: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def printable(text: Any) -> str:
    """Text without control characters, which could garble a terminal or break XML."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text))


def canonical(value: Any) -> str:
    """Text that is equal for equal JSON values, tuples and lists alike."""
    return json.dumps(value, sort_keys=True, default=str)


class Axes:
    """Short names of the matrix axes and their values, which never name two things alike."""

    def __init__(self, groups: Sequence[Mapping[str, Any]]) -> None:
        self.names = _unlike({a: short_axis(a) for g in groups for a in g})
        self._values = {axis: self._names_of(axis, groups) for axis in self.names}

    @staticmethod
    def _names_of(axis: str, groups: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        found = {canonical(g[axis]): g[axis] for g in groups if axis in g}
        short = {key: short_value(value) for key, value in found.items()}
        if len(set(short.values())) == len(short):
            return short
        apart = _told_apart(found, short)
        if len(set(apart.values())) == len(apart):
            return apart
        # Long names mostly differ at the end.
        tails = {k: v if len(v) <= 24 else f"…{v[-23:]}" for k, v in _texts(found).items()}
        return tails if len(set(tails.values())) == len(tails) else _texts(found)

    def value(self, group: Mapping[str, Any], axis: str) -> str:
        """A group's value on an axis; empty when it has none."""
        return self._values[axis].get(canonical(group[axis]), "") if axis in group else ""

    def parts(self, group: Mapping[str, Any]) -> list[str]:
        """``["student.loss=logconf", …]``."""
        return [f"{self.names[a]}={self.value(group, a)}" for a in self.names if a in group]

    def label(self, group: Mapping[str, Any]) -> str:
        """``student.loss=logconf, student.epochs=2``."""
        return ", ".join(self.parts(group))


def _told_apart(values: Mapping[str, Any], short: Mapping[str, str]) -> dict[str, str]:
    """Short names; blocks that share one get the settings on which they differ."""
    out = dict(short)
    for name in set(short.values()):
        alike = {key: dict(_flat(values[key])) for key, said in short.items() if said == name}
        if len(alike) < 2 or not all(
            isinstance(values[key], Mapping | list | tuple) for key in alike
        ):
            continue
        paths = dict.fromkeys(path for flat in alike.values() for path in flat)
        differ = [p for p in paths if len({flat.get(p) for flat in alike.values()}) > 1]
        one = [p for p in differ if len({flat.get(p) for flat in alike.values()}) == len(alike)]
        for key, flat in alike.items():
            shown = [(p[-1], flat[p]) for p in (one[:1] or differ) if p in flat]
            own = ", ".join(f"{setting}: {short_value(v)}" for setting, v in shown)
            out[key] = f"{name} ({own})" if own else name
    return out


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings by the way to them."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number_, inner in enumerate(value):
            yield from _flat(inner, (*path, str(number_)))
    else:
        yield path or ("",), str(value)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _said(value) for key, value in values.items()}


def _said(value: Any) -> str:
    """A value of an axis: ``bagging (members: 4)`` for a block, as YAML has it for others."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_said, value))}]"
    if not isinstance(value, Mapping):
        return str(value)
    rest = ", ".join(f"{k}: {_said(v)}" for k, v in value.items() if k != "use")
    if "use" not in value:
        return f"{{{rest}}}"
    return f"{value['use']} ({rest})" if rest else str(value["use"])


def _unlike(short: Mapping[str, str]) -> dict[str, str]:
    names = list(short.values())
    return {
        address: address.removeprefix("phases.") if names.count(name) > 1 else name
        for address, name in short.items()
    }
