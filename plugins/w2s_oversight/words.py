"""What is done to the words of debaters and assistants before anyone else reads them."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

_FORGED = r"""
    v[*_]*e[*_]*r[*_]*d[*_]*i[*_]*c[*_]*t[\s*_]*:
    | (?:<|&lt;)\s*/?\s*[vu]_quote[^<>]{0,80}(?:>|&gt;)
    | (?:(?:<|&lt;)\s*/?\s*|(?<![a-z0-9_]))[vu]_quote(?![a-z0-9_])(?:\s*(?:>|&gt;))?
    | ===\ ?(?:system|user|assistant)\ ?===
"""
_QUOTE = re.compile(r"<quote>(.*?)</quote>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?quote>", re.IGNORECASE)

_ALIKE = dict(
    zip(
        "аеорсухіјѕһԁԛԝѵвмтнкǀ∶꞉ːο‹〈νετικρχαυη",
        "aeopcyxijshdqwvbmthkl:::o<<vetikpxaun",
        strict=True,
    )
)
"""Letters and marks that look like those of a verdict or a tag, and what they look like."""

_BLANK = frozenset("\u115f\u1160\u3164\u2800")
"""Letters that nobody sees."""

_UNSEEN = frozenset(("Cf", "Mn", "Me", "Cc"))
"""Classes of characters that take no place of their own."""

_PLAIN = re.compile(r"[\t\n\r -~]*")
"""What looks as it is."""

_TAGS = {
    "<v_quote>": "\ue100",
    "</v_quote>": "\ue101",
    "<u_quote>": "\ue102",
    "</u_quote>": "\ue103",
}
_TAGS |= {"<quote>": "\ue104", "</quote>": "\ue105"}
"""Tags of the protocol's own, and a character that stands for each while a text is put together."""


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

    Nor what reads like them: with letters that look alike, or with characters between that nobody sees.
    Control tokens of models are none of its business: the chat models take them apart.
    """
    forged = re.compile(
        f"{_FORGED}|{re.escape(secret)}" if secret else _FORGED, re.IGNORECASE | re.VERBOSE
    )
    while True:
        seen, places = _seen(text)
        spans = [found.span() for found in forged.finditer(seen) if found[0]]
        if not spans:
            return text.strip()
        for begin, end in reversed(spans):  # what was taken out may join two halves of another
            text = text[: places[begin]] + text[places[end - 1] + 1 :]


def _seen(text: str) -> tuple[str, Sequence[int]]:
    """A text as it looks, in lower case, and where each of its characters comes from."""
    if _PLAIN.fullmatch(text):
        return text.lower(), range(len(text))
    letters, places = list[str](), list[int]()
    for at, char in enumerate(text):
        for one in unicodedata.normalize("NFKC", char).casefold():
            if one in _BLANK or (unicodedata.category(one) in _UNSEEN and not one.isspace()):
                continue
            letters.append(_ALIKE.get(one, one))
            places.append(at)
    return "".join(letters), places


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


def shown(text: str, source: str, how: Literal["mark", "drop"], secret: str = "") -> str:
    """A text as others read it, its quotes checked against ``source``, cleaned once more in the end.

    With ``mark`` those that are verbatim stand in ``<v_quote>``, others in ``<u_quote>``; with ``drop`` the former
    keep their ``<quote>`` and the latter are gone. Tags that mark nothing are taken out.
    """
    text = text.translate({ord(stand_in): None for stand_in in _TAGS.values()})
    pieces, at = list[str](), 0
    checked = iter(quotes(text, source))
    for found in _QUOTE.finditer(text):
        quote = next(checked)
        pieces.append(_TAG.sub("", text[at : found.start()]))
        inner = _TAG.sub("", quote.text)
        if how == "mark":
            pieces.append(_tagged(inner, "v_quote" if quote.verified else "u_quote"))
        elif quote.verified:
            pieces.append(_tagged(inner, "quote"))
        at = found.end()
    pieces.append(_TAG.sub("", text[at:]))
    # Where a tag or a quote was taken out, two halves of something forged may have met.
    read = clean("".join(pieces), secret)
    for tag, stand_in in _TAGS.items():
        read = read.replace(stand_in, tag)
    return read


def _tagged(text: str, name: str) -> str:
    return f"{_TAGS[f'<{name}>']}{text}{_TAGS[f'</{name}>']}"
