"""How results are cut into blocks and named."""

from __future__ import annotations

from made_up import EPOCHS, LOSS, metric, results_of

from w2s_toolkit.report.bins import bins_of
from w2s_toolkit.report.blocks import blocks, short_titles, titles
from w2s_toolkit.report.wording import Axes, count, estimate, interval, measure, number

ASKED = "phases.bootstrap.oversight"


def test_a_block_a_phase_combination_and_split() -> None:
    results = results_of([{LOSS: "xent"}, {LOSS: "logconf"}], seeds=(0, 1), phases=("a", "b"))
    elsewhere = [{**r, "split": "hard"} for r in results["summary"] if r["role"] == "student"]
    results["summary"] += elsewhere
    found = blocks(results)
    assert len(found) == 8
    assert titles(found)[:2] == ["a, student.loss=xent, test", "a, student.loss=xent, hard"]
    assert [b.size for b in found[:2]] == [1000, None]


def test_seeds_of_other_combinations_stay_out() -> None:
    _, second = blocks(results_of([{LOSS: "xent"}, {LOSS: "logconf"}], seeds=(3, 5)))
    assert [line["seed"] for line in second.seed_table] == [3, 5]
    assert second.seed_table[0]["student"] == 0.71


def test_axes_with_one_short_name_are_told_apart() -> None:
    axes = Axes([{LOSS: "xent", "phases.recursive.student.loss.use": "kl", EPOCHS: 1}])
    assert list(axes.names.values()) == [
        "bootstrap.student.loss.use",
        "recursive.student.loss.use",
        "student.epochs",
    ]


def test_values_with_one_short_name_are_told_apart() -> None:
    same_end = Axes([{LOSS: "/a/model"}, {LOSS: "/b/model"}])
    assert [same_end.value({LOSS: v}, LOSS) for v in ("/a/model", "/b/model")] == [
        "/a/model",
        "/b/model",
    ]
    long = [{LOSS: f"/folder/{'x' * 40}{i}"} for i in range(2)]
    axes = Axes(long)
    assert axes.value(long[0], LOSS) == f"…{'x' * 22}0"


def test_titles_become_short_before_they_are_cut() -> None:
    found = blocks(results_of([{LOSS: "xent", EPOCHS: n} for n in (1, 2)]))
    assert short_titles(found, 48) == [f"student.loss=xent, student.epochs={n}" for n in (1, 2)]
    assert short_titles(found, 24) == [f"loss=xent, epochs={n}" for n in (1, 2)]
    assert short_titles(found, 8) == ["xent · 1", "xent · 2"]


def test_lists_of_blocks_are_named_by_what_they_use() -> None:
    debate = {"use": "debate", "text": "Text: (.*)\\nClaim:"}
    found = [[], [debate], [debate, {"use": "shuffled"}], [{**debate, "rounds": 2}, "oracle"]]
    axes = Axes([{ASKED: value} for value in found])
    names = ["none", "debate", "debate+shuffled", "debate+oracle"]
    assert [axes.value({ASKED: value}, ASKED) for value in found] == names
    twice = [[debate], [{**debate, "rounds": 2}]]
    axes = Axes([{ASKED: value} for value in twice])
    assert [axes.value({ASKED: v}, ASKED) for v in twice] == ["debate", "debate (rounds: 2)"]


def test_an_evaluator_without_a_main_metric_has_a_table_of_its_own() -> None:
    results = results_of()
    head = {"group": {}, "seeds": [0], "phase": "bootstrap", "model": "weak", "split": "test"}
    head |= {"evaluator": "oversight"}
    results["summary"] += [
        {**head, "role": role, "metric": name, **metric(value, None, reason=reason)}
        for role, name, value, reason in (
            ("supervisor", "flip_rate", 0.25, ""),
            ("supervisor", "tokens_per_row", 180.5, ""),
            ("supervisor", "first_listed", None, "heard once"),
            ("weak_floor", "flip_rate", None, "no judge"),
        )
    ]
    (block,) = blocks(results)
    assert block.columns == ["accuracy", "auroc", "ece"]
    assert [
        (name, {r: measure(row) for r, row in rows.items()}) for name, rows in block.measures
    ] == [
        ("flip_rate", {"supervisor": "0.250"}),
        ("tokens_per_row", {"supervisor": "180.5"}),
    ]
    assert block.notes == ["first listed of supervisor: heard once"]


def test_bins_of_several_seeds_are_joined_by_their_rows() -> None:
    results = results_of(seeds=(0, 1))
    low = {"low": 0.5, "high": 0.6}
    for table in results["tables"]:
        table["rows"] = [
            {**low, "seed": 0, "confidence": 0.52, "accuracy": 0.4, "n": 10},
            {**low, "seed": 1, "confidence": 0.56, "accuracy": 0.8, "n": 30},
        ]
    (block,) = blocks(results)
    (point,) = bins_of(block, results["tables"])["student"]
    assert point["n"] == 40
    assert abs(point["confidence"] - 0.55) < 1e-12
    assert abs(point["accuracy"] - 0.7) < 1e-12


def test_numbers() -> None:
    assert number(None) == "–"
    assert number(-0.0001) == "0.000"
    assert number(0.01, signed=True) == "+0.010"
    assert interval({"low": None, "high": None}) == ""
    assert interval({"low": None, "high": 0.5}) == "[–, 0.500]"
    assert estimate({"value": 0.351, "low": 0.2, "high": 0.5}, 2) == "0.35 [0.20, 0.50]"
    assert (count(1, "seed"), count(3, "seed")) == ("1 seed", "3 seeds")
