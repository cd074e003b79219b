"""A kill loses nothing that was answered, and the end is the same to the byte."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watched import Source, component, reviews

from w2s_oversight.asking import Asked, Asking
from w2s_oversight.journal import FILE, Journal
from w2s_oversight.kept import UNDECIDED, kept_turns
from w2s_toolkit.contracts import ChatRequest, Message
from w2s_toolkit.errors import BudgetError
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.transcripts import TRANSCRIPTS, read_turns

TALKER = Path(__file__).parent / "talker.py"
Make = Callable[..., StageContext]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


@pytest.mark.slow(seconds=8)
def test_a_debate_that_was_killed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TALKER), str(tmp_path)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["whole"] == 0 and seen["total"] == 5 * 2 * (2 + 1 + 2)
    assert os.WTERMSIG(seen["killed"][0]) == signal.SIGKILL
    assert seen["rest"][0] == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    journal = (tmp_path / "killed" / "scratch" / FILE).read_text(encoding="utf-8").split("\n")[:-1]
    keys = [json.loads(line)["key"] for line in journal]
    twice = [key for key in set(keys) if keys.count(key) > 1]
    assert len(set(keys)) == seen["total"]
    assert len(twice) <= 2, "of the torn batch alone, half of whose four records were kept"


def request(text: str) -> ChatRequest:
    return ChatRequest((Message("user", text),), 4)


def ask(ctx: StageContext, source: Source, texts: list[str]) -> list[Any]:
    with Journal(ctx.scratch) as journal:
        asking = Asking({"m": source.chat(ctx)}, journal, ctx)
        asked = [Asked(f"k{text[:1]}", f"row {text}", request(text)) for text in texts]
        return asyncio.run(asking.texts("m", asked))


def test_a_hosted_model_is_asked_for_what_is_missing(context: Make, strong: Source) -> None:
    strong.local = False
    strong.fails = lambda r: "unreachable" if r.messages[0].content == "c" else None
    first = ask(context(), strong, ["a", "b", "c"])
    assert [one is None for one in first] == [False, False, True]
    strong.log.clear()
    strong.fails = lambda r: None
    again = ask(context(), strong, ["a", "b", "c", "d"])
    assert strong.prompts() == ["c", "d"] and again[:2] == first[:2]


def test_a_local_model_is_asked_for_a_whole_batch_or_nothing(context: Make, strong: Source) -> None:
    first = ask(context(), strong, ["a", "b", "c"])
    strong.log.clear()
    assert ask(context(), strong, ["a", "b", "c"]) == first and not strong.log
    ask(context(), strong, ["a", "b", "c", "d"])
    assert strong.prompts() == ["a", "b", "c", "d"]


def test_a_local_failure_is_remembered(context: Make, strong: Source) -> None:
    strong.fails = lambda r: "rejected" if r.messages[0].content == "b" else None
    ask(context(), strong, ["a", "b"])
    strong.log.clear()
    assert ask(context(), strong, ["a", "b"])[1] is None and not strong.log


def test_an_answer_counts_for_its_own_request_alone(context: Make, strong: Source) -> None:
    strong.local = False
    ask(context(), strong, ["a1"])
    strong.log.clear()
    ask(context(), strong, ["a2"])
    assert strong.prompts() == ["a2"]


@pytest.mark.parametrize("rest", [b'{"key": "c", "val', b"\x00\x00", b'{"key": "c", "value": {}}'])
def test_half_a_line_is_cut_off(tmp_path: Path, rest: bytes) -> None:
    with Journal(tmp_path) as journal:
        journal.add([("a", {"text": "first\u2028line\r\n"}), ("b", {"text": "ü"})])
    with (tmp_path / FILE).open("ab") as file:
        file.write(rest)
    with Journal(tmp_path) as journal:
        assert journal.get("a") == {"text": "first\u2028line\r\n"}
        assert journal.get("c") is None
        journal.add([("d", {})])
    with Journal(tmp_path) as journal:
        assert journal.get("b") == {"text": "ü"} and journal.get("d") == {}


def test_every_answer_is_on_the_disk_before_the_next_question(
    context: Make, strong: Source
) -> None:
    ctx, kept = context(), list[int]()
    chat = strong.chat

    def looking(given: Any) -> Any:
        inner = chat(given)
        ask = inner.generate_many

        async def generate_many(requests: Any) -> Any:
            kept.append(len((ctx.scratch / FILE).read_text().splitlines()))
            return await ask(requests)

        inner.generate_many = generate_many
        return inner

    strong.chat = looking  # type: ignore[method-assign]
    values = {"debater": "strong", "rounds": 3, "max_tokens": 4}
    component("debate", **values).assist(reviews(4).blind(), None, ctx)
    assert kept == [0, 4, 8, 12, 16, 20]


def test_what_was_said_before_a_budget_ended_it_can_be_read(context: Make, strong: Source) -> None:
    values = {
        "debater": "strong",
        "rounds": 2,
        "turns": "sequential",
        "max_tokens": 4,
        "best_of": 2,
    }
    values |= {"temperature": 0.9, "scorer": "quotes", "text": "Text: (.*)\nClaim"}
    strong.local = False
    strong.answer = lambda r: "<quote>The blan was dull</quote> VERDICT: A"
    debate, data = component("debate", **values), reviews(3).blind()
    whole = context("whole")
    debate.assist(data, None, whole)
    said = {t.example_id: t for t in read_turns(whole.out / TRANSCRIPTS)[1] if t.round == 1}
    strong.fails = lambda r: "budget" if "wrong with your" in r.messages[-1].content else None
    ctx = context("cut")
    with pytest.raises(BudgetError):
        debate.assist(data, None, ctx)
    parts = {"config": debate.config.model_dump(mode="json"), "seed": ctx.seed}
    stage = {"component": "oversight/debate", "parts": parts}
    before = (ctx.scratch / FILE).read_bytes()
    kept = kept_turns(ctx.scratch, stage, data)
    assert (ctx.scratch / FILE).read_bytes() == before
    assert set(kept) == set(data.ids)
    for row, turns in kept.items():
        assert len(turns) == 2 * 2 * 2, "both orders, both speakers, both candidates"
        assert {t.visibility for t in turns} == {UNDECIDED}
        for turn in turns:
            assert (turn.text, turn.said, turn.quotes) == (
                said[row].text, said[row].said, said[row].quotes,
            )  # fmt: skip
        assert "VERDICT" not in turns[0].text
    assert kept["row0"][0].quotes[0]["verified"] and not kept["row1"][0].quotes[0]["verified"]
    assert kept_turns(context("never").scratch, stage, data) == {}
