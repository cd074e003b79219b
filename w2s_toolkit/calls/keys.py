"""The identity of a call: what is asked, of which model, at which endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from w2s_toolkit.digest import canonical, hash_of

SCHEMA = 1
"""Part of every key: raise it when an entry of the call cache means something else."""


def endpoint_of(url: str) -> str:
    """An endpoint without user name, password, query and fragment, in one spelling.

    >>> endpoint_of("HTTPS://me:secret@API.example.com:443/v1/?key=secret")
    'https://api.example.com/v1'
    """
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    if port is not None and port != {"http": 80, "https": 443}.get(scheme):
        host = f"{host}:{port}"
    return urlunsplit((scheme, host, parts.path.rstrip("/"), "", ""))


@dataclass(frozen=True, slots=True)
class Call:
    """One request, frozen: its key and the body are of one text.

    Attributes:
        key: 64 hex digits.
        text: the body as canonical JSON; what is sent is read from it.
    """

    key: str
    text: str

    @classmethod
    def of(
        cls,
        *,
        endpoint: str,
        model: str,
        revision: str | None,
        body: Mapping[str, Any],
        sample_index: int,
    ) -> Call:
        """Freeze a request.

        Args:
            endpoint: see :func:`endpoint_of`; applied again here, so no password gets into a key.
            body: the exact body, without what is only of the transport (headers, timeouts).

        Raises:
            ValueError: the body is no JSON, such as one with NaN.
        """
        text = canonical(body)
        parts = {
            "schema": SCHEMA,
            "endpoint": endpoint_of(endpoint),
            "model": model,
            "revision": revision,
            "body": json.loads(text),
            "sample_index": sample_index,
        }
        return cls(hash_of(parts), text)

    @property
    def body(self) -> dict[str, Any]:
        """What is sent, read anew: changing it changes nothing here."""
        made: dict[str, Any] = json.loads(self.text)
        return made
