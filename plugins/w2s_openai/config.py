"""Config of the model ``use: openai``. Imports no client."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from w2s_openai.known import Known
from w2s_toolkit.calls import HostedModelConfig, endpoint_of
from w2s_toolkit.config import NEUTRAL, Digest
from w2s_toolkit.digest import canonical, hash_of
from w2s_toolkit.errors import ModelError
from w2s_toolkit.hookspecs import Finding

OPENAI = "https://api.openai.com/v1"

Ability = Literal["logprobs", "schema", "seed"]

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


class OpenAIModelConfig(HostedModelConfig):
    """A chat model behind an OpenAI-compatible endpoint."""

    base_url: str | None = Field(
        None, description="Address up to /v1, such as http://127.0.0.1:8000/v1; null: OpenAI's."
    )
    api_key_env: Annotated[str | None, NEUTRAL] = Field(
        None,
        description="Name of the environment variable that holds the key, never the key itself; "
        "null: OPENAI_API_KEY for OpenAI, no key for any other base_url.",
    )
    revision: str | None = Field(
        None,
        description="Free text for what id leaves open, such as the date of a deployment: another "
        "one asks everything again.",
    )
    offers: list[Ability] | None = Field(
        None,
        description="What it can, of logprobs, schema and seed, for planning where it cannot be "
        "reached; compared with the probe before the first call. Null: as probed.",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="Further keys of every request, such as chat_template_kwargs or reasoning_effort.",
    )
    min_mass: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Least total probability of the choices with which scores by logprobs count.",
    )
    max_concurrency: Annotated[int, NEUTRAL] = Field(
        16, ge=1, le=1024, description="Requests under way at a time, in each stage that runs."
    )
    timeout_s: Annotated[float, NEUTRAL] = Field(
        120.0, gt=0, description="Seconds that one attempt may take."
    )
    max_attempts: Annotated[int, NEUTRAL] = Field(
        6, ge=1, le=100, description="Attempts of one request."
    )
    max_elapsed_s: Annotated[float, NEUTRAL] = Field(
        600.0, gt=0, description="Seconds after which a request is not tried again."
    )
    max_wait_s: Annotated[float, NEUTRAL] = Field(
        60.0,
        gt=0,
        description="Longest wait between attempts; a Retry-After up to this is kept to.",
    )

    def check(self) -> list[str]:
        """Keys and passwords in the recipe, addresses that are none. Never shows what was given."""
        problems = [*self._url_problems()]
        if self.api_key_env is not None and not _NAME.fullmatch(self.api_key_env):
            problems.append(
                "api_key_env: this is not the name of an environment variable; next: export the key "
                "under a name such as OPENAI_API_KEY, and write that name here, never the key"
            )
        try:
            canonical(self.extra_body)
        except (ValueError, TypeError):
            problems.append("extra_body: it holds what JSON cannot")
        clash = sorted(set(self.extra_body) & OWN_KEYS)
        if clash:
            problems.append(
                f"extra_body: {', '.join(clash)} is set by the toolkit; next: remove it here"
            )
        return problems

    def _url_problems(self) -> Iterable[str]:
        if self.base_url is None:
            return
        step = "; next: write it as http://HOST:PORT/v1 or https://HOST/v1"
        try:
            parts = urlsplit(self.base_url)
            parts.port  # noqa: B018 (raises for a port that is no number)
        except ValueError:
            yield f"base_url: this is not an address{step}"
            return
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            yield f"base_url: this is not an address{step}"
        elif parts.username is not None or parts.password is not None:
            yield (
                "base_url: it holds a user name or password, which would be written into every run; "
                "next: remove it, and name an environment variable in api_key_env"
            )
        elif parts.query or parts.fragment:
            yield (
                "base_url: there is something after ? or #; next: remove it; a key belongs into an "
                "environment variable that api_key_env names"
            )

    def endpoint(self) -> str:
        """See :meth:`HostedModelConfig.endpoint`."""
        return endpoint_of(self.base_url or OPENAI)

    @property
    def key_name(self) -> str | None:
        """The environment variable that holds the key, or None where none is needed."""
        if self.api_key_env is None and self.base_url is None:
            return "OPENAI_API_KEY"
        return self.api_key_env

    def secret_names(self) -> tuple[str, ...]:
        """The variable of the key."""
        return (self.key_name,) if self.key_name else ()

    def api_key(self) -> str:
        """The key, or a word where the server needs none.

        Raises:
            ModelError: the variable is not set.
        """
        if self.key_name is None:
            return "none"
        key = os.environ.get(self.key_name, "").strip()
        if not key:
            raise ModelError(
                f"the environment variable {self.key_name} is not set, and {self.endpoint()} asks "
                "for a key",
                where=f"models.NAME ({self.id})",
                next_step=f"export {self.key_name}=...",
            )
        return key

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """Without what the fingerprint stands for."""
        parts = super().key_parts(digest)
        mine = ("id", "base_url", "revision", "offers")
        return {name: part for name, part in parts.items() if name not in mine}

    def known(self) -> Known | None:
        """What the endpoint was found to do; None before anybody asked it."""
        return Known.read(self.endpoint(), self.id)

    def fingerprint(self, digest: Digest) -> str:
        """Endpoint, id, revision and abilities. Asks nobody: what is not probed is left open."""
        known = self.known()
        if self.offers is not None:
            abilities: Any = sorted(self.offers)
        else:
            abilities = known.identity() if known else "not probed"
        parts = [self.endpoint(), self.id, self.revision, abilities]
        return f"{self.called()}#{hash_of(parts)[:16]}"

    def capabilities(self) -> frozenset[str]:
        """It writes; it cannot be trained, and tells no probabilities of whole texts."""
        return frozenset({"generate"})

    def prepare(self) -> None:
        """Ask the endpoint what it can, unless that is known."""
        if self.offers is None and self.known() is None:
            from w2s_openai.probe import probe

            probe(self)

    def remarks(self) -> list[str]:
        """That planning had to leave something open."""
        if self.offers is not None or self.known() is not None:
            return []
        return [
            f"{self.called()} was not asked yet what it can: the first run asks it, and the stages "
            "that use it get other keys then"
        ]

    def findings(self) -> Iterable[Finding]:
        """Whether its key is there, whether it answers, and what it can."""
        from w2s_openai.doctor import model_findings

        return model_findings(self)


OWN_KEYS = frozenset(
    {
        "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop",
        "seed", "response_format", "logprobs", "top_logprobs", "n", "stream",
    }
)  # fmt: skip
"""Keys of a request that follow from what is asked."""
