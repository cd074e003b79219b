"""What is done to the words of debaters and assistants before anyone else reads them."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from typing import Literal, NamedTuple

_FORGED = re.compile(
    r"verdict[\s*]*[:：]|<\s*/?\s*[vu]_quote\s*>|=== ?(?:system|user|assistant) ?===", re.IGNORECASE
)
_QUOTE = re.compile(r"<quote>(.*?)</quote>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?quote>", re.IGNORECASE)


class Quote(NamedTuple):
    """A quote, and whether it stands in the source."""

    text: str
    verified: bool


def delimiter(seed: int) -> str:
    """Eight letters that nobody can guess who does not know the stage's seed."""
    digest = hashlib.sha256(f"delimiter {seed}".encode()).digest()
    return base64.b32encode(digest)[:8].decode().lower()


def clean(text: str, secret: str) -> str:
    """A text without what only the protocol may write: verdicts, marks of verified quotes, delimiters.

    Control tokens of models are none of its business: the chat models take them apart.
    """
    forged = re.compile(f"{_FORGED.pattern}|{re.escape(secret)}", re.IGNORECASE)
    while True:
        shorter = forged.sub("", text)
        if shorter == text:  # what was taken out may have joined two halves of another
            return text.strip()
        text = shorter


def quotes(text: str, source: str) -> list[Quote]:
    """Quotes of a text in order, checked against its source."""
    whole = f" {_normal(source)} "
    found = []
    for quote in _QUOTE.findall(text):
        words = _normal(quote)
        found.append(Quote(quote.strip(), bool(words) and f" {words} " in whole))
    return found


def _normal(text: str) -> str:
    """Words alone: no case, no punctuation, one blank between two."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded.replace("_", " ")))


def shown(text: str, source: str, how: Literal["mark", "drop"]) -> str:
    """A cleaned text as others read it, its quotes checked against ``source``.

    With ``mark`` those that are verbatim stand in ``<v_quote>``, others in ``<u_quote>``; with ``drop`` the former
    keep their ``<quote>`` and the latter are gone. Tags that mark nothing are taken out.
    """
    pieces, at = list[str](), 0
    checked = iter(quotes(text, source))
    for found in _QUOTE.finditer(text):
        quote = next(checked)
        pieces.append(_TAG.sub("", text[at : found.start()]))
        inner = _TAG.sub("", quote.text)
        if how == "mark":
            tag = "v_quote" if quote.verified else "u_quote"
            pieces.append(f"<{tag}>{inner}</{tag}>")
        elif quote.verified:
            pieces.append(f"<quote>{inner}</quote>")
        at = found.end()
    pieces.append(_TAG.sub("", text[at:]))
    return "".join(pieces).strip()
