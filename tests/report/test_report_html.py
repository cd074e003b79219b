"""``report.html``: complete, self-contained, safe and the same every time."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_up import EPOCHS, HOSTILE, LOSS, generation, metric, results_of

from w2s_toolkit.report.html import write_report

MakeRun = Callable[[dict[str, Any]], Path]
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks nesting and gathers what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def matrix(count: int = 2, **options: Any) -> dict[str, Any]:
    return results_of([{LOSS: f"loss{i}", EPOCHS: i} for i in range(count)], **options)


def test_says_what_was_run_and_what_came_out(make_run: MakeRun) -> None:
    page = page_of(make_run(results_of(seeds=(0, 1, 2))))
    for expected in (
        "A run that never was.",
        "PGR 0.35 [0.25, 0.45] over 3 seeds",
        "0.700 [0.680, 0.720]",
        "Run made-up-1 , started 2025-03-01 10:00 UTC",
        "finetuned (model: weak, train_on: weak_train)",
        "2000 rows",
        "1 cached, 1 ran of 2; 12 s of work in all.",
        "bootstrap/strong_ceiling/train 2000",
        "torch 2.5.0",
        "zipp 3.1",
        "# as given",
        "seed=0",
        "student-test.parquet",
    ):
        assert expected in page.text
    assert page.tags.count("figure") == 3
    assert "incomplete" not in page.text


def test_several_combinations_are_compared(make_run: MakeRun) -> None:
    page = page_of(make_run(matrix(6, seeds=(0, 1))))
    assert "6 combinations" in page.text
    assert page.tags.count("figure") == 4
    assert "loss5 5 0.620 0.750 [0.730, 0.770] 0.850" in page.text


@pytest.mark.parametrize(
    "results",
    [
        results_of(),
        results_of(pgr=metric(None, reason="too small a gap")),
        matrix(3, seeds=(0, 1), phases=("a", "b")),
        results_of(levels={"supervisor": 0.6, "student": 0.7}),
        generation(),
    ],
    ids=["one", "no-pgr", "matrix", "no-baselines", "generation"],
)
def test_needs_nothing_from_anywhere(results: dict[str, Any], make_run: MakeRun) -> None:
    text = write_report(make_run(results)).read_text(encoding="utf-8")
    page = Page(text)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name in ("src", "srcset", "onclick")]
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    links = [v for _, name, v in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(link.startswith("#") for link in links)
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {f"#{i}" for i in page.ids}
    assert {link[1:] for link in links} <= set(page.ids)


def test_only_the_script_of_the_page_may_run(make_run: MakeRun) -> None:
    text = write_report(make_run(results_of())).read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.partition(" ")[::2] for rule in html.unescape(policy).split("; "))
    (code,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_ids_are_unique_across_pictures(make_run: MakeRun) -> None:
    page = page_of(make_run(matrix(3)))
    assert len(page.ids) == len(set(page.ids))


def test_pictures_follow_the_theme(make_run: MakeRun) -> None:
    text = write_report(make_run(matrix(2, seeds=(0, 1)))).read_text(encoding="utf-8")
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, re.S))
    assert "var(--student)" in pictures
    assert re.findall(r"#[0-9a-f]{6}\b", pictures) == []
    assert "DejaVu" not in pictures
    assert ">student<" in pictures


def test_pictures_and_tables_can_be_read_aloud(make_run: MakeRun) -> None:
    page = page_of(make_run(results_of()))
    labels = [v for tag, name, v in page.attributes if tag == "svg" and name == "aria-label"]
    assert labels[0] == "Accuracy: floor, student, ceiling. weak floor 0.620, student 0.700, ceiling 0.850"  # fmt: skip
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("figcaption") == page.tags.count("figure") == 3


def test_hostile_names_stay_text(make_run: MakeRun) -> None:
    results = results_of([{LOSS: HOSTILE}, {LOSS: "$x_{$ \x1b[31m 模型"}], seeds=(0, 1))
    results["recipe"] = HOSTILE
    results["warnings"] = [{"stage": HOSTILE, "message": HOSTILE}]
    results["signatures"] = [{"name": HOSTILE, "message": HOSTILE, "phase": HOSTILE, "group": {}}]
    for row in (*results["summary"], *results["rows"]):
        row |= {"model": HOSTILE, "reason": HOSTILE}
    run = make_run(results)
    (run / "recipe.yaml").write_text(f"# </pre>{HOSTILE}\ud800", "utf-8", "surrogatepass")
    (run / "resolved.yaml").write_text(f"description: '{HOSTILE}'\n", "utf-8")
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == text.lower().count("<script") == 1
    assert "\x1b" not in text
    assert HOSTILE in page.text


def test_names_that_utf8_cannot_write_do_not_stop_the_report(make_run: MakeRun) -> None:
    results = results_of([{LOSS: "\ud800"}, {LOSS: "xent"}])
    assert "\\ud800" in page_of(make_run(results)).text


def test_same_run_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(matrix(3, seeds=(0, 1)))
    first = write_report(run).read_bytes()
    # What a run writes after its report must not change the report.
    (run / "status").write_text("done\n")
    with (run / "events.jsonl").open("a") as events:
        events.write('{"event": "run_finished", "status": "done"}\n')
    moved = shutil.copytree(run, tmp_path / "elsewhere")
    assert write_report(moved).read_bytes() == first


def test_missing_pgr_says_why(make_run: MakeRun) -> None:
    reason = "the gap is below two standard errors of it"
    page = page_of(make_run(results_of(pgr=metric(None, reason=reason))))
    assert f"PGR not given {reason}" in page.text
    several = page_of(make_run(matrix(6, pgr=metric(None, reason=reason))))
    assert f"PGR not given: {reason}" in several.text


def test_signatures_stand_before_the_results(make_run: MakeRun) -> None:
    results = results_of()
    message = "the student is below its supervisor"
    results["signatures"] = [
        {"name": "student_below_supervisor", "message": message, "phase": "p", "group": {}}
    ]
    text = page_of(make_run(results)).text
    assert 0 < text.index("Student below supervisor.") < text.index("PGR")


@pytest.mark.parametrize(
    "name",
    [
        "results.json",
        "predictions/index.json",
        "plan.json",
        "env.json",
        "events.jsonl",
        "recipe.yaml",
        "resolved.yaml",
        "overrides.txt",
        "usage.json",
    ],
)
@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_a_missing_or_damaged_file_is_named(name: str, damage: str, make_run: MakeRun) -> None:
    run = make_run(results_of())
    if damage == "gone":
        (run / name).unlink()
    else:
        (run / name).write_bytes(b"\xff{[")
    page = page_of(run)
    assert "This report is incomplete." in page.text
    assert f"{name} is" in page.text


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_a_run_without_results_shows_what_was_run(status: str, make_run: MakeRun) -> None:
    run = make_run(results_of())
    (run / "results.json").unlink()
    (run / "predictions/index.json").unlink()
    (run / "status").write_text(f"{status}\n")
    failed = {"time": "", "event": "stage_finished", "stage": "bootstrap/student/train",
              "component": "students/classifier", "status": "failed", "seconds": 1.0,
              "error": "the loss is not a number"}  # fmt: skip
    if status == "failed":
        with (run / "events.jsonl").open("a") as file:
            file.write(json.dumps(failed) + "\n")
    page = page_of(run)
    assert f"The run {'failed' if status == 'failed' else 'was stopped'}." in page.text
    assert ("bootstrap/student/train: the loss is not a number" in page.text) == (
        status == "failed"
    )
    assert "incomplete" not in page.text
    assert "made-up A run that never was." in page.text


def test_an_empty_directory_has_a_report(tmp_path: Path) -> None:
    assert "The run has no results." in page_of(tmp_path).text


def test_empty_tables_are_no_pictures(make_run: MakeRun) -> None:
    results = results_of()
    for table in results["tables"]:
        table["rows"] = []
    results["gold_labels"] = []
    page = page_of(make_run(results))
    assert page.tags.count("figure") == 2
    assert "None were recorded." in page.text


def test_a_style_of_the_user_changes_nothing(make_run: MakeRun) -> None:
    import matplotlib as mpl

    run = make_run(results_of(seeds=(0, 1)))
    expected = write_report(run).read_bytes()
    with mpl.rc_context({"font.size": 30, "text.usetex": True, "axes.facecolor": "red"}):
        assert write_report(run).read_bytes() == expected
        assert mpl.rcParams["font.size"] == 30


def test_the_command_reports_a_failed_run_and_opens_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click
    from click.testing import CliRunner

    from w2s_toolkit.cli.runs import report

    opened: list[str] = []
    monkeypatch.setattr(click, "launch", lambda url: opened.append(url) or 0)
    run = make_run(results_of())
    (run / "results.json").unlink()
    (run / "status").write_text("failed\n")
    done = CliRunner().invoke(report, [str(run), "--open"])
    assert done.exit_code == 0, done.output
    assert "The run failed." in (run / "report.html").read_text()
    assert opened == [(run / "report.html").as_uri()]
    monkeypatch.setattr(click, "launch", lambda url: 1)
    assert "there is no browser" in CliRunner().invoke(report, [str(run), "--open"]).output
