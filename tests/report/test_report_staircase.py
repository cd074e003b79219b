"""The picture of students by size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up import EPOCHS, pairs, results_of

from w2s_toolkit.report.blocks import blocks
from w2s_toolkit.report.canvas import spread
from w2s_toolkit.report.html import write_report
from w2s_toolkit.report.staircase import staircase


def test_every_pair_is_drawn_and_models_stand_from_weak_to_strong() -> None:
    plot = staircase(blocks(pairs()))
    assert plot is not None
    svg = str(plot.svg)
    places = [svg.index(f">{name}</text>") for name in ("xs", "s", "m", "l")]
    assert places == sorted(places)
    for name in ("gold labels", "from xs", "from s", "from m"):
        assert f">{name}</text>" in svg
    assert "xs to s: 0.750" in svg
    assert "m to l: 0.910" in svg


def test_the_order_of_phases_does_not_matter() -> None:
    results = pairs()
    results["summary"].reverse()
    plot = staircase(blocks(results))
    assert plot is not None
    places = [str(plot.svg).index(f">{name}</text>") for name in ("xs", "s", "m", "l")]
    assert places == sorted(places)


def test_students_of_one_teacher_stand_as_the_recipe_lists_them() -> None:
    results = pairs(("xs", "l", "s"))
    results["summary"] = [r for r in results["summary"] if r["phase"].startswith("xs")]
    for models in (["xs", "s", "l"], ["xs", "l", "s"]):
        plot = staircase(blocks(results), models)
        assert plot is not None
        svg = str(plot.svg)
        places = [svg.index(f">{name}</text>") for name in models]
        assert places == sorted(places)


def test_a_single_pair_or_a_sweep_of_something_else_has_no_such_picture() -> None:
    assert staircase(blocks(results_of())) is None
    assert staircase(blocks(results_of([{EPOCHS: 1}, {EPOCHS: 2}]))) is None


def test_a_model_that_teaches_itself_is_drawn() -> None:
    results = pairs(("a", "b"))
    extra = [dict(row) for row in results["summary"]]
    for row in extra:
        row |= {"phase": "a to a", "model": "a"}
    results["summary"] += extra
    assert staircase(blocks(results)) is not None


def test_a_missing_value_leaves_a_gap(make_run: Callable[[dict[str, Any]], Path]) -> None:
    results = pairs()
    for row in results["summary"]:
        if row["phase"] == "s to l" and row["role"] == "student":
            row |= {"value": None, "low": None, "high": None, "reason": "nothing was scored"}
    assert "Accuracy by size of the student" in write_report(make_run(results)).read_text()


@pytest.mark.parametrize(
    ("places", "moved"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.9], [0.2, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.5, 0.5, 0.62], [0.44, 0.54, 0.64]),
    ],
)
def test_names_at_the_ends_of_lines_move_apart_up_and_down_alike(
    places: list[float], moved: list[float]
) -> None:
    assert spread(places, 0.1) == pytest.approx(moved)
