"""The graph of stages and what they took."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_up import results_of, write_run

from w2s_toolkit.report.artefacts import Artefacts
from w2s_toolkit.report.facts import RunFiles
from w2s_toolkit.report.spending import Spent, price, spent_by_stage
from w2s_toolkit.report.stagegraph import Box, box_name, graphs
from w2s_toolkit.report.wording import amount, duration


def _stage(name: str, *inputs: str, **more: object) -> Spent:
    return Spent(name, "a/b", "k", inputs, **{"status": "ran", "seconds": 1.0, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "box"),
    [
        ("a/student/train[seed=1,loss=[x]]", "a/student/train"),
        ("a/student/train[seed=1]#2", "a/student/train"),
        ("a/student/evaluate/accuracy:test[seed=1]", "a/student/evaluate"),
        ("a/student/aggregate/pgr:test", "a/student/evaluate"),
        ("a/supervisor/member 12/label pool[x=y]", "a/supervisor/members/label"),
        ("split/test", "split/test"),
    ],
)
def test_stages_of_one_name_are_one_box(stage: str, box: str) -> None:
    assert box_name(stage) == box


def _lines(svg: str) -> int:
    return svg.count('class="edge"')


def test_a_graph_a_phase_without_lines_that_say_nothing_new() -> None:
    stages = [
        _stage("data"),
        _stage("split/test", "data"),
        _stage("a/student/train[seed=0]", "split/test", "data"),
        _stage("a/student/train[seed=1]", "split/test", "data"),
        _stage("b/student/train", "a/student/train[seed=0]", "split/test"),
    ]
    (first, one), (second, two) = graphs(stages)
    assert (first, second) == ("a", "b")
    assert re.findall(r"<title>(\S+):", one) == ["data", "split/test", "a/student/train"]
    assert _lines(one) == 2  # data to the training is said by way of the split
    assert "×2 · 2.0 s" in one
    assert re.findall(r"<title>(\S+):", two) == [
        "data",
        "split/test",
        "a/student/train",
        "b/student/train",
    ]


def test_stages_that_need_each_other_by_name_are_drawn_all_the_same() -> None:
    """Rounds of boosting: members are labelled with earlier members."""
    stages = [
        _stage("a/s/member 0/fit", "a/s/member 0/label x"),
        _stage("a/s/member 0/label x", "a/s/member 0/fit"),
    ]
    ((_, svg),) = graphs(stages)
    assert svg.count("<rect") == 2


def test_a_box_tells_the_worst_and_the_sum() -> None:
    box = Box("a/b/c")
    box.stages += [_stage("a/b/c[1]", tokens=1500, usd=0.5), _stage("a/b/c[2]", status="cached")]
    assert (box.status, box.facts) == ("ran", "×2 · 2.0 s · 1.5k tok · $0.50")
    box.stages.append(_stage("a/b/c[3]", status="not run", seconds=None))
    assert box.status == "missing"
    box.stages.append(_stage("a/b/c[4]", status="failed"))
    assert box.status == "failed"
    assert [Box("x", [_stage("x", status="cached")]).status] == ["cached"]


def test_time_tokens_and_money_come_from_usage(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", results_of())
    train = "bootstrap/student/train"
    counters = {"rows": 7, "train_tokens": 100, "gold_labels": 3}
    spent = {"settled": {"prompt_tokens": 40, "completion_tokens": 2, "usd": 0.25}}
    spent["standing"] = {"usd": 0.5}
    usage = {
        "stages": {"data": {"seconds": 3.5, "counters": {}}, train: {"counters": counters}},
        "hosted": {"this_run": {"stages": [{"stage": "data", "model": "m", **spent}]}},
    }
    (run / "usage.json").write_text(json.dumps(usage))
    data, training = spent_by_stage(RunFiles(run), Artefacts(run))
    assert (data.seconds, data.tokens, data.usd, data.status) == (3.5, 42, 0.75, "cached")
    assert (training.rows, training.tokens, training.usd) == (7, 100, None)
    assert training.seconds == 12.5  # of the log, where usage.json has none
    assert training.inputs == ("data",)


def test_calls_without_a_price_are_not_free() -> None:
    known, local = _stage("a", usd=0.25), _stage("b")
    unknown = _stage("c", usd=0.0, unpriced=3)
    assert price([local]) == ""
    assert price([known, local]) == "$0.25"
    assert price([unknown, local]) == "cost unknown"
    assert price([known, unknown], 4) == "$0.2500 and 3 calls of unknown price"
    assert "$" not in Box("a", [unknown]).facts


def test_durations_and_amounts() -> None:
    assert [duration(s) for s in (0.01, 0.26, 9.96, 59.7, 134, 11_100)] == [
        "< 0.1 s", "0.3 s", "10 s", "1 min 00 s", "2 min 14 s", "3 h 05 min",
    ]  # fmt: skip
    assert [amount(n) for n in (999, 1234, 64_300, 999_499, 1_234_567)] == [
        "999", "1.2k", "64k", "999k", "1.2M",
    ]  # fmt: skip
