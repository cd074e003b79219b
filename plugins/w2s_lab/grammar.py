"""Small rules of English that all texts share."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


def sentence(text: str) -> str:
    """``text`` with a capital at its beginning, a full stop at its end, and its articles right."""
    text = _ARTICLE.sub(r"\1n ", text[0].upper() + text[1:])
    return text if text[-1] in ".!?>" else f"{text}."


def listed(items: Sequence[str]) -> str:
    """``x``, ``x and y`` or ``x, y and z``."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
