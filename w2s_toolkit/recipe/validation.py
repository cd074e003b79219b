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
            loc = _written(item["loc"], value)
            what, step = _explain(item, model, value, loc, also)
            problems.add((*path, *loc), what, step or help_with)
    except RecursionError:
        problems.add(path, "nested too deeply", help_with)
    return None


def _written(loc: tuple[str | int, ...], value: Any) -> Path_:
    """A pydantic location without the tags of unions, which the file does not hold."""
    out: list[str | int] = []
    node = value
    for index, step in enumerate(loc):
        inside = (isinstance(node, dict) and step in node) or (
            isinstance(node, list) and isinstance(step, int) and step < len(node)
        )
        if inside:
            node = node[step]
            out.append(step)
        elif index == len(loc) - 1 and isinstance(step, str) and step.isidentifier():
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
    message = message.removeprefix("Value error, ")
    given = item.get("input")
    shown = json.dumps(given, default=str, ensure_ascii=False)
    if isinstance(given, dict | list) or len(shown) > 80:
        return _lower(message), ""
    return f"{_lower(message)} (given: {shown})", ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _fields_at(model: type[BaseModel], path: Path_, value: Any) -> list[str]:
    current: list[type[BaseModel]] = [model]
    for step in path:
        if isinstance(step, int):
            continue
        inner = [m for c in current for m in _inner_models(c, step)]
        current = inner or current
    return sorted({f.alias or n for m in current for n, f in m.model_fields.items()})


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
