"""One block of a recipe against its pydantic model, with errors in a user's words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from w2s_toolkit.recipe.problems import Problems
from w2s_toolkit.recipe.tree import Path_
from w2s_toolkit.registry import suggestion


def validate_block(
    model: type[BaseModel],
    value: Any,
    path: Path_,
    problems: Problems,
    also: Iterable[str] = (),
    help_with: str = "'w2s schema' describes every key, 'w2s recipes show sst2_minilm' shows them",
) -> BaseModel | None:
    """The validated model, or None with its problems noted.

    Args:
        path: where ``value`` stands in the recipe.
        also: further keys that are known there but belong to somebody else.
        help_with: where the user can read what is allowed there.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            loc = _written(item["loc"], value, absent=item["type"] == "missing")
            what, step = _explain(item, model, value, loc, also)
            problems.add((*path, *loc), what, step or help_with)
    except RecursionError:
        problems.add(path, "nested too deeply", help_with)
    return None


def _written(loc: tuple[str | int, ...], value: Any, *, absent: bool) -> Path_:
    """A pydantic location without the tags of unions, which the file does not hold.

    ``absent``: the last step is a key that should be there.
    """
    out: list[str | int] = []
    node = value
    for index, step in enumerate(loc):
        inside = (isinstance(node, dict) and step in node) or (
            isinstance(node, list) and isinstance(step, int) and step < len(node)
        )
        if inside:
            node = node[step]
            out.append(step)
        elif absent and index == len(loc) - 1:
            out.append(step)
    return tuple(out)


def _explain(
    item: Any, model: type[BaseModel], value: Any, loc: Path_, also: Iterable[str]
) -> tuple[str, str]:
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        known = [*_fields_at(model, loc[:-1], value), *(also if len(loc) == 1 else ())]
        known = [k for k in known if k != "use"]
        near = suggestion(str(loc[-1]), known)
        return f"unknown key {loc[-1]!r}{near}", f"known here: {', '.join(sorted(known)) or 'none'}"
    if kind == "missing":
        return f"the key {loc[-1] if loc else ''!r} is missing", ""
    message = _WORDS.get(kind, message).removeprefix("Value error, ")
    message = message.replace(" after validation", "")
    if kind == "union_tag_invalid":
        message = f"the name after 'use' should be one of {item['ctx']['expected_tags']}"
    given = item.get("input")
    shown = json.dumps(given, default=str, ensure_ascii=False)
    if isinstance(given, dict | list) or len(shown) > 80:
        return _lower(message), ""
    return f"{_lower(message)} (given: {shown})", ""


_MAPPING = "this should be a mapping, {key: value}"
_WORDS = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": "this should be a list, [a, b]",
    "tuple_type": "this should be a list, [a, b]",
    "string_pattern_mismatch": "a name is made of letters, digits, _ and -, and begins with a letter "
    "or digit",
}
"""What pydantic says in the words of Python, in those of a recipe."""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _fields_at(model: type[BaseModel], path: Path_, value: Any) -> list[str]:
    current: list[type[BaseModel]] = [model]
    node = value
    for step in path:
        node = node[step]
        if isinstance(step, int):
            continue
        inner = [m for c in current for m in _inner_models(c, step)]
        chosen = [m for m in inner if isinstance(node, dict) and _is_tagged(m, node.get("use"))]
        current = chosen or inner or current
    return sorted({f.alias or n for m in current for n, f in m.model_fields.items()})


def _is_tagged(model: type[BaseModel], tag: Any) -> bool:
    """Whether this member of a union is the one that ``use: tag`` means."""
    field = model.model_fields.get("use")
    return field is not None and field.default == tag


def _inner_models(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    for key, info in model.model_fields.items():
        if name in (key, info.alias):
            return list(_models_in(info.annotation))
    return []


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)
