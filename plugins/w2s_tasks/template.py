"""Templates that put columns into text: ``"Q: {question} A: {answer}"``.

Braces are written ``{{`` and ``}}``. A template is read once; what a column holds is inserted as it
is and never looked at again, so that data cannot reach other columns. Imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Template(NamedTuple):
    """A parsed template: literal texts, and the column that follows each but the last."""

    literals: tuple[str, ...]
    columns: tuple[str, ...]

    def render(self, text_of: Callable[[str], str]) -> str:
        """The text with each column replaced by ``text_of(column)``."""
        parts = [self.literals[0]]
        for column, literal in zip(self.columns, self.literals[1:], strict=True):
            parts += [text_of(column), literal]
        return "".join(parts)


def parse_template(text: str) -> Template:
    """Parse a template.

    Raises:
        ValueError: a brace stands alone or a column has no name; the message says where.
    """
    literals, columns, start, literal = [], [], 0, ""
    for token in _TOKEN.finditer(text):
        literal += text[start : token.start()]
        start = token.end()
        if token[0] in ("{{", "}}"):
            literal += token[0][0]
        elif token[1] is None:
            raise ValueError(
                f"a lone {token[0]!r} at character {token.start() + 1}; write {token[0] * 2!r}"
            )
        elif not token[1].strip():
            raise ValueError(f"a column without a name at character {token.start() + 1}")
        else:
            literals.append(literal)
            columns.append(token[1].strip())
            literal = ""
    literals.append(literal + text[start:])
    return Template(tuple(literals), tuple(columns))
