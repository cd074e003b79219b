"""Verdicts: rungs, orders, shots, rows without one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watched import SHARED, Source, component, model, reviews

from w2s_oversight.config import DirectConfig
from w2s_toolkit.contracts import ChoiceScores
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.errors import StageError
from w2s_toolkit.evidence import Evidence, View, write_evidence
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing import tiny_context
from w2s_toolkit.transcripts import VERDICTS, Verdict, read_verdicts

Make = Callable[..., StageContext]


def judged(data: Dataset, ctx: StageContext, **values: Any) -> tuple[LabelSet, list[Verdict]]:
    labels = component("judge", model="weak", **values).label(None, data.blind(), ctx)
    return labels, list(read_verdicts(ctx.out / VERDICTS)[1])


def with_texts(data: Dataset, evidence: list[Evidence]) -> Dataset:
    import pyarrow as pa

    table, texts = data.table, [write_evidence(one) for one in evidence]
    at = table.column_names.index("evidence")
    return Dataset(table.set_column(at, "evidence", pa.array(texts)), data.info, data.name)


def test_a_local_judge_gives_likelihoods_in_both_orders(context: Make, weak: Source) -> None:
    data, ctx = reviews(6), context()
    labels, verdicts = judged(data, ctx)
    assert {v.method for v in verdicts} == {"likelihood"} and len(weak.log) == 12
    assert ctx.counters["by_likelihood"] == 6
    for verdict, p in zip(verdicts, labels.probs, strict=True):
        forth, back = verdict.per_order
        assert (forth["order"], back["order"]) == ([0, 1], [1, 0])
        assert p == pytest.approx(np.mean([forth["p"], back["p"]], axis=0))
        assert verdict.flipped == ((forth["p"][0] > 0.5) != (back["p"][0] > 0.5))
        assert sum(verdict.p) == pytest.approx(1)
    assert labels.weight.tolist() == [0.5 if v.flipped else 1.0 for v in verdicts]


def test_one_order_is_half_the_questions(context: Make, weak: Source) -> None:
    _, verdicts = judged(reviews(4), context(), both_orders=False)
    assert len(weak.log) == 4 and not any(v.flipped for v in verdicts)


WORDS = st.text(alphabet="abcdefg hij", min_size=1, max_size=30)


@given(first=WORDS, second=WORDS, answers=st.sampled_from(["letter", "choice"]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_exchanging_sides_and_labels_mirrors_the_verdict(
    first: str, second: str, answers: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Exactly: not one bit is owed to who is shown first."""
    one, other = reviews(1), reviews(1, ("yes", "no"))

    def case(a: str, b: str) -> Evidence:
        return Evidence((View(f"A: {a}\nB: {b}", (0, 1)), View(f"A: {b}\nB: {a}", (1, 0))))

    found = []
    for data, evidence in ((one, case(first, second)), (other, case(second, first))):
        ctx = tiny_context(tmp_path_factory.mktemp("ctx"), models={"weak": model()}, shared=SHARED)
        found.append(
            judged(with_texts(data, [evidence]), ctx, answers=answers)[0].probs[0].tolist()
        )
    assert found[0] == found[1][::-1]


class Scripted:
    """Stands for a server that lists log-probabilities of first tokens."""

    def __init__(self, source: Source, scores: list[ChoiceScores | None]) -> None:
        chat = source.chat

        def scripted(ctx: Any) -> Any:
            inner = chat(ctx)

            async def score_many(requests: Any, choices: Any) -> Any:
                return [scores[i % len(scores)] for i in range(len(requests))]

            inner.score_many = score_many
            return inner

        source.chat = scripted  # type: ignore[method-assign]


def listed(
    first: float, second: float, censored: tuple[bool, bool] = (False, False)
) -> ChoiceScores:
    return ChoiceScores((math.log(first), math.log(second)), first + second, "logprobs", censored)


def test_logprobs_count_where_the_answers_have_most_of_the_mass(
    context: Make, weak: Source
) -> None:
    Scripted(weak, [listed(0.6, 0.2)])
    labels, verdicts = judged(reviews(2), context())
    assert verdicts[0].method == "logprobs" and verdicts[0].mass == pytest.approx(0.8)
    assert labels.probs[0] == pytest.approx([0.5, 0.5]), "0.75 for whatever stands first"
    assert verdicts[0].flipped


def test_a_censored_answer_is_recorded(context: Make, weak: Source) -> None:
    Scripted(weak, [listed(0.9, 0.01, (False, True))])
    assert judged(reviews(2), context())[1][0].censored


def test_too_little_mass_goes_down_a_rung(context: Make, weak: Source) -> None:
    Scripted(weak, [listed(0.1, 0.05)])
    weak.answer = lambda request: "A" if request.sample_index < 3 else "mumble"
    ctx = context()
    _, verdicts = judged(reviews(2), ctx, samples=4)
    assert {v.method for v in verdicts} == {"samples"}
    assert [o["p"] for o in verdicts[0].per_order] == [[0.8, 0.2], [0.2, 0.8]], "(3 + 1) / (3 + 2)"


def test_rungs_are_never_mixed_silently(context: Make, weak: Source) -> None:
    Scripted(weak, [listed(0.9, 0.05), listed(0.9, 0.05), None, listed(0.9, 0.05)])
    weak.answer = lambda request: "VERDICT: B"
    ctx = context()
    _, verdicts = judged(reviews(2), ctx, ladder=["score", "verdict"])
    assert [v.method for v in verdicts] == ["logprobs", "verdict"], "one order failing is enough"
    assert ctx.warnings[0]["code"] == "mixed_verdicts"
    assert "1 by logprobs, 1 by verdict" in ctx.warnings[0]["message"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("Thinking.\nVERDICT: A", 0),
        ("VERDICT: A\nNo, wait.\nVERDICT: B", 1),
        ("**Verdict:** (B).", 1),
        ("verdict: yes", None),
        ("He said VERDICT: A, but", None),
        ("VERDICT: A or B", None),
        ("", None),
    ],
)
def test_the_last_anchored_line_is_the_verdict(
    context: Make, weak: Source, said: str, place: int | None
) -> None:
    weak.answer = lambda request: said or "nothing"
    _, verdicts = judged(
        reviews(1, ("red", "blue")), context(), ladder=["verdict"], max_unscored=1.0
    )
    if place is None:
        assert verdicts[0].status == "unscored" and verdicts[0].reason
    else:
        assert [o["p"][o["order"][place]] for o in verdicts[0].per_order] == [1.0, 1.0]


def test_json_with_a_confidence(context: Make, weak: Source) -> None:
    chat = weak.chat

    def capable(ctx: Any) -> Any:
        inner, info = chat(ctx), chat(ctx).info()
        object.__setattr__(info, "capabilities", info.capabilities | {"schema"})
        inner.info = lambda: info
        return inner

    weak.chat = capable  # type: ignore[method-assign]
    weak.answer = lambda request: json.dumps({"answer": "A", "confidence": 0.75})
    _, verdicts = judged(reviews(1), context(), ladder=["schema"])
    assert [o["p"] for o in verdicts[0].per_order] == [[0.75, 0.25], [0.25, 0.75]]
    assert weak.log[0].schema is not None and weak.log[0].schema["properties"]["answer"][
        "enum"
    ] == ["A", "B"]
    for bad in ('{"answer": "C", "confidence": 0.5}', '{"answer": "A", "confidence": 2}', "A"):
        weak.answer = lambda request, bad=bad: bad  # type: ignore[misc]
        assert (
            judged(reviews(1), context(bad), ladder=["schema"], max_unscored=1)[1][0].status
            == "unscored"
        )


def test_rows_without_a_verdict_abstain_and_too_many_are_an_error(
    context: Make, weak: Source
) -> None:
    weak.fails = lambda request: "malformed" if "2 hands" in str(request.messages) else None
    ctx = context()
    labels, verdicts = judged(reviews(10), ctx, max_unscored=0.1)
    assert labels.abstain.tolist() == [i == 2 for i in range(10)]
    assert verdicts[2].reason == "malformed: as the test wants it" and verdicts[2].label is None
    assert ctx.counters["unscored"] == 1
    with pytest.raises(StageError, match="1 of 10 rows are unscored"):
        judged(reviews(10), context("strict"), max_unscored=0.05)


def test_unfinished_evidence_gets_no_verdict(context: Make, weak: Source) -> None:
    data = with_texts(
        reviews(2), [Evidence(unfinished="filter: no"), Evidence((View("It is so."),))]
    )
    _, verdicts = judged(data, context(), max_unscored=0.5)
    assert [v.status for v in verdicts] == ["unscored", "ok"]
    assert verdicts[0].reason == "no evidence: filter: no" and len(weak.log) == 2


def test_shots_show_gold_of_their_own_rows_alone(context: Make, weak: Source) -> None:
    train, test = reviews(8), reviews(3, secret="NEVER")
    judge = component("judge", model="weak", shots=4, train_on="weak_train")
    ctx = context()
    ref = judge.fit(train, ctx)
    shots = json.loads((ctx.out / "shots.json").read_text())
    assert [shot["gold"] for shot in shots] == [0, 1, 0, 1]
    judge.label(ref, test.blind(), ctx)
    for prompt in weak.prompts():
        assert prompt.count("The right answer is") == 4 and "GOLD" not in prompt
    forth, back = weak.prompts()[:2]
    shown = [line[-2] for line in forth.splitlines() if line.startswith("The right answer is")]
    assert shown == ["A", "B", "A", "B"]
    assert [line[-2] for line in back.splitlines() if line.startswith("The right answer is")] == [
        "B", "A", "B", "A",
    ], "the order of answers is that of the question"  # fmt: skip


@pytest.mark.parametrize("supervisor", ["judge", "assistant_direct"])
def test_whatever_gold_is_the_same_is_asked(context: Make, weak: Source, supervisor: str) -> None:
    asked = []
    for name, shift in (("one", 0), ("other", 1)):
        rows = [
            type(e)(e.id, e.prompt, e.choices, (e.gold or 0) ^ shift, group=e.group, meta=e.meta)
            for e in reviews(4)
        ]
        data = Dataset.from_examples(rows, reviews(1).info, "pool")
        component(supervisor, model="weak").label(None, data.blind(), context(name))
        asked.append(weak.prompts())
        weak.log.clear()
    assert asked[0] == asked[1] and not [p for p in asked[0] if "GOLD" in p]


def test_the_assistants_own_answers_ignore_evidence(context: Make, weak: Source) -> None:
    data = with_texts(reviews(2), [Evidence((View("HEARSAY"),))] * 2)
    direct = component("assistant_direct", model="weak").label(None, data.blind(), context())
    assert not [p for p in weak.prompts() if "HEARSAY" in p]
    plain = component("assistant_direct", model="weak").label(
        None, reviews(2).blind(), context("b")
    )
    assert direct.probs.tolist() == plain.probs.tolist()


def test_an_assistant_reads_the_passage_that_a_judge_never_does(
    context: Make, weak: Source, own_prompts: Callable[..., str]
) -> None:
    """Asked by the prompt of a protocol, whose folder holds other prompts beside it."""
    data = reviews(2).blind(keep=("passage",))
    folder = own_prompts(direct="{passage} {text}", opening="{passage}", judge="J{passage}")
    values = {"model": "weak", "prompts": folder}
    asked = {"prompt": "direct", "passage": "passage", "text": "Text: (.*)\nClaim"}
    component("assistant_direct", **values, **asked).label(None, data, context())
    first = str(data.take([0]).column("prompt").to_pylist()[0])
    text = first.removeprefix("Text: ").partition("\n")[0]
    assert weak.prompts()[0] == f"A blan is a fish. {text}"
    weak.log.clear()
    own_prompts(judge="J{passage}")
    (Path(folder) / "opening.txt").unlink()
    component("assistant_direct", **values).label(None, data, context("b"))
    judged(data, context("c"), prompts=folder)
    assert set(weak.prompts()) == {"J"}


def test_what_an_assistant_is_asked_with_counts_where_it_is_not_as_ever() -> None:
    def key(**values: Any) -> dict[str, Any]:
        return component("assistant_direct", model="weak", **values).config.key_parts(str)

    assert key() == component("judge", model="weak").config.key_parts(str)
    assert key(prompt="direct") == key() | {"prompt": "direct"}
    more = {"prompt": "direct", "passage": "passage"}
    assert key(**more) == key() | more


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"passage": "passage"}, "passage: the prompt judge shows none"),
        ({"prompt": "direct", "shots": 2, "train_on": "val"}, "shots: the prompt direct"),
    ],
)
def test_what_a_prompt_does_not_show_is_refused(values: dict[str, Any], problem: str) -> None:
    assert problem in str(DirectConfig(model="weak", **values).check())


def test_texts_can_stand_for_answers(context: Make, weak: Source) -> None:
    judged(
        reviews(1),
        context(),
        answers={"no": "The writer was unhappy.", "yes": "The writer was glad."},
    )
    assert "The writer was unhappy. or The writer was glad." in weak.prompts()[0]
