"""YAML 1.2 text -> plain values, with the line of every node.

ruamel.yaml's safe loader composes the nodes; values are built here so that each keeps its place,
duplicate keys are refused, and a small file cannot unfold into a huge one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_toolkit.errors import RecipeError

Path_ = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40


@dataclass
class Tree:
    """A parsed recipe file.

    Attributes:
        value: the plain document, a mapping.
        file: path for messages.
        lines: text by line, for snippets.
        places: path of a node -> line number from 1 (of its key where it has one).
    """

    value: dict[str, Any]
    file: str
    lines: list[str] = field(default_factory=list)
    places: dict[Path_, int] = field(default_factory=dict)

    def line_of(self, path: Path_) -> int:
        """Line of a node, or of its nearest ancestor that is written in the file."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, 1)


def read_tree(file: Path) -> Tree:
    """Read a recipe file.

    Raises:
        RecipeError: not readable, not UTF-8, not YAML, not a mapping, or too large.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"the recipe cannot be read: {error.strerror}",
            where=str(file),
            next_step="'w2s recipes ls' lists those that come with the toolkit",
        ) from None
    if len(raw) > MAX_BYTES:
        raise RecipeError(f"a recipe is at most {MAX_BYTES:,} bytes", where=str(file))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RecipeError(
            f"not UTF-8 at byte {error.start}",
            where=f"{file}:{line}",
            next_step="save the file as UTF-8",
        ) from None
    return parse_tree(text, str(file))


def parse_tree(text: str, file: str) -> Tree:
    """Parse YAML text; ``file`` is for messages. Raises as :func:`read_tree`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    tree = Tree({}, file, text.splitlines())
    try:
        node = yaml.compose(text)
        builder = _Builder(yaml.constructor, tree)
        value = {} if node is None else builder.build(node, ())
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else 1
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        raise RecipeError(f"not valid YAML: {what}", where=f"{file}:{line}") from None
    except RecursionError:
        raise RecipeError("the recipe is nested too deeply", where=file) from None
    except ValueError as error:
        raise RecipeError(f"not valid YAML: {error}", where=file) from None
    if not isinstance(value, dict):
        raise RecipeError("a recipe is a mapping of keys to values", where=f"{file}:1")
    if not value:
        raise RecipeError(
            "the recipe is empty",
            where=file,
            next_step="copy one to start from: w2s recipes cp sst2_minilm .",
        )
    tree.value = value
    return tree


def parse_value(text: str) -> Any:
    """A YAML value given on the command line.

    Raises:
        RecipeError: it is not valid YAML.
    """
    wrapped = parse_tree(f"value: {text}" if text else "value: null", "--set")
    return wrapped.value["value"]


class _Builder:
    def __init__(self, constructor: Any, tree: Tree) -> None:
        self._constructor = constructor
        self._tree = tree
        self._count = 0

    def build(self, node: Any, path: Path_) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        self._tree.places.setdefault(path, line)
        if self._count > MAX_NODES or len(path) > MAX_DEPTH:
            raise RecipeError(
                "the recipe unfolds into too many or too deeply nested nodes",
                where=f"{self._tree.file}:{line}",
                next_step="remove repeated aliases (*name) or nesting",
            )
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: Any, path: Path_) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            where = f"{self._tree.file}:{line}"
            if key_node.id != "scalar":
                raise RecipeError("a key must be a plain word", where=where)
            key = str(key_node.value)
            if key in out:
                raise RecipeError(f"the key {key!r} stands twice in one mapping", where=where)
            self._tree.places[(*path, key)] = line
            out[key] = self.build(value_node, (*path, key))
        return out

    def _scalar(self, node: Any) -> Any:
        tag = str(node.tag)
        plain = ("str", "int", "float", "bool", "null")
        if not tag.startswith("tag:yaml.org,2002:") or tag.rsplit(":", 1)[1] not in plain:
            if tag.endswith(":timestamp"):
                return str(node.value)
            raise RecipeError(
                f"the tag {tag!r} is not allowed in a recipe",
                where=f"{self._tree.file}:{node.start_mark.line + 1}",
                next_step="write plain strings, numbers, true/false, lists and mappings",
            )
        return self._constructor.construct_object(node)
