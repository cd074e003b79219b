"""Differences in packages, plugins and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_toolkit.compare.side import Side

_MACHINE = ("python", "platform", "machine", "cpus", "git")


def environment_changes(a: Side, b: Side) -> list[dict[str, Any]]:
    """What differs: ``what`` (machine, package, plugin), ``name``, ``a`` and ``b``."""
    one, two = a.environment, b.environment
    if not one or not two:
        return []
    found = [_row("machine", name, one.get(name), two.get(name)) for name in _MACHINE]
    found.append(_row("machine", "threads", _said(a.threads), _said(b.threads)))
    packages = [_mapping(env.get("packages")) for env in (one, two)]
    plugins = [_plugins(env) for env in (one, two)]
    for what, (before, after) in (("package", packages), ("plugin", plugins)):
        names = sorted({*before, *after})
        found += [_row(what, name, before.get(name), after.get(name)) for name in names]
    return [row for row in found if row["a"] != row["b"]]


def _row(what: str, name: str, a: Any, b: Any) -> dict[str, Any]:
    return {"what": what, "name": name, "a": a, "b": b}


def _said(threads: list[int]) -> str | None:
    return ", ".join(map(str, threads)) or None


def _plugins(env: Mapping[str, Any]) -> dict[str, str]:
    """Plugins by name and distribution; a broken one is another than one that works."""
    rows = env.get("plugins")
    found = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            state = " (broken)" if row.get("reason") else ""
            found[f"{row.get('name')} of {row.get('distribution')}"] = (
                f"{row.get('version')}{state}"
            )
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
