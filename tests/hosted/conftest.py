"""Hosted models against real servers on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fault_proxy import Proxy

    from w2s_openai.model import OpenAIModel
    from w2s_toolkit.calls import Price
    from w2s_toolkit.stages.context import StageContext

FAST = {"max_attempts": 8, "max_wait_s": 0.5, "timeout_s": 60.0}


@pytest.fixture(scope="session")
def lab_api() -> Iterator[tuple[str, Any]]:
    """The server that gives log-probabilities, over lab-s, and the model behind it."""
    for package in ("fastapi", "torch", "transformers"):
        pytest.importorskip(package, reason='needs pip install "w2s-toolkit[hf,openai,test]"')
    from lab_api import lab_api

    from w2s_lab.family import folder

    with lab_api(folder("lab-s")) as served:
        yield served


@pytest.fixture
def proxied(lab_api: tuple[str, Any]) -> Callable[..., AbstractContextManager[Proxy]]:
    """A faulty proxy in front of :func:`lab_api`."""
    from fault_proxy import Proxy

    return lambda **settings: Proxy(lab_api[0], **settings).running()


@pytest.fixture
def model() -> Callable[..., OpenAIModel]:
    """A model at an address, known to be able to do nothing special, so that no probe is sent."""

    def make(url: str, model: str = "lab", *, top_logprobs: int = 0, **more: Any) -> OpenAIModel:
        from w2s_openai.config import OpenAIModelConfig
        from w2s_openai.known import Known
        from w2s_openai.model import OpenAIModel

        config = OpenAIModelConfig(id=model, base_url=url, **{**FAST, **more})
        Known(
            config.endpoint(), model, "2026-01-01", "max_tokens", top_logprobs, False, False
        ).write()
        return OpenAIModel(config)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., StageContext]:
    """A stage's context with a cache and a ledger on disk, as stages of one recipe share them."""

    def make(
        *,
        tokens: int | None = None,
        usd: float | None = None,
        prices: dict[str, Price] | None = None,
        secrets: Sequence[str] = (),
        run: str = "run",
    ) -> StageContext:
        from w2s_toolkit.calls import Budget, CallCache, Calls, Ledger, Scrubber
        from w2s_toolkit.stages.context import StageContext

        scrub = Scrubber(secrets)
        calls = Calls(
            cache=CallCache(tmp_path / "calls", scrub),
            ledger=Ledger(tmp_path / "ledger.jsonl", Budget(usd, tokens)),
            prices=prices,
            run=run,
            stage="stage",
            scrub=scrub,
        )
        return StageContext(out=tmp_path, scratch=tmp_path, calls=calls)

    return make
