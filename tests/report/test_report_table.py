"""What ``w2s run`` prints at its end."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from made_up import EPOCHS, HOSTILE, LOSS, generation, metric, results_of
from rich.cells import cell_len

from w2s_toolkit.report.table import print_summary

GAP = "the gap between ceiling and floor is 0.0040, below 0.0100, the smallest gap allowed"


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def printed(results: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    print_summary(results)
    return capsys.readouterr().out


def test_one_row_a_role_and_the_headline_below(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(results_of(seeds=(0, 1, 2)), capsys).splitlines()
    found = {line.split("   ")[0]: line for line in lines}
    assert "0.620 [0.600, 0.640]" in found["weak floor = supervisor"]
    assert "0.700 [0.680, 0.720]" in found["weak-to-strong student"]
    assert "0.850 [0.830, 0.870]   0.900   0.050" in found["strong ceiling"]
    assert "0.615 [0.595, 0.635]" in found["weak labels on pool"]
    assert "PGR 0.35 [0.25, 0.45] over 3 seeds" in lines
    assert "gain +0.080 [+0.060, +0.100] student minus weak floor" in lines
    assert "agreement 0.800 with supervisor: 0.900 where it is right, 0.650 where wrong" in lines


def test_a_supervisor_unlike_the_floor_has_its_own_row(capsys: pytest.CaptureFixture[str]) -> None:
    levels = {"weak_floor": 0.6, "supervisor": 0.65, "student": 0.7, "strong_ceiling": 0.8}
    out = printed(results_of(levels=levels), capsys)
    assert "floor = supervisor" not in out
    assert "\nweak floor " in out
    assert "\nsupervisor " in out


@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_every_seed_is_shown_below_five(seeds: int, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(results_of(seeds=range(seeds)), capsys)
    shown = [line for line in out.splitlines() if line.startswith("   0 ")]
    assert len(shown) == (1 if 1 < seeds < 5 else 0)
    assert f"over {seeds} seed" in out


@pytest.mark.parametrize(
    "results",
    [
        results_of(seeds=(0, 1, 2)),
        results_of([{LOSS: x, EPOCHS: e} for x in ("xent", "logconf") for e in (1, 2)]),
        results_of([{f"models.weak.{a}": f"/folder/name-that-is-long-{a}-{i}" for a in "abcde"} for i in range(3)]),
        results_of([{LOSS: f"loss{i}"} for i in range(9)], seeds=(0, 1), phases=("a", "b")),
        results_of(pgr=metric(None, reason=GAP)),
        generation(),
    ],
    ids=["seeds", "matrix", "wide", "many", "no-pgr", "generation"],
)  # fmt: skip
def test_fits_eighty_columns_without_colour(
    results: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(results, capsys)
    assert max(map(cell_len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_combinations_are_compared_first(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of([{LOSS: "xent"}, {LOSS: "logconf"}], seeds=(0, 1, 2))
    lines = printed(results, capsys).splitlines()
    assert lines[0] == "made-up · 2 combinations, accuracy over 3 seeds"
    assert lines[1].split() == ["student.loss", "student", "PGR", "gain"]
    assert " ".join(lines[4].split()) == "logconf 0.710 0.39 [0.29, 0.49] +0.090"


def test_without_a_student_supervisors_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of([{EPOCHS: 1}, {EPOCHS: 2}])
    for part in ("summary", "rows"):
        results[part] = [row for row in results[part] if row["role"] == "supervisor"]
    lines = printed(results, capsys).splitlines()
    assert lines[1].split() == ["on", "student.epochs", "supervisor"]
    assert ["test", "2", "0.620"] in [line.split() for line in lines]


def test_missing_pgr_says_why_even_in_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    alone = printed(results_of(pgr=metric(None, reason=GAP)), capsys)
    assert f"PGR not given: {GAP}" in " ".join(alone.split())
    many = results_of([{LOSS: f"loss{i}"} for i in range(9)], pgr=metric(None, reason=GAP))
    assert f"PGR not given: {GAP}" in " ".join(printed(many, capsys).split())


def test_rows_without_an_answer_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of()
    for row in results["summary"]:
        if row["role"] == "student" and row["metric"] in ("accuracy", "auroc"):
            row["reason"] = "12 rows have no answer"
    assert "note: accuracy, AUROC: 12 rows have no answer" in printed(results, capsys)


def test_equal_remarks_and_signatures_are_merged(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of([{LOSS: "xent"}, {LOSS: "logconf"}])
    results["warnings"] = [{"stage": f"fit[seed={i}]", "message": "same"} for i in range(3)]
    results["warnings"].append({"stage": "data", "message": "other"})
    results["signatures"] = [
        {"name": "collapse", "message": "it fell", "phase": "p", "group": {LOSS: loss}}
        for loss in ("xent", "logconf")
    ]
    lines = printed(results, capsys).splitlines()
    assert "note: same (3 stages)" in lines
    assert "note (data): other" in lines
    assert [x for x in lines if x.startswith("warning")] == [
        "warning: collapse: it fell [p · student.loss=xent; p · student.loss=logconf]"
    ]


def test_paths_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    results, path = results_of(), "/a/" + "very-long-" * 12 + "path"
    results["warnings"] = [{"stage": "data", "message": f"look at {path} now"}]
    assert path in printed(results, capsys)


def test_nothing_in_a_name_is_markup_or_control(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of()
    results["recipe"] = f"[bold]x[/bold]\x1b[31m{HOSTILE}"
    assert f"[bold]x[/bold]\\x1b[31m{HOSTILE}" in printed(results, capsys)


def test_evaluators_may_be_missing_or_new(capsys: pytest.CaptureFixture[str]) -> None:
    results = results_of()
    results["summary"] = [r for r in results["summary"] if r["evaluator"] == "auroc"]
    results["rows"] = []
    results["summary"] += [
        {**r, "evaluator": "f1", "metric": m}
        for r in results["summary"]
        for m in ("precision", "f1")
    ]
    out = printed(results, capsys)
    assert out.splitlines()[1].split() == ["model", "AUROC", "F1"]
    assert "PGR" not in out
    results["summary"] = []
    assert printed(results, capsys) == "made-up: nothing was evaluated\n"


def test_a_terminal_that_is_not_utf8_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_summary(generation())
    assert b"?" in raw.getvalue()
