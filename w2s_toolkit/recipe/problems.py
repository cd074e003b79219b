"""Problems in a recipe, collected and shown together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from w2s_toolkit.calls.scrub import mask_literals
from w2s_toolkit.errors import RecipeError
from w2s_toolkit.recipe.tree import Path_, Tree, plain


@dataclass(frozen=True)
class Problem:
    """One thing wrong at one place of a recipe."""

    path: Path_
    message: str
    next_step: str


@dataclass
class Problems:
    """Collects problems and renders each with its line.

    ``overridden`` tells which paths were given on the command line or by the matrix, so that the
    message points there and not at a line that says something else. ``count`` counts repeats too.
    """

    tree: Tree
    overridden: Mapping[Path_, str] = field(default_factory=dict)
    found: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, path: Path_, message: str, next_step: str) -> None:
        """Note a problem; the same one twice counts once."""
        self.count += 1
        problem = Problem(path, message, next_step)
        if problem not in self.found:
            self.found.append(problem)

    def raise_if_any(self) -> None:
        """Raise one error that holds all problems, in the order of the file.

        Raises:
            RecipeError: there is at least one.
        """
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda p: self.tree.line_of(p.path))
        count = f"{len(ordered)} problem{'s' * (len(ordered) != 1)}"
        raise RecipeError(
            f"{count} in {self.tree.file}", problems=tuple(self._render(p) for p in ordered)
        )

    def place(self, path: Path_) -> str:
        """``file:line`` of a node, or the option or axis that gave it its value."""
        origin = mask_literals(plain(self._origin(path)))
        return origin or f"{self.tree.file}:{self.tree.line_of(path)}"

    def _render(self, problem: Problem) -> str:
        at = address(problem.path, self.tree.value)
        head = f"{self.place(problem.path)}: {plain(at + ': ') if at else ''}"
        lines = [head + plain(problem.message)]
        line = self.tree.line_of(problem.path)
        if not self._origin(problem.path) and 0 < line <= len(self.tree.lines):
            # A key that was written into the recipe must not be repeated on the screen.
            shown = plain(mask_literals(self.tree.lines[line - 1]).rstrip(), 160)
            lines.append(f"    {line} | {shown}")
        lines.append(f"  next: {plain(problem.next_step)}")
        return "\n".join(lines)

    def _origin(self, path: Path_) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self.overridden:
                return self.overridden[path[:length]]
        below = [text for p, text in self.overridden.items() if p[: len(path)] == path]
        return below[0] if below and path else ""


def dotted(path: Path_) -> str:
    """``("phases", 0, "student")`` -> ``phases.0.student``."""
    return ".".join(str(p) for p in path)


def address(path: Path_, document: Any) -> str:
    """As :func:`dotted`, with list items by name as ``--set`` takes them."""
    words: list[str] = []
    node = document
    for step in path:
        node = _child(node, step)
        name = node.get("name") or node.get("use") if isinstance(node, dict) else None
        named = isinstance(step, int) and isinstance(name, str) and name
        words.append(str(name) if named else str(step))
    return ".".join(words)


def _child(node: Any, step: str | int) -> Any:
    try:
        return node[step]
    except (KeyError, IndexError, TypeError):
        return None
