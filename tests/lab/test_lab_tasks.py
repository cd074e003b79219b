"""The lab's tasks: balanced, graded, tied by groups, with passages that say what they should."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, get_args

import pytest

from w2s_lab.config import (
    LabAnswerConfig,
    LabChoiceConfig,
    LabClaimsConfig,
    LabModelConfig,
    LabPreferenceConfig,
    LabTaskConfig,
)
from w2s_lab.family import MEMBERS
from w2s_lab.lexicon import PLAIN
from w2s_lab.tasks import LabAnswer, LabChoice, LabClaims, LabPreference, LabTask
from w2s_lab.world import the_world
from w2s_toolkit.contracts import Row

TASKS: dict[str, tuple[type[LabTask], type[LabTaskConfig], dict[str, Any]]] = {
    "claims": (LabClaims, LabClaimsConfig, {}),
    "choice": (LabChoice, LabChoiceConfig, {}),
    "preference": (LabPreference, LabPreferenceConfig, {}),
    "pair": (LabPreference, LabPreferenceConfig, {"form": "pair"}),
    "answer": (LabAnswer, LabAnswerConfig, {}),
    "long": (LabAnswer, LabAnswerConfig, {"things": 6}),
}


def rows_of(name: str, **values: Any) -> dict[str, list[Row]]:
    task, config, fixed = TASKS[name]
    made = task(config.model_validate({"rows": 400, "words": "shared", **fixed, **values}))
    return {source: list(rows) for source, rows in made.load(None).sources.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TASKS)
def test_rows_are_a_function_of_the_seed(name: str) -> None:
    assert rows_of(name) == rows_of(name)
    other = {(row.prompt, row.choices) for row in rows_of(name, rows_seed=1)["lab"]}
    shared = [row for row in rows_of(name)["lab"] if (row.prompt, row.choices) in other]
    assert len(shared) < 40 or name == "answer"  # the facts of the world are the same


@pytest.mark.parametrize("name", TASKS)
def test_rows_are_graded_and_in_groups(name: str) -> None:
    rows = rows_of(name)["lab"]
    assert len(rows) == 400
    levels = Counter(row.meta["difficulty"] for row in rows)
    assert set(levels) == {1, 2, 3, 4}
    assert max(levels.values()) - min(levels.values()) <= 2
    assert all(row.group for row in rows)
    assert sum(bool(row.meta["passage"]) for row in rows) > 380  # a few have English words alone
    assert rows_of(name, rows=9)["lab"] == rows[:9]


@pytest.mark.parametrize("name", ["claims", "choice", "preference", "pair"])
def test_classes_are_balanced(name: str) -> None:
    gold = Counter(row.gold for row in rows_of(name, rows=1600)["lab"])
    assert len(gold) == (4 if name == "choice" else 2)
    assert min(gold.values()) > 0.85 * 1600 / len(gold)


@pytest.mark.parametrize("name", TASKS)
def test_easy_splits_hold_easy_rows_and_all_others_hard_ones(name: str) -> None:
    task, config, fixed = TASKS[name]
    values = {"rows": 80, "words": "shared", "easy": ["weak_train", "val"]}
    made = task(config.model_validate({**values, **fixed}))
    data = made.load(None)  # type: ignore[arg-type]
    assert data.feeds == {"weak_train": "easy", "val": "easy", "*": "hard"}
    sources = {source: list(rows) for source, rows in data.sources.items()}
    assert {row.meta["difficulty"] for row in sources["easy"]} == {1, 2}
    assert {row.meta["difficulty"] for row in sources["hard"]} == {3, 4}
    groups = [{row.group for row in rows} for rows in sources.values()]
    assert not groups[0] & groups[1]


@pytest.mark.parametrize("easy", [None, ["weak_train"]])
@pytest.mark.parametrize("name", ["claims", "choice", "preference", "pair"])
def test_weak_train_shares_no_made_up_word_with_another_split(
    name: str, easy: list[str] | None
) -> None:
    task, config, fixed = TASKS[name]
    made = task(config.model_validate({"rows": 800, "easy": easy, **fixed}))
    data = made.load(None)  # type: ignore[arg-type]
    lexicon = the_world().lexicon
    used: dict[str, set[str]] = {}
    for split in ("weak_train", "*"):
        rows = list(data.sources[data.feeds[split]])
        assert len(rows) == 400
        texts = [" ".join((row.prompt, row.meta["passage"], *row.choices)) for row in rows]
        words = {w for w in re.findall(r"[a-z]+", " ".join(texts).lower()) if w in lexicon.by_form}
        used[split] = {word for word in words if lexicon.by_form[word].tier > 0}
        assert len(used[split]) > 40
    assert not used["weak_train"] & used["*"]
    other = task(config.model_validate({"rows": 800, "rows_seed": 1, **fixed}))
    assert other.view(0).lexicon.by_form.keys() != made.view(0).lexicon.by_form.keys()


@pytest.mark.parametrize("name", TASKS)
def test_passages_come_first_and_change_nothing_else(name: str) -> None:
    plain = rows_of(name)["lab"]
    for passage in ("right", "wrong", "shuffled"):
        with_it = rows_of(name, passage=passage)["lab"]
        shown = 0
        for before, after in zip(plain, with_it, strict=True):
            assert after.prompt.endswith(before.prompt)
            assert after._replace(prompt="") == before._replace(prompt="")
            shown += after.prompt.startswith("Background: ")
        assert shown > 0.8 * len(plain)


def test_a_true_passage_explains_and_a_false_one_misleads() -> None:
    lexicon = the_world().lexicon
    for passage, right in (("right", True), ("wrong", False)):
        for row in rows_of("claims", passage=passage)["lab"]:
            head, _, _ = row.prompt.partition("\nText: ")
            for told in head.removeprefix("Background: ").split(". "):
                names = re.findall(r"[a-z]+", told.lower())
                word = next(lexicon.by_form[n] for n in names if n in lexicon.by_form)
                hard = [lexicon.by_form[n] for n in names if n in lexicon.by_form]
                word = max(hard, key=lambda w: w.tier, default=word)
                plain = PLAIN["leaning"]
                senses = {s for s, known in plain.items() if set(names) & set(known)}
                if word.tier:
                    assert (senses == {word.sense}) is right, told


def test_answers_are_true_and_every_fact_is_asked_for_once() -> None:
    rows = rows_of("answer", rows=8000)["lab"]
    assert len(rows) == 3600
    assert len({row.prompt for row in rows}) == 3600
    things = {thing.name: thing for thing in the_world().all_things()}
    for row in rows[:500]:
        name = re.search(r"Thing: (\w+)", row.prompt)
        assert name is not None
        known = " ".join(things[name[1]].facts.values())
        words = (row.gold_text or "").removesuffix(" coins")
        assert words.lower() in known.lower()
        assert words.lower() in row.meta["passage"].lower()


def test_every_fact_is_asked_for_once_in_halves_too() -> None:
    halves = rows_of("answer", rows=4000, easy=["weak_train"])
    assert {source: len(rows) for source, rows in halves.items()} == {"easy": 720, "hard": 2880}
    for rows in halves.values():
        assert len({row.prompt for row in rows}) == len({row.group for row in rows}) == len(rows)


def test_the_shipped_names_are_the_family() -> None:
    assert get_args(LabModelConfig.model_fields["id"].annotation) == tuple(MEMBERS)


def test_long_answers_grow_with_the_number_of_things() -> None:
    long = [len((rows_of("long", things=n)["lab"][0].gold_text or "").split()) for n in (2, 6, 18)]
    assert long[0] * 2.5 < long[1]
    assert long[1] * 2.5 < long[2]
    assert long[2] > 350


def test_the_better_reply_stands_on_both_sides() -> None:
    pairs = rows_of("pair")["lab"]
    shown = rows_of("preference")["lab"]
    assert [row.gold for row in pairs] == [row.gold for row in shown]
    for pair, row in zip(pairs, shown, strict=True):
        assert f"A: {pair.choices[0]}\nB: {pair.choices[1]}" in row.prompt
        assert row.choices == ("A", "B")


def test_plain_words_are_as_many_as_asked() -> None:
    plain = {word for words in PLAIN["leaning"].values() for word in words}

    def with_one(share: float) -> float:
        rows = rows_of("claims", difficulty=[4], plain=share)["lab"]
        found = [plain & set(re.findall(r"\w+", row.prompt.partition("Claim:")[0])) for row in rows]
        return sum(map(bool, found)) / len(found)

    assert with_one(0.0) < 0.1 < 0.3 < with_one(0.1) < with_one(0.5)
    assert with_one(1.0) > 0.95
