"""Files beside the page: pictures and numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from made_up import EPOCHS, HOSTILE, LOSS, metric, repeated, results_of

from w2s_toolkit.report.html import write_report

MakeRun = Callable[[dict[str, Any]], Path]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_numbers_are_in_tables(make_run: MakeRun) -> None:
    results = results_of([{LOSS: "xent", EPOCHS: 1}, {LOSS: "kl", EPOCHS: 2}], seeds=(0, 1))
    results["summary"][0] |= metric(None, reason="too small, a gap")
    run = make_run(results)
    write_report(run)
    summary, single = _rows(run / "results.csv"), _rows(run / "seeds.csv")
    assert len(summary) == len(results["summary"])
    assert len(single) == len(results["rows"])
    assert (summary[0]["value"], summary[0]["reason"]) == ("", "too small, a gap")
    last = results["summary"][-1]
    assert (float(summary[-1]["value"]), float(summary[-1]["low"])) == (last["value"], last["low"])
    assert (summary[-1][LOSS], summary[-1][EPOCHS], summary[-1]["seeds"]) == ("kl", "2", "[0, 1]")
    assert {row["seed"] for row in single} == {"0", "1"}


def test_no_cell_of_a_table_is_a_formula(make_run: MakeRun) -> None:
    results = results_of([{LOSS: "=cmd|'/c calc'!A1"}, {LOSS: "@x"}])
    run = make_run(results)
    write_report(run)
    assert {row[LOSS][:2] for row in _rows(run / "results.csv")} == {"'=", "'@"}
    assert float(_rows(run / "results.csv")[0]["value"]) == 0.62


def test_every_picture_is_a_file_that_stands_alone(make_run: MakeRun) -> None:
    results = results_of([{LOSS: HOSTILE}, {LOSS: "xent"}], seeds=(0, 1))
    run = make_run(results)
    write_report(run)
    names = {path.stem for path in (run / "figures").iterdir()}
    assert names == {"scores", "recovered", "agreement", "reliability"}
    for path in (run / "figures").iterdir():
        text = path.read_text(encoding="utf-8")
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text and "inherit" not in text
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not {"script", "image", "a", "foreignObject"} & tags
        assert not re.search(r"\shref=\"(?!#)", text)
    said = (run / "figures/reliability.svg").read_text()
    assert "strong ceiling</text>" in said


def test_pictures_of_an_earlier_report_go(make_run: MakeRun) -> None:
    run = make_run(repeated())
    write_report(run)
    assert (run / "figures/generations.svg").exists()
    (run / "results.json").write_text("{}")
    write_report(run)
    assert list((run / "figures").iterdir()) == []
    assert (run / "results.csv").read_text().count("\n") == 1
