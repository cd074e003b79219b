"""Differences between two resolved recipes, by dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from w2s_toolkit.compare.side import Side
from w2s_toolkit.config import ComponentConfig, MarkerName, field_marker
from w2s_toolkit.digest import canonical
from w2s_toolkit.errors import W2SError
from w2s_toolkit.hookspecs import KINDS
from w2s_toolkit.registry import Registry

_KIND_OF = {
    "models": "models",
    "task": "tasks",
    "supervisors": "supervisors",
    "oversight": "oversight",
    "refine": "refiners",
    "student": "students",
    "ladder": "students",
    "evaluate": "evaluators",
}
_SAYS_NOTHING = ("name", "description", "schema", "budget")


def recipe_changes(a: Side, b: Side, registry: Registry) -> list[dict[str, Any]]:
    """Every value that differs: ``path``, ``a``, ``b``, ``change`` and whether it ``matters``.

    A change does not matter when no result can depend on it: the recipe's name and description,
    fields that their component declares neutral, and paths of files with the same content.
    """
    if not a.recipe or not b.recipe:
        return []
    before, after = dict(leaves(a.recipe)), dict(leaves(b.recipe))
    out = []
    for path in dict.fromkeys([*before, *after]):
        if _same(before.get(path), after.get(path)):  # null and absent mean the same
            continue
        change = "changed" if path in before and path in after else "removed"
        change = "added" if path not in before else change
        row = {"path": path, "change": change, "a": before.get(path), "b": after.get(path)}
        out.append({**row, "matters": _matters(path, a, b, registry)})
    return out


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a recipe by path; items of lists go by their ``name`` or ``use`` as in ``--set``."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
        return
    names = _item_names(value) if isinstance(value, list) else []
    for name, item in zip(names, value if names else (), strict=True):
        yield from leaves({k: v for k, v in item.items() if k != "name"}, f"{path}.{name}")
    if not names and not (isinstance(value, Mapping | list) and not value):
        yield path, value


def _item_names(items: list[Any]) -> list[str]:
    """A name for each item; empty when an item has none."""
    names: list[str] = []
    for item in items:
        name = (item.get("name") or item.get("use")) if isinstance(item, Mapping) else None
        if not isinstance(name, str):
            return []
        names.append(name)
    counts = {n: names.count(n) for n in names}
    return [n if counts[n] == 1 else f"{n}#{names[: i + 1].count(n)}" for i, n in enumerate(names)]


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _matters(path: str, a: Side, b: Side, registry: Registry) -> bool:
    words = path.split(".")
    if words[0] in _SAYS_NOTHING:
        return False
    marks = {_marker(words, side, registry) for side in (a, b)}
    if marks <= {"neutral"}:
        return False
    if not marks & {"path", "path_or_id"}:
        return True
    if words[0] == "models":
        identities = [_fingerprints(side, words[1]) for side in (a, b)]
    else:
        identities = [_configs(words, side) for side in (a, b)]
    return identities[0] != identities[1] or not identities[0]


def _marker(words: list[str], side: Side, registry: Registry) -> MarkerName | None:
    """What the component's config says of the field at a path; None where that is unknown."""
    block, kind, fields = _block(words, side)
    if kind not in KINDS:
        return None
    try:
        name = str(block["use"])
        model: Any = registry.config_model(registry.get(kind, name))
    except (KeyError, TypeError, W2SError, ImportError, AttributeError):
        return None
    return _field_marker(model, fields)


def _block(words: list[str], side: Side) -> tuple[Any, str, list[str]]:
    """The component's block at a path, its kind, and the rest of the path."""
    top = words[0] in ("models", "task")
    place = words[0] if top else (words[2] if len(words) > 2 else "")
    depth = {"task": 1, "models": 2, "student": 3}.get(place, 4)
    block: Any = side.recipe
    for word in words[:depth]:
        block = _step(block, word)
    return block, _KIND_OF.get(place, ""), words[depth:]


def _step(block: Any, word: str) -> Any:
    if isinstance(block, list):
        return dict(zip(_item_names(block), block, strict=False)).get(word)
    return block.get(word) if isinstance(block, Mapping) else None


def _field_marker(model: type[ComponentConfig], fields: list[str]) -> MarkerName | None:
    if not fields or fields[0] not in model.model_fields:
        return None
    marker = field_marker(model, fields[0])
    inner = model.model_fields[fields[0]].annotation
    if marker is None and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _field_marker(inner, fields[1:])  # type: ignore[arg-type]
    return marker


def _fingerprints(side: Side, entry: str) -> set[str]:
    """Fingerprints that an entry of ``models:`` has in a run."""
    models = [_mapping(s.get("models")) for s in side.stages.values()]
    return {str(m[entry].get("fingerprint")) for m in models if isinstance(m.get(entry), dict)}


def _configs(words: list[str], side: Side) -> set[str]:
    """What the component at a path put into keys of a run: files are in there by content."""
    block, kind, _ = _block(words, side)
    parts = [_mapping(s.get("parts")) for s in side.stages.values()]
    name = f"{kind}/{_mapping(block).get('use')}"
    return {
        canonical([p.get("version"), p["config"]])
        for p in parts
        if p.get("component") == name and p.get("config")
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
