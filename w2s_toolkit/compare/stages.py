"""Stages that two runs share, those that differ and why; data and models behind them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from w2s_toolkit.compare.side import Side
from w2s_toolkit.plan.why import differences

Row = dict[str, Any]


def stage_changes(a: Side, b: Side) -> Row:
    """``shared`` (ids in A), ``different``, ``only_a`` and ``only_b`` (ids).

    An entry of ``different`` has ``a`` and ``b`` (ids), ``key_a`` and ``key_b``, ``changes`` of
    the key's own parts (``place``, ``a``, ``b``), and ``follows``: the differing stages it is made
    from. ``changes`` is None where the parts of a key are not known.
    """
    keys_a = {row["key"]: name for name, row in a.stages.items()}
    keys_b = {row["key"]: name for name, row in b.stages.items()}
    shared = [name for key, name in keys_a.items() if key in keys_b]
    rest_a = [name for key, name in keys_a.items() if key not in keys_b]
    rest_b = [name for key, name in keys_b.items() if key not in keys_a]
    pairs = _pairs(rest_a, rest_b)
    key_pairs = {(a.stages[x]["key"], b.stages[y]["key"]): x for x, y in pairs}
    different = [_difference(a.stages[x], b.stages[y], key_pairs) for x, y in pairs]
    paired_a, paired_b = {x for x, _ in pairs}, {y for _, y in pairs}
    return {
        "shared": shared,
        "different": different,
        "only_a": [name for name in rest_a if name not in paired_a],
        "only_b": [name for name in rest_b if name not in paired_b],
    }


def _pairs(ids_a: Iterable[str], ids_b: Iterable[str]) -> list[tuple[str, str]]:
    """Stages that stand for the same step: by id, then by a name that each run has once."""
    rest_b = dict.fromkeys(ids_b)
    pairs = [(x, x) for x in ids_a if x in rest_b]
    taken = {x for x, _ in pairs}
    left_a = _by_name(x for x in ids_a if x not in taken)
    left_b = _by_name(x for x in rest_b if x not in taken)
    for name, ids in left_a.items():
        others = left_b.get(name, [])
        if len(ids) == len(others) == 1:
            pairs.append((ids[0], others[0]))
    return pairs


def _by_name(ids: Iterable[str]) -> dict[str, list[str]]:
    """``train[seed=0]`` and ``train[seed=1]`` have one name."""
    found: dict[str, list[str]] = {}
    for stage in ids:
        found.setdefault(stage.partition("[")[0], []).append(stage)
    return found


def _difference(one: Row, two: Row, pairs: dict[tuple[str, str], str]) -> Row:
    row = {"a": one["id"], "b": two["id"], "key_a": one["key"], "key_b": two["key"]}
    before, after = one.get("parts"), two.get("parts")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return {**row, "changes": None, "follows": []}
    changes, follows = [], []
    for change in differences(before, after):
        parent = pairs.get((str(change.before), str(change.after)))
        if change.place.startswith("inputs.") and parent:
            follows.append(parent)
        else:
            changes.append({"place": change.place, "a": change.before, "b": change.after})
    return {**row, "changes": changes, "follows": list(dict.fromkeys(follows))}


def input_changes(a: Side, b: Side) -> list[Row]:
    """Data and models that differ by content: ``what``, ``name``, ``a`` and ``b`` (fingerprints)."""
    if not a.stages or not b.stages:
        return []
    found: list[Row] = []
    if _data(a) != _data(b):
        found.append({"what": "data", "name": "task", "a": _data(a), "b": _data(b)})
    before, after = _models(a), _models(b)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            row = {"what": "model", "name": name, "a": before.get(name), "b": after.get(name)}
            found.append(row)
    return found


def _data(side: Side) -> str:
    """Keys of the data as it is loaded: equal keys mean equal rows."""
    return " | ".join(sorted(s["key"] for s in side.stages.values() if s.get("kind") == "data"))


def _models(side: Side) -> dict[str, str]:
    """Identity of every entry of ``models:``; several where the matrix varies it."""
    found: dict[str, set[str]] = {}
    for stage in side.stages.values():
        models = stage.get("models")
        for name, model in models.items() if isinstance(models, dict) else ():
            if isinstance(model, dict):
                resolved = model.get("resolved") or {}
                more = "".join(f", {k} {v}" for k, v in sorted(resolved.items()))
                found.setdefault(str(name), set()).add(f"{model.get('fingerprint')}{more}")
    return {name: " | ".join(sorted(identities)) for name, identities in found.items()}
