from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from w2s_toolkit.errors import DataError


def row(number, right="right", wrong=("w1", "w2", "w3"), support=""):
    names = {f"distractor{i}": w for i, w in enumerate(wrong, start=1)}
    return {"question": f"Question {number}?", "correct_answer": right, "support": support, **names}


@pytest.fixture
def pairs(tmp_path, write, load):
    def do(rows, **keys):
        write(tmp_path / "train.jsonl", rows)
        return load("sciq", path=str(tmp_path), **keys)[1]["train"]

    return do


def wrong_of(rows):
    return {r.group: r.prompt.split(" A: ")[1] for r in rows if r.gold == 0}


def test_one_right_and_one_wrong_candidate_a_question(pairs):
    right, wrong = pairs([row(1)])
    assert (right.prompt, right.gold) == ("Q: Question 1? A: right", 1)
    assert wrong.gold == 0 and wrong.prompt.removeprefix("Q: Question 1? A: ") in ("w1", "w2", "w3")
    assert right.group == wrong.group == "Question 1?"
    assert right.choices == ("no", "yes")


def test_every_distractor_is_drawn_and_the_seed_matters(pairs):
    rows = [row(i) for i in range(300)]
    first, again, other = pairs(rows), pairs(rows), pairs(rows, candidate_seed=1)
    assert wrong_of(first) == wrong_of(again) != wrong_of(other)
    assert all(count > 70 for count in Counter(wrong_of(first).values()).values())


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(8)), st.permutations(("w1", "w2", "w3")))
def test_neither_row_nor_column_order_matters(pairs, order, columns):
    plain = pairs([row(i) for i in range(8)])
    assert wrong_of(pairs([row(i, wrong=columns) for i in order])) == wrong_of(plain)


def test_distractor_like_the_answer_is_never_drawn(pairs):
    rows = [
        row(i, right="Carbon  dioxide", wrong=("carbon dioxide ", "", "water")) for i in range(30)
    ]
    assert set(wrong_of(pairs(rows)).values()) == {"water"}


def test_question_without_a_distractor_is_left_out_and_said(pairs, ctx):
    assert len(pairs([row(1, wrong=("right", "RIGHT", " ")), row(2)])) == 2
    assert "1 of 2 rows of train have no distractor" in ctx.warnings[0]["message"]


def test_support_comes_first_when_asked_for(pairs, ctx):
    rows = [row(1, support="Because. "), row(2)]
    assert "Because" not in pairs(rows)[0].prompt
    with_support = pairs(rows, with_support=True)
    assert with_support[0].prompt == "Because.\n\nQ: Question 1? A: right"
    assert with_support[0].group == "Question 1?"
    assert with_support[2].prompt == "Q: Question 2? A: right"
    assert ctx.warnings[-1]["code"] == "no_support"


def test_choice_of_four(pairs, ctx):
    rows = pairs([row(i) for i in range(200)] + [row(999, wrong=("w1", "W1", "w2"))], form="choice")
    assert len(rows) == 200 and "1 of 201" in ctx.warnings[0]["message"]
    assert all(sorted(r.choices) == ["right", "w1", "w2", "w3"] for r in rows)
    assert all(r.choices[r.gold] == "right" for r in rows)
    assert min(Counter(r.gold for r in rows).values()) > 30
    assert rows[0].prompt == "Q: Question 0?"


def test_choice_has_no_classes_of_the_task(tmp_path, write, load):
    write(tmp_path / "test.csv", [row(1)])
    data, _ = load("sciq", path=str(tmp_path), form="choice")
    assert data.info.classes == ()
    assert data.feeds == {"test": "test", "val": "test", "*": "test"}


def test_hub_names(tmp_path, write, load):
    for name in ("train", "validation", "test"):
        write(tmp_path / f"{name}-00000-of-00001.parquet", [row(1)])
    assert load("sciq", path=str(tmp_path))[0].feeds == {
        "test": "test",
        "val": "validation",
        "*": "train",
    }


def test_missing_column_names_the_place(tmp_path, write, load):
    write(tmp_path / "train.jsonl", [{"question": "?", "corect_answer": "a"}])
    with pytest.raises(DataError, match=r"train.jsonl:1.*did you mean 'corect_answer'"):
        load("sciq", path=str(tmp_path))


@pytest.mark.models
def test_shared_copy(shared_data, load):
    data, sources = load("sciq", path=shared_data("sciq"))
    assert data.feeds == {"test": "validation", "val": "train", "*": "train"}
    assert len(sources["validation"]) == 2000
    assert sum(r.gold for r in sources["train"]) * 2 == len(sources["train"])
