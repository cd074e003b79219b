"""Other values for every field of a config, made up from its type and constraints."""

from __future__ import annotations

import copy
import enum
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from w2s_toolkit.config import MarkerName, field_marker
from w2s_toolkit.testing.bench import ANOTHER, SPARE

Values = Mapping[str, Any]


class Variation(NamedTuple):
    """One field, a config, and configs that differ from it in this field alone.

    Attributes:
        path: where the field stands, such as ``("loss", "alpha_max")``.
        marker: how it enters the key; see :func:`~w2s_toolkit.config.field_marker`.
        before: the config.
        after: candidates; some may not be valid.
        given: whether the author chose the value.
    """

    path: tuple[str, ...]
    marker: MarkerName | None
    before: dict[str, Any]
    after: list[dict[str, Any]]
    given: bool

    @property
    def name(self) -> str:
        """``loss.alpha_max``."""
        return ".".join(self.path)


def variations(
    model: type[BaseModel],
    values: Values,
    other_values: Values,
    changed_copy: Callable[[str], str],
) -> Iterator[Variation]:
    """Every field of a config, those inside nested models and inside their alternatives too.

    Args:
        values: a valid config.
        other_values: values that the author chose, by dotted name.
        changed_copy: path of a file or folder -> path of a copy with one byte changed.
    """
    yield from _fields(model, dict(values), (), other_values, changed_copy)


def _fields(
    root: type[BaseModel],
    values: dict[str, Any],
    at: tuple[str, ...],
    other_values: Values,
    changed_copy: Callable[[str], str],
) -> Iterator[Variation]:
    node: Any = root.model_validate(values)
    for step in at:
        node = getattr(node, step)
    for name, field in type(node).model_fields.items():
        path, value = (*at, name), getattr(node, name)
        kind: type[BaseModel] = type(node)
        marker = field_marker(kind, name)
        dotted, annotation = ".".join(path), field.annotation
        if get_origin(annotation) is Literal and len(get_args(annotation)) == 1:
            continue  # the word that names an alternative
        given = dotted in other_values
        if given:
            candidates = [other_values[dotted]]
        elif marker in ("path", "path_or_id"):
            candidates = [] if value is None else [_map_leaves(value, changed_copy)]
        elif marker in ("model", "split"):
            candidates = [ANOTHER if marker == "model" else SPARE]
        else:
            candidates = list(guesses(annotation, field.metadata, value))
        after = [with_value(root, values, path, c) for c in candidates]
        yield Variation(path, marker, values, after, given)
        for inner in _models_in(annotation):
            base = values
            if not isinstance(value, inner):
                base = with_value(root, values, path, minimal(inner))
            if is_valid(root, base):
                yield from _fields(root, base, path, other_values, changed_copy)


def guesses(annotation: Any, metadata: Iterable[Any], value: Any) -> Iterator[Any]:
    """Values of a type near ``value``; not all of them need be valid."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from guesses(inner[0], [*inner[1:], *metadata], value)
    elif origin in (Union, types.UnionType):
        for part in inner:
            yield from guesses(part, metadata, value)
    elif origin is Literal:
        yield from (v for v in inner if v != value)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        yield from (v.value for v in annotation if v != value)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield minimal(annotation)
    elif annotation is bool:
        yield not value
    elif annotation in (int, float):
        yield from _numbers(annotation, metadata, value)
    elif annotation is str or annotation is Any:
        yield from (f"{value} other", "other") if isinstance(value, str) else ("other",)
    elif annotation is type(None):
        if value is not None:
            yield None
    elif origin in (list, tuple, set, frozenset):
        yield from _collections([i for i in inner if i is not Ellipsis], value)
    elif origin in (dict, Mapping):
        keys, items = list(guesses(inner[0], (), None)), list(guesses(inner[1], (), None))
        yield from ({**(value or {}), k: v} for k in keys[:1] for v in items[:1])


def _numbers(kind: type, metadata: Iterable[Any], value: Any) -> Iterator[Any]:
    low, high = None, None
    for item in _flat(metadata):
        low = getattr(item, "ge", getattr(item, "gt", low))
        high = getattr(item, "le", getattr(item, "lt", high))
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    near = [] if number is None else [number + 1, number - 1, number * 2, number / 2]
    if low is not None:
        near += [low, low + 1, low + 96]
    if high is not None:
        near += [high, high - 1]
    if low is not None and high is not None:
        near += [low + (high - low) * part for part in (0.25, 0.5, 0.625)]
    for guess in [*near, 1, 0.125, 96]:
        if guess != value and (kind is float or guess == int(guess)):
            yield kind(guess)


def _collections(inner: list[Any], value: Any) -> Iterator[Any]:
    items = list(value or [])
    made = [list(guesses(part, (), None))[:1] for part in inner] or [["other"]]
    fresh = [g for group in made for g in group]
    if items:
        yield items[::-1]
        yield items[:-1]
    for guess in fresh:
        yield [*items, guess]
        yield [guess]
    if fresh and isinstance(fresh[0], str):
        yield [fresh[0], "another"]


def minimal(model: type[BaseModel]) -> dict[str, Any]:
    """The least that names an alternative of a union: its discriminating word, if it has one."""
    words = {
        name: get_args(field.annotation)[0]
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
    }
    return words


def with_value(
    root: type[BaseModel], values: Values, path: tuple[str, ...], value: Any
) -> dict[str, Any]:
    """``values`` with another value at ``path``; nested models on the way are written out."""
    changed = copy.deepcopy(dict(values))
    node: Any = root.model_validate(values)
    raw: Any = changed
    for step in path[:-1]:
        node = getattr(node, step)
        if not isinstance(raw.get(step), dict):
            raw[step] = node.model_dump(mode="json")
        raw = raw[step]
    raw[path[-1]] = value
    return changed


def is_valid(model: type[BaseModel], values: Values) -> bool:
    """Whether a config is valid by its types; :meth:`ComponentConfig.check` is not asked."""
    try:
        model.model_validate(values)
    except Exception:  # a validator that raises anything but ValueError is found out elsewhere
        return False
    return True


def wrong_values(model: type[BaseModel], values: Values) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs with one field of a wrong type or out of range: its name and the config.

    Values that the config takes all the same are left out.
    """
    for name, field in model.model_fields.items():
        wrong: list[Any] = [[[{"no": "such value"}]]]
        for item in _flat(field.metadata):
            for bound, step in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                limit = getattr(item, bound, None)
                if isinstance(limit, int | float):
                    wrong.append(limit + step)
        if get_origin(field.annotation) is Literal:
            wrong.append("no such word")
        for value in wrong:
            changed = {**values, name: value}
            if not is_valid(model, changed):
                yield name, changed


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Constraints, also those inside a ``Field(ge=...)`` of an annotation."""
    for item in metadata:
        yield from getattr(item, "metadata", (item,))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _models_in(inner)


def _map_leaves(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {k: _map_leaves(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_leaves(v, change) for v in value]
    return change(value) if isinstance(value, str) else value
