"""Made-up rows, the lab's smaller models, watched, and components made as a recipe makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from w2s_lab.config import LabModelConfig
from w2s_lab.model import LabModel
from w2s_oversight.plugin import w2s_oversight_protocols, w2s_supervisors
from w2s_toolkit.contracts import (
    ChatFailure,
    ChatRequest,
    ChatResult,
    ChoiceScores,
    Context,
    ModelInfo,
)
from w2s_toolkit.data import Dataset, Example, TaskInfo
from w2s_toolkit.registry import load_object
from w2s_toolkit.stages.shared import SharedObjects

SHARED = SharedObjects()
NAMES = ("blan", "trosk", "vipe", "quem", "dorl", "snip")
COMPONENTS = {c.name: c for c in (*w2s_oversight_protocols(), *w2s_supervisors())}


def model(name: str = "lab-xs") -> LabModel:
    return LabModel(LabModelConfig(id=name, dtype="float32", device="cpu"))


def reviews(rows: int = 8, choices: tuple[str, ...] = ("no", "yes"), **meta: Any) -> Dataset:
    """Reviews whose gold is marked by words that occur nowhere else: GOLD0, GOLD1 …, in meta alone."""
    examples = []
    for i in range(rows):
        text = (
            f"The {NAMES[i % 6]} was {('dull', 'sound')[i % 2]}, and the edge was {i} hands long."
        )
        extra = {
            "passage": f"A {NAMES[i % 6]} is a fish.",
            "secret": f"GOLD{i % len(choices)}",
            **meta,
        }
        prompt = f"Text: {text}\nClaim: The writer was pleased."
        gold = i % len(choices)
        examples.append(Example(f"row{i}", prompt, choices, gold, group=f"g{i // 2}", meta=extra))
    info = TaskInfo("classification", choices, "Does the claim hold?")
    return Dataset.from_examples(examples, info, "pool")


class Watched:
    """A real chat model; remembers what it was asked, and fails the requests that ``fails`` names."""

    def __init__(
        self,
        inner: Any,
        log: list[ChatRequest],
        fails: Callable[[ChatRequest], str | None],
        answer: Callable[[ChatRequest], str | None],
        local: bool,
    ) -> None:
        self._inner, self._log, self._fails, self._answer = inner, log, fails, answer
        self._local = local

    def info(self) -> ModelInfo:
        info = self._inner.info()
        return ModelInfo(info.name, info.fingerprint, self._local, info.capabilities, info.context)

    async def generate_many(
        self, requests: Sequence[ChatRequest]
    ) -> list[ChatResult | ChatFailure]:
        self._log += requests
        found = list(await self._inner.generate_many(requests))
        for at, request in enumerate(requests):
            if code := self._fails(request):
                found[at] = ChatFailure(code, "as the test wants it", attempts=1)
            elif text := self._answer(request):
                found[at] = ChatResult(text, "stop")
        return found

    async def score_many(
        self, requests: Sequence[ChatRequest], choices: Sequence[Sequence[str]]
    ) -> list[ChoiceScores | ChatFailure | None]:
        self._log += requests
        found = list(await self._inner.score_many(requests, choices))
        for at, request in enumerate(requests):
            if code := self._fails(request):
                found[at] = ChatFailure(code, "as the test wants it", attempts=1)
        return found

    async def close(self) -> None:
        await self._inner.close()


class Source:
    """An entry of models: that is watched."""

    def __init__(self, inner: LabModel) -> None:
        self._inner = inner
        self.log: list[ChatRequest] = []
        self.fails: Callable[[ChatRequest], str | None] = lambda request: None
        self.answer: Callable[[ChatRequest], str | None] = lambda request: None
        self.local = True
        self.fingerprint = inner.fingerprint

    def chat(self, ctx: Context) -> Watched:
        return Watched(
            self._inner.chat(ctx),
            self.log,
            lambda r: self.fails(r),
            lambda r: self.answer(r),
            self.local,
        )

    def prompts(self) -> list[str]:
        """Everything it was asked, message after message."""
        return ["\n".join(m.content for m in request.messages) for request in self.log]


def component(name: str, **values: Any) -> Any:
    """A protocol or supervisor with its config checked, as a recipe would make it."""
    known = COMPONENTS[name]
    config = load_object(known.config).model_validate(values)
    assert config.check() == []
    return load_object(known.target)(config)
