"""Secrets are taken out of whatever is shown or written."""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[secret]"

SHORTEST = 8
"""Shorter values are no secrets but words such as ``none`` or ``EMPTY``, and are left alone."""

FRAGMENT = 12
"""So many characters of a secret in a row are taken out too: an answer may end in the midst of it."""


class Scrubber:
    """Replaces secrets by ``[secret]``: as they are, as URLs, JSON, HTML, hex and base64 write them, and long parts.

    Args:
        values: the secrets; those of fewer than eight characters are left out.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        whole = {form for v in values if len(v) >= SHORTEST for form in _forms(v)}
        self._whole = sorted(whole, key=len, reverse=True)
        self._parts = {
            form[at : at + FRAGMENT]
            for form in self._whole
            for at in range(len(form) - FRAGMENT + 1)
        }

    @classmethod
    def of_environment(cls, names: Iterable[str]) -> Scrubber:
        """One for the values that these environment variables have now."""
        return cls(os.environ.get(name, "") for name in names)

    def __bool__(self) -> bool:
        return bool(self._whole)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for form in self._whole:
            text = text.replace(form, MARK)
        return self._without_parts(text) if self._has_part(text) else text

    def value(self, value: Any) -> Any:
        """A JSON-able value without secrets, in its keys neither."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self.value(k): self.value(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v) for v in value]
        return value

    def _has_part(self, text: str) -> bool:
        ends = range(FRAGMENT, len(text) + 1)
        return not self._parts.isdisjoint(text[end - FRAGMENT : end] for end in ends)

    def _without_parts(self, text: str) -> str:
        """Cut out every stretch that lies within a secret, however long."""
        out, at = [], 0
        while at < len(text):
            if text[at : at + FRAGMENT] not in self._parts:
                out.append(text[at])
                at += 1
                continue
            end = at + FRAGMENT
            while end < len(text) and text[end - FRAGMENT + 1 : end + 1] in self._parts:
                end += 1
            out.append(MARK)
            at = end
        return "".join(out)


class ScrubbedLogs(logging.Filter):
    """A filter for the loggers of a client library: what they say is scrubbed first."""

    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; none is dropped."""
        record.msg, record.args = self._scrub(record.getMessage()), ()
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = self._scrub(trace), None
        return True


def _forms(value: str) -> set[str]:
    """A secret as it is and as it may be written in a URL, in JSON or in a header."""
    raw = value.encode("utf-8", "surrogatepass")
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return {
        value,
        *quoted,
        *(re.sub("%..", lambda found: found[0].lower(), text) for text in quoted),
        json.dumps(value)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
        html.escape(value),
        html.escape(value).replace("/", "&#x2F;"),
        raw.hex(),
        *_in_base64(raw),
    }


def _in_base64(raw: bytes) -> Iterator[str]:
    """As base64 of the secret alone or within a longer text: three ways, by what precedes it."""
    for before in range(3):
        # Characters that also hold bits of what stands around are left out.
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        padded = bytes(before) + raw
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded).decode()[first:last]


_LITERALS = (
    re.compile(r"""(?i)(\b[\w-]*(?:api[_-]?key|secret|password|authorization)[\w-]*["']?\s*[:=]\s*)(?!\$)([^\s,}]+)"""),
    re.compile(r"()\b((?:sk|pk|rk|hf|gsk|xai|key)[-_][A-Za-z0-9_-]{8,})"),
    re.compile(r"(://)([^/\s@'\"]+)(?=@)"),
)  # fmt: skip
_NAME = re.compile(r"[\"']?(?:[A-Z_][A-Z0-9_]*|null|~)[\"']?$")


def mask_literals(text: str) -> str:
    """A line of a recipe or option with what looks like a literal key or password masked.

    Names of environment variables stay readable.
    """

    def mask(found: re.Match[str]) -> str:
        name = _NAME.match(found[2])
        return found[0] if name else f"{found[1]}{MARK}"

    for pattern in _LITERALS:
        text = pattern.sub(mask, text)
    return text
