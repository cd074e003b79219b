"""YAML 1.2 text -> plain values, with the line of every node.

ruamel.yaml's safe loader composes the nodes; values are built here so that each keeps its place,
duplicate keys are refused, and a small file cannot unfold into a huge one.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_toolkit.errors import RecipeError

Path_ = tuple[str | int, ...]

MAX_BYTES = 250_000
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
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(
            f"the recipe cannot be read: {error.strerror}",
            where=str(file),
            next_step="'w2s recipes ls' lists those that come with the toolkit",
        ) from None
    if len(raw) > MAX_BYTES:
        raise RecipeError(
            f"a recipe is at most {MAX_BYTES:,} bytes",
            where=str(file),
            next_step="name a recipe, not data; 'w2s recipes ls' lists those that are shipped",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RecipeError(
            f"this is not UTF-8: byte 0x{raw[error.start]:02x} at {error.start}",
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
        _refuse_other_versions(text, file)
        _refuse_towers(text, file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor may be given anew: the last one counts
            node = yaml.compose(text)
        builder = _Builder(yaml.constructor, tree)
        value = {} if node is None else builder.build(node, ())
    except (YAMLError, ValueError) as error:  # ValueError: an escape beyond the last character
        raise _not_yaml(error, text, file) from None
    except RecursionError:
        raise _too_deep(file) from None
    if not isinstance(value, dict):
        raise RecipeError(
            "a recipe is a mapping of keys to values",
            where=f"{file}:1",
            next_step="begin with lines such as 'schema: 1' and 'name: mine'",
        )
    if not value:
        raise RecipeError(
            "the recipe is empty",
            where=file,
            next_step="copy one to start from: w2s recipes cp sst2_minilm .",
        )
    tree.value = value
    return tree


def _refuse_other_versions(text: str, file: str) -> None:
    """Refuse YAML 1.1, in which ``no`` is false, and versions that nobody knows."""
    if found := _OTHER_VERSION.search(text):
        raise RecipeError(
            "recipes are YAML 1.2, not another version",
            where=f"{file}:{text.count(chr(10), 0, found.start()) + 1}",
            next_step="remove the line that begins with %YAML",
        )


_OTHER_VERSION = re.compile(r"^%YAML(?![ \t]+1\.2\s*$)", re.MULTILINE)


def _refuse_towers(text: str, file: str) -> None:
    """Refuse nesting far beyond what is read anyway, on which the parser would take minutes."""
    depth = 0
    for number, line in enumerate(text.split("\n"), start=1):
        for sign in _OPENING.findall(line):
            depth = max(0, depth - 1) if sign in "]}" else depth + 1
            if depth > 20 * MAX_DEPTH:
                raise _too_deep(f"{file}:{number}")
        if _TOWER.search(line):
            raise _too_deep(f"{file}:{number}")


_OPENING = re.compile(r"[\[{\]}]")
_TOWER = re.compile(rf"([-?:!][ \t]+){{{10 * MAX_DEPTH}}}")


def _too_deep(where: str) -> RecipeError:
    return RecipeError(
        "the recipe is nested too deeply",
        where=where,
        next_step=f"write it with at most {MAX_DEPTH} levels",
    )


def _not_yaml(error: Any, text: str, file: str) -> RecipeError:
    """What ruamel.yaml says, with the line it is about."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    if hasattr(error, "character"):  # its reader, which counts characters
        code = error.character if isinstance(error.character, int) else ord(error.character)
        line = text.count("\n", 0, error.position) + 1
        return RecipeError(
            f"the character U+{code:04X} is not allowed in YAML",
            where=f"{file}:{line}",
            next_step='delete it, or write it as an escape in double quotes, such as "\\x07"',
        )
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    return RecipeError(
        f"not valid YAML: {plain(what)}",
        where=f"{file}:{line}",
        next_step="check brackets, quotes, colons and indentation here and in the lines above; "
        "text with signs such as : # { [ * & % @ goes in quotes",
    )


def plain(text: str, longest: int = 400) -> str:
    """A text on one line of at most ``longest`` characters that no terminal acts upon."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def parse_value(text: str) -> Any:
    """A YAML value given on the command line.

    Raises:
        RecipeError: it is not valid YAML.
    """
    wrapped = parse_tree(f"value: {text}" if text else "value: null", "--set")
    if set(wrapped.value) != {"value"}:
        raise RecipeError(
            "this is more than one value",
            next_step="write a mapping in braces: {a: 1, b: 2}",
        )
    return wrapped.value["value"]


_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


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
                "the recipe unfolds into too many or too deeply nested values",
                where=f"{self._tree.file}:{line}",
                next_step="remove repeated aliases (*name) or nesting",
            )
        if node.id != "scalar" and str(node.tag) not in _COLLECTIONS:
            raise self._bad_tag(str(node.tag), line)
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
                raise RecipeError(
                    "a key must be a plain word",
                    where=where,
                    next_step="write NAME: VALUE; text with braces or brackets goes in quotes",
                )
            key = self._sound(str(key_node.value), line)
            if str(key_node.tag).endswith(":merge"):
                raise RecipeError(
                    "merge keys (<<) are not supported",
                    where=where,
                    next_step="write the keys out, or use an alias for a whole value: key: *name",
                )
            if key in out:
                raise RecipeError(
                    f"the key '{plain(key)}' stands twice in one mapping",
                    where=where,
                    next_step="delete one of the two",
                )
            self._tree.places[(*path, key)] = line
            out[key] = self.build(value_node, (*path, key))
        return out

    def _scalar(self, node: Any) -> Any:
        tag, line = str(node.tag), node.start_mark.line + 1
        allowed = ("str", "int", "float", "bool", "null")
        if not tag.startswith("tag:yaml.org,2002:") or tag.rsplit(":", 1)[1] not in allowed:
            if tag.endswith(":timestamp"):
                return self._sound(str(node.value), line)
            raise self._bad_tag(tag, line)
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError, IndexError) as error:
            kind = tag.rsplit(":", 1)[1]
            raise RecipeError(
                f"'{plain(str(node.value), 40)}' is not a YAML {kind}: {plain(str(error), 80)}",
                where=f"{self._tree.file}:{line}",
                next_step="correct it, or put it in quotes if it is text",
            ) from None
        return self._sound(value, line) if isinstance(value, str) else value

    def _bad_tag(self, tag: str, line: int) -> RecipeError:
        return RecipeError(
            f"the tag '{plain(tag)}' is not allowed in a recipe",
            where=f"{self._tree.file}:{line}",
            next_step="write plain strings, numbers, true/false, lists and mappings",
        )

    def _sound(self, text: str, line: int) -> str:
        """A text that can be written to a file: no half of a surrogate pair, no zero byte."""
        if text.isascii() and "\0" not in text:
            return text
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise RecipeError(
                f"'{plain(text, 40)}' holds a zero byte or half of a surrogate pair, "
                "which no file or path can hold",
                where=f"{self._tree.file}:{line}",
                next_step="delete that escape",
            )
        return text
