"""The report in a real browser: it opens without a fault, asks for nothing, and can be walked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import NEXT_STEP, environment, find
from made_up import HOSTILE
from toy_w2s.recipe import write_recipe
from walked import run_toy, talked_run

from w2s_toolkit.report.html import write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[test]'"
)

ROWS = "#count"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # Chromium refuses to run as root inside its sandbox, as containers mostly do.
        path = find() or driver.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(f"there is no Chromium: {NEXT_STEP}")
        opened = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox"], env=environment(path)
        )
        yield opened
        opened.close()


class Tab:
    """One page, with all that it asked for and all that went wrong."""

    def __init__(self, browser: Any, run: Path, anchor: str = "", **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = (run / "report.html").resolve().as_uri()
        self.page.goto(self.address + anchor)
        self.page.wait_for_selector("html[data-ready]")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            assert self.faults == []
            assert {url.partition("#")[0] for url in self.requests} == {self.address}
        self.page.close()


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run whose first ten test rows have transcripts, and the ids of its test rows."""
    return talked_run(write_recipe(tmp_path_factory.mktemp("talked")))


@pytest.fixture
def open_tab(browser: Any) -> Callable[..., Tab]:
    return lambda run, anchor="", **options: Tab(browser, run, anchor, **options)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_opens_and_can_be_walked_without_faults_or_requests(
    talked: tuple[Path, list[str]], open_tab: Any, width: int, theme: str
) -> None:
    run, _ = talked
    with open_tab(run, viewport={"width": width, "height": 800}, color_scheme=theme) as page:
        # Nothing makes the page as a whole wider than the screen.
        assert page.evaluate("document.documentElement.scrollWidth") == width
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 22, 22)"}[theme]
        assert page.locator("#rows .row").count() > 3
        assert page.locator("#no-browser").is_hidden()
        page.select_option("#filter", "flipped")
        assert page.inner_text(ROWS) == "1 of 200 rows"
        page.locator("#example .order").nth(1).wait_for()
        assert page.locator("#example .turn").count() == 4
        source = page.locator("#example .sources button").first
        name = source.inner_text()
        source.click()
        assert page.locator("tr.found").inner_text().startswith(name)
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_filters_and_searches_narrow_the_list(
    talked: tuple[Path, list[str]], open_tab: Any
) -> None:
    with open_tab(talked[0]) as page:
        assert page.inner_text(ROWS) == "200 of 200 rows"
        cells = {
            c: int(page.inner_text(f"#cross-{c}").split()[0]) for c in ("tt", "tf", "ft", "ff")
        }
        assert sum(cells.values()) == 200
        page.select_option("#filter", "corrected")
        assert page.inner_text(ROWS) == f"{cells['tf']} of 200 rows"
        assert {r.inner_text().split("weak ")[1][0] for r in page.locator(".row").all()} == {"✗"}
        page.select_option("#filter", "student-wrong")
        assert page.inner_text(ROWS) == f"{cells['ft'] + cells['ff']} of 200 rows"
        page.click("#cross-tt")
        assert page.inner_text(ROWS) == f"{cells['tt']} of 200 rows"
        page.select_option("#filter", "all")
        page.select_option("#gold", "1")
        found = int(page.inner_text(ROWS).split()[0])
        assert 0 < found < 200
        page.select_option("#gold", "")
        page.fill("#search", page.inner_text("#example code"))
        page.locator(ROWS, has_text=re.compile("^1 of 200 rows$")).wait_for()


def test_the_list_holds_what_is_seen_alone_and_goes_by_keys(
    talked: tuple[Path, list[str]], open_tab: Any
) -> None:
    with open_tab(talked[0]) as page:
        assert page.locator(".row").count() < 40
        first = page.inner_text("#example code")
        page.focus("#rows")
        page.keyboard.press("End")
        assert page.locator(".row[aria-selected=true]").get_attribute("aria-posinset") == "200"
        last = page.inner_text("#example code")
        assert last != first
        page.keyboard.press("Home")
        assert page.inner_text("#example code") == first
        page.select_option("#order", "student-high")
        sure = page.inner_text("#example tbody tr:nth-child(3)")
        page.keyboard.press("End")
        assert sure != page.inner_text("#example tbody tr:nth-child(3)")


def test_a_label_leads_to_its_sources(talked: tuple[Path, list[str]], open_tab: Any) -> None:
    run, _ = talked
    with open_tab(run) as page:
        said = page.inner_text("#example .sources")
        assert "labelled by toy_bayes" in said
        assert "trained (toy_bayes, 40 gold labels)" in said
        assert "evidence of toy_hint" in said
        row = page.locator('[data-stage="first/supervisor/fit"]')
        assert row.is_hidden()
        page.click("#example .sources button:has-text('first/supervisor/fit')")
        assert row.is_visible()
        assert "found" in row.get_attribute("class")


def test_members_of_an_ensemble_are_sources(tmp_path: Path, open_tab: Any) -> None:
    run = run_toy(write_recipe(tmp_path), "phases.first.ensemble={use: toy_bag, members: 4}")
    with open_tab(run) as page:
        said = page.inner_text("#example .sources")
        assert "combined by toy_bag" in said
        assert "member 4" in said
        page.select_option("#filter", "members")
        assert int(page.inner_text(ROWS).split()[0]) > 0


def test_a_transcript_opens_in_both_orders(talked: tuple[Path, list[str]], open_tab: Any) -> None:
    run, ids = talked
    with open_tab(run) as page:
        page.select_option("#filter", "talked")
        assert page.inner_text(ROWS) == "10 of 200 rows"
        orders = page.locator("#example .order")
        orders.nth(1).wait_for()
        assert orders.count() == 2
        assert "order 0, side 1: It is <quote>good</quote>." in orders.nth(0).inner_text()
        assert "order 1, side 0" in orders.nth(1).inner_text()
        assert "✗ not in the text: good" in orders.nth(0).inner_text()
        assert page.locator("#example .turn").count() == 4
        page.check("text=candidates that were not taken")
        assert page.locator("#example .turn").count() == 5
        page.select_option(".transcript select", "debater_1")
        assert page.locator("#example .turn").count() == 2
        page.select_option("#filter", "flipped")
        assert page.inner_text(ROWS) == "1 of 200 rows"
        page.locator("#example .verdict").wait_for()
        assert "flips with the order" in page.inner_text("#example .verdict")
        page.select_option("#filter", "unscored")
        assert page.inner_text("#example code") == ids[1]
        page.locator("#example .verdict").wait_for()
        assert "no rung gave an answer" in page.inner_text("#example .verdict")


def test_an_address_names_an_example(talked: tuple[Path, list[str]], open_tab: Any) -> None:
    run, ids = talked
    with open_tab(run, f"#example=0:{ids[120]}") as page:
        assert page.inner_text("#example code") == ids[120]
        page.click("text=next →")
        assert page.inner_text("#example code") == ids[121]
        assert page.evaluate("location.hash") == f"#example=0:{ids[121]}"


EVIL = (
    HOSTILE
    + "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    + '"><svg onload=alert(3)><a href="javascript:alert(4)">x</a>\u202egnirts\u2066\u0000\u001b[31m'
    + "{{7*7}}${7*7}\ud83d\ude00 Ελληνικά العربية"
)


def test_hostile_text_stays_text(tmp_path: Path, open_tab: Any) -> None:
    recipe = write_recipe(tmp_path, more=f" {EVIL.replace(chr(0), '')}")
    run, _ = talked_run(recipe, said=EVIL)
    index = run / "predictions/index.json"
    index.write_text(index.read_text().replace('"strong"', '"<b onclick=alert(5)>"'))
    write_report(run)
    with open_tab(run) as page:
        page.select_option("#filter", "talked")
        page.locator("#example .turn").first.wait_for()
        for box in ("#example .text", "#example .turn", "#example", "#rows"):
            assert "<img src=x onerror=alert(2)>" in page.inner_text(box)
        shown = page.inner_text("#example")
        assert "\\u202egnirts\\u2066" in shown
        assert "\u202e" not in page.content()
        assert "😀 Ελληνικά العربية" in shown
        assert "<b onclick=alert(5)>" in shown
        assert page.locator("img, #example svg, #example a, #example b").count() == 0
        assert page.locator("script").count() == 3


def test_the_policy_stops_what_would_run_all_the_same(
    talked: tuple[Path, list[str]], tmp_path: Path, open_tab: Any
) -> None:
    """Markup that got past every escape could neither run nor ask for anything."""
    attack = (
        '<script>document.title = "run"</script><img src="http://127.0.0.1:9/x" '
        'onerror="document.title = 1"><iframe src="http://127.0.0.1:9/y"></iframe>'
    )
    text = (talked[0] / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(text.replace("<main>", f"<main>{attack}"), "utf-8")
    tab = open_tab(tmp_path)
    assert tab.page.title().startswith("toy")
    assert len(tab.faults) >= 3
    assert all("Content Security Policy" in fault for fault in tab.faults)
    tab.page.close()


def test_prints_the_results_without_what_needs_a_screen(
    talked: tuple[Path, list[str]], open_tab: Any
) -> None:
    with open_tab(talked[0]) as page:
        page.emulate_media(media="print")
        assert page.locator("#browser").is_hidden()
        assert page.locator("#details").is_hidden()  # nothing of it is open
        assert page.locator("figure svg").first.is_visible()
        assert page.pdf().startswith(b"%PDF")
