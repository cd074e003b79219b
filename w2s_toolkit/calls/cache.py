"""Answers by the identity of their requests, so that none is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.calls.scrub import Scrubber
from w2s_toolkit.digest import canonical, hash_of
from w2s_toolkit.errors import StoreError
from w2s_toolkit.whole import write_whole


class CallCache:
    """One JSON file an answer, below ``root/ab/KEY.json``; written whole or not at all.

    Args:
        root: folder; None keeps the answers in this process alone.
        scrub: applied to everything that is put in.
    """

    def __init__(self, root: Path | None, scrub: Scrubber | None = None) -> None:
        self._root = root
        self._scrub = scrub or Scrubber()
        self._here: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer under a key; None where there is none, or where the file is damaged."""
        if self._root is None:
            return self._here.get(key)
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8"))
            answer = entry["answer"]
            sound = entry["key"] == key and entry["sha256"] == hash_of(answer)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return answer if sound and isinstance(answer, dict) else None

    def put(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an answer; returns it as it is kept, without secrets.

        Raises:
            StoreError: it cannot be written.
        """
        kept: dict[str, Any] = json.loads(canonical(self._scrub.value(answer)))
        if self._root is None:
            self._here[key] = kept
            return kept
        path = self._path(key)
        text = canonical({"key": key, "sha256": hash_of(kept), "answer": kept})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode("utf-8", "surrogatepass"))
        except OSError as error:
            raise StoreError(
                f"an answer cannot be kept: {error.strerror or error}",
                where=str(path.parent),
                next_step="free some space, or choose another folder with --store, and run again: "
                "answers that were kept are not asked for again",
            ) from None
        return kept

    def _path(self, key: str) -> Path:
        assert self._root is not None
        return self._root / key[:2] / f"{key}.json"
