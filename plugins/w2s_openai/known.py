"""What is known of an endpoint and model: the probe's findings, kept with their date.

They lie in the user's cache (``$W2S_CACHE``, else ``$XDG_CACHE_HOME/w2s``, else ``~/.cache/w2s``), one
JSON file for each endpoint and model, as hub models lie in the hub's cache: a recipe is planned from
them without a network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from w2s_toolkit.digest import hash_of
from w2s_toolkit.errors import OutputError
from w2s_toolkit.whole import write_whole

SCHEMA = 1
"""Raise it when the probe asks other things: what an older one found is asked again."""


@dataclass(frozen=True, slots=True)
class Known:
    """Abilities of one model at one endpoint.

    Attributes:
        endpoint, model: whom it is about.
        date: when it was asked, as ISO 8601 in UTC.
        limit: the field that limits an answer: ``max_tokens`` or ``max_completion_tokens``.
        top_logprobs: how many alternatives it lists for a token; 0: it gives no log-probabilities.
        schema: answers follow a JSON Schema.
        seed: equal seeds gave equal texts, and another seed another.
        refused: settings of sampling that it answers with an error.
        context: tokens that prompt and answer may have together; None where it does not say.
        says: the model's name in its answers.
        tokens: what the probe cost, read and written.
    """

    endpoint: str
    model: str
    date: str
    limit: str
    top_logprobs: int
    schema: bool
    seed: bool
    refused: tuple[str, ...] = ()
    context: int | None = None
    says: str = ""
    tokens: int = 0

    def abilities(self) -> list[str]:
        """Of ``logprobs``, ``schema``, ``seed``."""
        has = {"logprobs": self.top_logprobs > 0, "schema": self.schema, "seed": self.seed}
        return sorted(name for name, there in has.items() if there)

    def identity(self) -> dict[str, Any]:
        """What enters the keys of stages: whatever changes how requests are put."""
        mine = ("limit", "top_logprobs", "schema", "seed", "refused")
        return {name: value for name, value in _json(self).items() if name in mine}

    @classmethod
    def read(cls, endpoint: str, model: str) -> Known | None:
        """What was found, or None: never asked, asked by an older probe, or damaged."""
        return _read(_path(endpoint, model))

    def write(self) -> None:
        """Keep it.

        Raises:
            OutputError: the cache cannot be written.
        """
        path = _path(self.endpoint, self.model)
        facts = _json(self)
        text = json.dumps({"sha256": hash_of(facts), "schema": SCHEMA, "known": facts}, indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, f"{text}\n".encode())
        except OSError as error:
            raise OutputError(
                f"what an endpoint can cannot be kept: {error.strerror or error}",
                where=str(path.parent),
                next_step="export W2S_CACHE=FOLDER with one that can be written",
            ) from None

    @classmethod
    def all(cls) -> Iterator[Known]:
        """Everything that is known, by endpoint and model."""
        found = [known for path in folder().glob("*.json") if (known := _read(path))]
        yield from sorted(found, key=lambda k: (k.endpoint, k.model))


def folder() -> Path:
    """Where it is kept."""
    own = os.environ.get("W2S_CACHE")
    if own:
        return Path(own) / "endpoints"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "w2s" / "endpoints"


def _path(endpoint: str, model: str) -> Path:
    return folder() / f"{hash_of([endpoint, model])[:32]}.json"


def _json(known: Known) -> dict[str, Any]:
    return {**asdict(known), "refused": list(known.refused)}


def _read(path: Path) -> Known | None:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        facts = entry["known"]
        if entry["schema"] != SCHEMA or entry["sha256"] != hash_of(facts):
            return None
        names = {f.name for f in fields(Known)}
        facts = {name: value for name, value in facts.items() if name in names}
        return Known(**{**facts, "refused": tuple(facts["refused"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
