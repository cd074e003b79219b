"""``--set a.b.c=value`` and matrix axes: change one place of a recipe, keep its siblings."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

from w2s_toolkit.errors import RecipeError
from w2s_toolkit.recipe.schema import USE_BLOCKS, PhaseModel, RecipeModel
from w2s_toolkit.recipe.tree import Path_, parse_value, plain
from w2s_toolkit.registry import suggestion

_TOP = [f.alias or n for n, f in RecipeModel.model_fields.items()]


def parse_override(text: str) -> tuple[str, Any]:
    """``"a.b=3"`` -> ``("a.b", 3)``.

    Raises:
        RecipeError: there is no ``=`` or the value is not YAML.
    """
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise RecipeError(
            f"--set '{plain(text, 120)}' is not of the form path=value",
            next_step="for example --set phases.bootstrap.student.epochs=3",
        )
    try:
        return path.strip(), parse_value(raw)
    except RecipeError as error:
        raise RecipeError(
            f"--set '{plain(text, 120)}': {error.what}", next_step=error.next_step
        ) from None


def apply_overrides(
    document: Mapping[str, Any], overrides: list[str]
) -> tuple[dict[str, Any], dict[Path_, str]]:
    """A changed copy of a recipe document, and where each changed path came from.

    A value given here wins over a matrix axis for the same path: the axis is removed. A list
    given for ``seed`` becomes the axis.

    Raises:
        RecipeError: a path does not exist.
    """
    out = copy.deepcopy(dict(document))
    origins: dict[Path_, str] = {}
    wrong: list[str] = []
    for text in overrides:
        try:
            _override(out, origins, text)
        except RecipeError as error:
            wrong.append(str(error))
    if wrong:
        raise RecipeError("options that cannot be followed", problems=tuple(wrong))
    return out, origins


def _override(out: dict[str, Any], origins: dict[Path_, str], text: str) -> None:
    dotted_path, value = parse_override(text)
    if dotted_path == "seed" and isinstance(value, list):
        dotted_path = "matrix.seed"
    origin = f"--set {plain(text, 120)}"
    if dotted_path.startswith("matrix."):
        axis = dotted_path.removeprefix("matrix.")
        axes = out.setdefault("matrix", {})
        if isinstance(axes, dict):
            axes[_same_axis(out, axes, axis)] = value
            origins["matrix", axis] = origin
        return
    path = locate(out, dotted_path, origin)
    _assign(out, path, value)
    origins[path] = origin
    axes = out.get("matrix")
    if isinstance(axes, dict):
        for axis in [a for a in axes if _covers(out, dotted_path, path, str(a))]:
            del axes[axis]


def set_path(document: dict[str, Any], dotted_path: str, value: Any, origin: str) -> Path_:
    """Change one place of a document in place and return its path.

    Raises:
        RecipeError: the path does not exist.
    """
    path = locate(document, dotted_path, origin)
    _assign(document, path, copy.deepcopy(value))
    return path


def locate(document: Mapping[str, Any], dotted_path: str, origin: str) -> Path_:
    """The path of a dotted address. List items go by ``name``, ``use`` or number.

    Raises:
        RecipeError: no such place, with a suggestion.
    """
    node: Any = document
    path: list[str | int] = []
    words = dotted_path.split(".")
    for depth, word in enumerate(words):
        last = depth == len(words) - 1
        if isinstance(node, list):
            index = _item(node, word, path, origin)
            path.append(index)
            node = node[index]
            continue
        if isinstance(node, str) and _is_block_word(tuple(path)):
            node = {"use": node}
        if node is None:
            node = {}
        if not isinstance(node, dict):
            raise RecipeError(
                f"{_dots(path)} is {plain(repr(node), 80)}, which has nothing inside",
                where=origin,
                next_step=f"set {_dots(path)} itself",
            )
        if word not in node and not _may_create(tuple(path), word, last):
            known = _known_keys(tuple(path), node)
            raise RecipeError(
                f"there is no {word!r} in {_dots(path) or 'the recipe'}{suggestion(word, known)}",
                where=origin,
                next_step=f"it holds: {', '.join(map(str, known)) or 'nothing'}",
            )
        path.append(word)
        node = node.get(word)
    return tuple(path)


def _item(node: list[Any], word: str, path: list[str | int], origin: str) -> int:
    names: list[str] = []
    for key in ("name", "use"):
        for index, item in enumerate(node):
            label = item.get(key) if isinstance(item, dict) else (item if key == "use" else None)
            if label == word:
                return index
            if label is not None:
                names.append(str(label))
    if word.isdecimal() and len(word) < 9 and int(word) < len(node):
        return int(word)
    raise RecipeError(
        f"{_dots(path)} has no item {word!r}{suggestion(word, names)}",
        where=origin,
        next_step=f"items go by name, use or number: {', '.join(names) or len(node)}",
    )


def _may_create(path: Path_, word: str, last: bool) -> bool:
    if not path:
        return word in _TOP
    if path[0] == "phases" and len(path) == 2:
        return word in PhaseModel.model_fields
    if path == ("models",):
        return last
    if path == ("task", "splits"):
        return last
    # Inside a component's block its own config model decides; validation names unknown keys.
    return path[0] in ("models", "task") or (path[0] == "phases" and len(path) > 2)


def _known_keys(path: Path_, node: Mapping[str, Any]) -> list[str]:
    if not path:
        return _TOP
    if path[0] == "phases" and len(path) == 2:
        return list(PhaseModel.model_fields)
    return [str(k) for k in node]


def _is_block_word(path: Path_) -> bool:
    """Whether a bare word at this path may stand for ``{use: word}``."""
    return len(path) > 2 and path[0] == "phases" and any(p in USE_BLOCKS for p in path[2:])


def _assign(document: dict[str, Any], path: Path_, value: Any) -> None:
    node: Any = document
    for step, following in itertools.pairwise(path):
        child = node.get(step) if isinstance(node, dict) else node[step]
        if isinstance(child, str) and isinstance(following, str):
            child = {"use": child}
        elif child is None:
            child = {}
        node[step] = child
        node = child
    node[path[-1]] = value


def _covers(document: Mapping[str, Any], text: str, path: Path_, axis: str) -> bool:
    if axis == text or axis.startswith(f"{text}."):
        return True
    try:
        other = locate(document, axis, "matrix")
    except RecipeError:
        return False
    return other[: len(path)] == path


def _same_axis(document: Mapping[str, Any], axes: Mapping[str, Any], axis: str) -> str:
    """The spelling under which the recipe already has this axis, so that it is replaced."""
    for present in axes:
        try:
            if locate(document, str(present), "matrix") == locate(document, axis, "matrix"):
                return str(present)
        except RecipeError:
            continue
    return axis


def _dots(path: list[str | int]) -> str:
    return ".".join(str(p) for p in path)
