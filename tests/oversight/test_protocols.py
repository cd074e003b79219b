"""What protocols ask, hand on and keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watched import Source, component, reviews

from w2s_toolkit.data import Dataset
from w2s_toolkit.errors import StageError
from w2s_toolkit.evidence import Evidence, evidence_text, read_evidence
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.transcripts import TRANSCRIPTS, read_turns

Make = Callable[..., StageContext]
SHORT = {"max_tokens": 8}

TALKING: dict[str, dict[str, Any]] = {
    "interaction": {
        "assistant": "strong",
        "judge": "weak",
        "asks": "judge",
        "rounds": 2,
        "confident": 0.99,
    },
    "debate": {
        "debater": "strong",
        "opponent": "weak",
        "judge": "weak",
        "rounds": 2,
        "questions": True,
    },
    "consultancy": {"advisor": "strong"},
    "critique": {"assistant": "strong", "critic": "weak"},
    "answer_only": {"assistant": "strong"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "sequential": {"use": "debate", "debater": "strong", "turns": "sequential", "rounds": 2},
    "best_of": {
        "use": "debate", "debater": "strong", "judge": "weak", "best_of": 3, "temperature": 1.0,
    },
    "best_quotes": {
        "use": "debate", "debater": "strong", "scorer": "quotes", "best_of": 2, "temperature": 1.0,
    },
    "open": {"use": "consultancy", "advisor": "strong", "side": "open"},
    **{name: {"use": name, **values} for name, values in TALKING.items()},
}  # fmt: skip


def held(name: str, data: Dataset, ctx: StageContext, **more: Any) -> list[Evidence]:
    values = {**SHORT, **VARIANTS[name], **more}
    out = component(values.pop("use"), **values).assist(data.blind(["passage"]), None, ctx)
    assert out.ids == data.ids
    return [read_evidence(text) for text in out.column("evidence").to_pylist()]


def turns(ctx: StageContext) -> list[Any]:
    return list(read_turns(ctx.out / TRANSCRIPTS)[1])


@pytest.mark.parametrize("name", VARIANTS)
def test_no_prompt_ever_contains_gold(
    name: str, context: Make, weak: Source, strong: Source
) -> None:
    data = reviews(6)
    other = reviews(6, secret="ELSEWHERE")
    ctx = context()
    evidence = held(name, data, ctx, passage="passage")
    prompts = weak.prompts() + strong.prompts()
    assert prompts and not [p for p in prompts if "GOLD" in p or "secret" in p]
    # Whatever gold is, the same is asked: nothing can leak it in other words.
    swapped = Dataset.from_examples(
        [
            type(e)(e.id, e.prompt, e.choices, 1 - (e.gold or 0), group=e.group, meta=e.meta)
            for e in other
        ],
        data.info,
        "pool",
    )
    weak.log.clear()
    strong.log.clear()
    assert held(name, swapped, context("other"), passage="passage") == evidence
    assert sorted(weak.prompts() + strong.prompts()) == sorted(prompts)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_row_gets_evidence_of_its_own(name: str, context: Make) -> None:
    data, ctx = reviews(4), context()
    evidence = held(name, data, ctx)
    assert all(one.views and not one.unfinished for one in evidence)
    assert ctx.counters["rows"] == 4 and ctx.counters["prompt_tokens"] > 0
    if name != "answer_only":
        assert {t.example_id for t in turns(ctx)} == set(data.ids)
    for one in evidence:
        orders = [view.order for view in one.views]
        if name != "interaction":
            assert sorted(orders) == [(0, 1), (1, 0)]


def test_the_assistant_sees_neither_choices_nor_what_the_judge_thinks(
    context: Make, strong: Source
) -> None:
    held("interaction", reviews(4, ("wombat", "aardvark")), context(), text=r"Text: (.*)\nClaim")
    assert strong.log
    for prompt in strong.prompts():
        assert "wombat" not in prompt and "aardvark" not in prompt and "pleased" not in prompt


def test_interaction_stops_when_the_judge_is_confident(context: Make) -> None:
    data = reviews(6)
    ctx = context("unsure")
    held("interaction", data, ctx, confident=0.999999)
    assert {t.round for t in turns(ctx)} == {1, 2}
    ctx = context("sure")
    held("interaction", data, ctx, confident=0.500001)
    assert {t.round for t in turns(ctx)} == {1}


def test_interaction_asks_a_fixed_request_without_a_judge(
    context: Make, strong: Source, weak: Source, own_prompts: Callable[..., str]
) -> None:
    folder = own_prompts(request="Explain the hard words of {text}!", answer="{text} {request}")
    more = {"prompts": folder, "text": "Text: (.*)\n", "asks": "fixed", "rounds": 1}
    held("interaction", reviews(2), context(), confident=None, **more)
    text = "The blan was dull, and the edge was 0 hands long."
    assert sorted(strong.prompts())[0] == f"{text} Explain the hard words of {text}!"
    assert not weak.log


def test_debaters_argue_for_opposite_sides_that_are_drawn(context: Make) -> None:
    ctx = context()
    held("debate", reviews(12), ctx)
    said = [t for t in turns(ctx) if t.speaker != "judge"]
    sides = {(t.example_id, t.speaker): t.side for t in said}
    assert all(sides[f"row{i}", "debater_0"] != sides[f"row{i}", "debater_1"] for i in range(12))
    assert {sides[f"row{i}", "debater_0"] for i in range(12)} == {0, 1}
    assert [t.round for t in turns(ctx) if t.speaker == "judge"] == [2] * 12


def test_simultaneous_speakers_see_earlier_rounds_alone(context: Make, strong: Source) -> None:
    ctx = context()
    held("debate", reviews(3), ctx, opponent=None, rounds=1, questions=False)
    assert not [p for p in strong.prompts() if "Your opponent:\n" in p]
    strong.log.clear()
    held("sequential", reviews(3), context("sequential"), rounds=1)
    seconds = [p for p in strong.prompts() if "Your opponent:\n" in p]
    assert len(seconds) == 6 and len(strong.log) == 12, "three rows, two orders, two speakers"


def test_a_simultaneous_debate_is_shown_in_both_orders(context: Make) -> None:
    ctx = context()
    for one in held("debate", reviews(4), ctx, rounds=1, questions=False):
        first, second = (view.text for view in one.views)
        said = first.split("Debater A:\n")[1].split("\n\nDebater B:\n")
        assert second.split("Debater A:\n")[1].split("\n\nDebater B:\n") == said[::-1]
        head = first.splitlines()[1:3]
        assert [line.split(": ")[1] for line in second.splitlines()[1:3]] == [
            line.split(": ")[1] for line in head
        ][::-1]


def test_a_sequential_debate_is_held_in_both_orders(context: Make) -> None:
    ctx = context()
    held("sequential", reviews(2), ctx)
    said = [(t.example_id, t.order, t.round, t.speaker) for t in turns(ctx)]
    assert len(said) == len(set(said)) == 2 * 2 * 2 * 2
    firsts = {(i, o): next(s for r, q, n, s in said if (r, q, n) == (i, o, 1)) for i, o, *_ in said}
    assert all(firsts[i, 0] != firsts[i, 1] for i, _ in firsts)


def test_the_best_candidate_is_the_one_the_judge_believes(context: Make, weak: Source) -> None:
    ctx = context()
    evidence = held("best_of", reviews(3), ctx)
    said = turns(ctx)
    assert len(said) == 3 * 2 * 3
    taken = [t for t in said if t.visibility == "all"]
    assert len({(t.example_id, t.speaker) for t in taken}) == len(taken) == 6
    texts = {t.example_id: [] for t in said}  # type: ignore[var-annotated]
    for turn in taken:
        texts[turn.example_id].append(turn.text)
    for one, row in zip(evidence, ("row0", "row1", "row2"), strict=True):
        assert all(text in one.views[0].text for text in texts[row])
    assert len(weak.log) == 2 * len(said), "the judge hears each candidate in both orders"


def test_the_best_candidate_is_the_one_whose_quotes_are_real(
    context: Make, weak: Source, strong: Source
) -> None:
    real, made_up = "<quote>the edge was</quote>", "<quote>the edge broke</quote>"
    said = {0: "No quote.", 1: made_up, 2: f"{real} {made_up}", 3: f"Look: {real}", 4: real}
    strong.answer = lambda request: said[request.sample_index]
    held("best_quotes", reviews(3), ctx := context(), best_of=5)
    taken = [t for t in turns(ctx) if t.visibility == "all"]
    assert [t.sample for t in taken] == [3] * 6, (
        "the first of the best, for three rows and two sides"
    )
    assert {t.visibility for t in turns(ctx) if t.sample != 3} == {"nobody"} and not weak.log
    said = {0: "No quote.", 1: made_up}
    held("best_quotes", reviews(1), ctx := context("worse"))
    assert {t.sample for t in turns(ctx) if t.visibility == "all"} == {1}


def test_of_many_choices_two_are_argued_about(context: Make) -> None:
    ctx = context()
    evidence = held("debate", reviews(4, ("a", "b", "c")), ctx, questions=False, rounds=1)
    for one in evidence:
        forth, back = (view.order for view in one.views)
        assert sorted(forth) == [0, 1, 2] and forth[:2] == back[:2][::-1] and forth[2] == back[2]


def test_one_failure_drops_one_row(context: Make, strong: Source) -> None:
    strong.fails = lambda request: "malformed" if "2 hands" in str(request.messages) else None
    ctx = context()
    evidence = held("consultancy", reviews(8), ctx, max_unfinished=0.2)
    assert [bool(one.unfinished) for one in evidence] == [i == 2 for i in range(8)]
    assert evidence[2].unfinished == "malformed: as the test wants it" and not evidence[2].views
    assert ctx.counters["unfinished"] == 1 and ctx.warnings[0]["code"] == "unfinished"
    with pytest.raises(StageError, match="1 of 8 rows are unfinished"):
        held("consultancy", reviews(8), context("strict"), max_unfinished=0.1)


@pytest.mark.parametrize("code", ["budget", "auth", "quota"])
def test_what_was_answered_outlives_the_end_of_a_budget(
    context: Make, strong: Source, code: str
) -> None:
    strong.local = False
    strong.fails = lambda request: code if "5 hands" in str(request.messages) else None
    with pytest.raises(Exception, match="as the test wants it") as error:
        held("consultancy", reviews(8), context())
    assert "what was answered is kept" in str(error.value)
    strong.fails = lambda request: None
    asked = len(strong.log)
    held("consultancy", reviews(8), context())
    assert len(strong.log) == asked + 2, "the two turns about that row alone"


def test_a_second_protocol_adds_to_the_first(context: Make) -> None:
    data = reviews(4).blind(["passage"])
    once = component("oracle").assist(data, None, context())
    twice = component("consultancy", advisor="weak", **SHORT).assist(once, None, context("next"))
    for text in twice.column("evidence").to_pylist():
        views = read_evidence(text).views
        assert len(views) == 2 and all(
            v.text.startswith("A ") and "advisor" in v.text for v in views
        )


def test_shuffled_evidence_is_another_groups(context: Make) -> None:
    data = reviews(10).blind(["passage"])
    named = component("oracle").assist(data, None, context())
    ids = [f"evidence of {i}" for i in named.ids]
    import pyarrow as pa

    table = named.table
    at = table.column_names.index("evidence")
    marked = Dataset(table.set_column(at, "evidence", pa.array(ids)), named.info, named.name)
    mixed = component("shuffled").assist(marked, None, context())
    texts = mixed.column("evidence").to_pylist()
    group = dict(zip(ids, data.groups, strict=True))
    assert all(group[text] != own for text, own in zip(texts, data.groups, strict=True))
    assert len(set(texts)) == 10, "each row's evidence goes to one other row"
    order = [3, 1, 9, 0, 2, 8, 7, 4, 6, 5]
    again = component("shuffled").assist(marked.take(order), None, context())
    assert again.column("evidence").to_pylist() == [texts[i] for i in order]


def test_baselines_say_what_they_should(context: Make) -> None:
    data = reviews(2).blind(["passage"])
    oracle = component("oracle").assist(data, None, context())
    assert evidence_text(oracle.column("evidence")[0].as_py()) == "A blan is a fish."
    blind = component("blind").assist(data, None, context())
    assert blind.column("evidence").to_pylist() == [None, None]


def test_transcripts_say_who_made_them(context: Make, tmp_path: Path, strong: Source) -> None:
    ctx = context()
    held("consultancy", reviews(2), ctx)
    head, _ = read_turns(ctx.out / TRANSCRIPTS)
    assert head == {
        "w2s": 1,
        "kind": "transcripts",
        "protocol": "consultancy",
        "models": {"advisor": strong.fingerprint},
    }
    line = json.loads((ctx.out / TRANSCRIPTS).read_text().split("\n")[1])
    assert {"text", "speaker", "round", "quotes", "usage", "request"} <= set(line)
