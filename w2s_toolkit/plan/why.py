"""Why a stage runs again: the parts of its key that changed since the closest stored object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from w2s_toolkit.digest import canonical
from w2s_toolkit.plan.graph import Graph, Stage
from w2s_toolkit.store import Object, Store

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One difference: where in the key, what it was, what it is; None where absent."""

    place: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.place}: {_short(self.before)} → {_short(self.after)}"


class Explainer:
    """Compares planned stages with what a store holds."""

    def __init__(self, graph: Graph, store: Store) -> None:
        self._graph, self._store = graph, store
        self._by_kind: dict[tuple[str, str], list[Object]] | None = None

    def changes(self, stage: Stage, depth: int = 0) -> list[Change]:
        """Causes why a stage is not in the store, followed up to the stages they come from.

        Empty when nothing like it was ever made.
        """
        closest = self._closest(stage)
        if closest is None or depth > 20:
            return []
        found: list[Change] = []
        for change in differences(closest.manifest["parts"], stage.parts):
            found.extend(self._followed(change, depth))
        return list({canonical([c.place, c.before, c.after]): c for c in found}.values())

    def why(self, stage: Stage) -> str:
        """One line on why a stage will run."""
        changes = self.changes(stage)
        if not changes:
            return "never made before"
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        return f"{changes[0]}{more}"

    def _followed(self, change: Change, depth: int) -> list[Change]:
        key = change.after
        if not change.place.startswith("inputs.") or not isinstance(key, str):
            return [change]
        parent = self._graph.stages.get(key)
        if parent is None:
            return [change]
        if self._store.has(key):
            return [Change(f"{parent.name}", _name_of(self._store, change.before), parent.id)]
        causes = self.changes(parent, depth + 1)
        return [
            Change(
                f"{parent.name} ▸ {c.place}" if "▸" not in c.place else c.place, c.before, c.after
            )
            for c in causes
        ] or [Change(parent.name, "another", "never made before")]

    def _closest(self, stage: Stage) -> Object | None:
        if self._by_kind is None:
            self._by_kind = {}
            for found in self._store.objects():
                kind = (str(found.manifest.get("kind")), _component(found.manifest["parts"]))
                self._by_kind.setdefault(kind, []).append(found)
        candidates = self._by_kind.get((stage.kind, _component(stage.parts)), [])
        if not candidates:
            return None

        def distance(found: Object) -> tuple[int, bool, float]:
            label = str(found.manifest.get("label", "")).partition("[")[0]
            return (
                len(list(differences(found.manifest["parts"], stage.parts))),
                label != stage.name,
                -float(found.manifest.get("created", 0)),
            )

        return min(candidates, key=distance)


def differences(before: Any, after: Any, place: str = "") -> Iterator[Change]:
    """Leaves at which two JSON values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            inner = f"{place}.{key}" if place else str(key)
            yield from differences(before.get(key, _ABSENT), after.get(key, _ABSENT), inner)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for index in range(max(len(before), len(after))):
            a = before[index] if index < len(before) else _ABSENT
            b = after[index] if index < len(after) else _ABSENT
            yield from differences(a, b, f"{place}.{index}")
    elif before is not after and before != after:
        gone = (None if before is _ABSENT else before, None if after is _ABSENT else after)
        yield Change(place, *gone)


def _component(parts: Mapping[str, Any]) -> str:
    return str(parts.get("component", ""))


def _name_of(store: Store, key: Any) -> str:
    found = store.get(str(key), verify=False)
    return str(found.manifest.get("label", key)) if found else "another"


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = str(value)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:10]
    return text if len(text) <= 60 else f"{text[:57]}…"
