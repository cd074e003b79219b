"""A report of 50,000 labelled examples: its size, how long it takes to write, and to open.

A run directory is made up: texts of words with the frequencies of English (or rows of yours), gold,
and soft labels of weak floor, supervisor, student and ceiling; one row in 25 has a debate in two
orders. The report is written as `w2s report` writes it, and opened in a headless Chromium until the
list of examples stands and a filter has run over all rows.

    python benchmarks/report.py [--rows 50000] [--words 60] [--texts FILE.jsonl:COLUMN] [--repeats 5]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _machine import describe

from w2s_toolkit.data import Dataset, Example, TaskInfo, content_id
from w2s_toolkit.report.html import write_report
from w2s_toolkit.transcripts import TRANSCRIPTS, VERDICTS

ROLES = {"weak_floor": 0.66, "supervisor": 0.66, "student": 0.76, "strong_ceiling": 0.85}
TESTS = Path(__file__).parents[1] / "tests" / "report"
"""Where the tests look for a browser, or fetch one."""
INFO = TaskInfo("classification", ("no", "yes"))


def words(rng: np.random.Generator, rows: int, length: int) -> Iterator[str]:
    """Texts of about ``length`` words, of which the n-th commonest is 1/n as common as the first."""
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    known = ["".join(rng.choice(letters, size=rng.integers(2, 11))) for _ in range(20_000)]
    share = 1 / np.arange(1, len(known) + 1)
    for _ in range(rows):
        number = max(3, int(rng.normal(length, length / 3)))
        yield " ".join(known[i] for i in rng.choice(len(known), size=number, p=share / share.sum()))


def texts_of(args: argparse.Namespace, rng: np.random.Generator) -> list[str]:
    """The texts: made up, or a column of a file, again from its beginning when it ends."""
    if not args.texts:
        return list(words(rng, args.rows, args.words))
    path, _, column = args.texts.rpartition(":")
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    found = [str(json.loads(line)[column]) for line in lines if line]
    return list(itertools.islice(itertools.cycle(found), args.rows))


def make_run(folder: Path, texts: list[str], rng: np.random.Generator) -> None:
    """A run directory with artefacts of its own in place of links to a store."""
    gold = rng.integers(0, 2, len(texts))
    examples = [
        Example(content_id(t, INFO.classes, n), t, INFO.classes, int(g), group=f"g{n // 2}")
        for n, (t, g) in enumerate(zip(texts, gold, strict=True))
    ]
    data = Dataset.from_examples(examples, INFO, "test")
    data.write(stage(folder, "split/test", "split", {}) / "data.parquet")
    answers = {role: soft(rng, gold, right) for role, right in ROLES.items()}
    answers["weak_floor"] = answers["supervisor"]
    assist = stage(folder, "p/oversight/test", "assist", {"data": "split/test"})
    label = stage(folder, "p/supervisor/label/test", "label", {"data": "p/oversight/test"})
    labels = pa.table({"id": list(data.ids), **columns("p", answers["supervisor"])})
    pq.write_table(labels, label / "labels.parquet")
    debates(assist, label, list(data.ids)[::25], texts[::25])
    index = []
    for role, probs in answers.items():
        file = f"{role}-test.parquet"
        weak = answers["supervisor"]
        table = {"id": list(data.ids), "group": list(data.groups), "gold": gold}
        table |= {"weak": weak.argmax(1), **columns("weak_p", weak)}
        table |= {"predicted": probs.argmax(1), **columns("p", probs)}
        (folder / "predictions").mkdir(exist_ok=True)
        pq.write_table(pa.table(table), folder / "predictions" / file)
        stages = {"labels": f"p/{role}", "weak": "p/supervisor/label/test", "data": "split/test"}
        head = {"cell": 0, "seed": 0, "axes": {}, "phase": "p", "split": "test"}
        index.append({"file": file, "role": role, "model": role, "stages": stages, **head})
    (folder / "predictions/index.json").write_text(json.dumps(index))
    task = {"kind": INFO.kind, "classes": list(INFO.classes), "splits": {"test": len(texts)}}
    (folder / "results.json").write_text(json.dumps({"recipe": "benchmark", "task": task}))


def soft(rng: np.random.Generator, gold: np.ndarray[Any, Any], right: float) -> Any:
    """Probabilities (n, 2) whose greater one is right on this share of rows."""
    hit = rng.random(len(gold)) < right
    sure = 0.5 + rng.beta(2, 1.5, len(gold)) / 2
    yes = np.where((gold == 1) == hit, sure, 1 - sure)
    return np.stack([1 - yes, yes], 1)


def columns(name: str, probs: Any) -> dict[str, Any]:
    return {f"{name}{k}": probs[:, k] for k in range(probs.shape[1])}


def stage(folder: Path, name: str, kind: str, inputs: dict[str, str]) -> Path:
    made = folder / "stages" / name
    made.mkdir(parents=True)
    parts = {"inputs": inputs}
    manifest = {"key": name, "kind": kind, "component": [kind, "made_up"], "parts": parts}
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


def debates(assist: Path, label: Path, ids: list[str], texts: list[str]) -> None:
    """Two orders, two debaters and two rounds for each example, and a verdict."""
    with (assist / TRANSCRIPTS).open("w") as turns, (label / VERDICTS).open("w") as verdicts:
        for file, kind in ((turns, "transcripts"), (verdicts, "verdicts")):
            file.write(json.dumps({"w2s": 1, "kind": kind}) + "\n")
        for number, (example, text) in enumerate(zip(ids, texts, strict=True)):
            for order, side, turn in itertools.product((0, 1), (0, 1), (1, 2)):
                said = f"{text[turn * 40 :]} I argue {side}."
                line = {"example_id": example, "protocol": "debate", "order": order}
                line |= {"round": turn, "speaker": f"debater_{side}", "side": side, "text": said}
                turns.write(json.dumps(line) + "\n")
            orders = [{"order": [0, 1], "p": [0.4, 0.6]}, {"order": [1, 0], "p": [0.5, 0.5]}]
            line = {"example_id": example, "p": [0.45, 0.55], "label": 1, "method": "likelihood"}
            line |= {"per_order": orders, "flipped": number % 10 == 0}
            verdicts.write(json.dumps(line) + "\n")


def opening(report: Path, repeats: int) -> list[float]:
    """Seconds from the call until the list stands and all rows were filtered once."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(TESTS))
    from chromium import environment, find

    with sync_playwright() as driver:
        path = find() or driver.chromium.executable_path
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox"], env=environment(path)
        )
        took = []
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(report.as_uri())
            page.wait_for_selector("html[data-ready]")
            page.select_option("#filter", "corrected")
            took.append(time.perf_counter() - started)
            assert "of" in page.inner_text("#count")
            page.close()
        browser.close()
    return took


def main() -> None:
    """Make it, write it, open it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--words", type=int, default=60, help="mean words of a made-up text")
    parser.add_argument("--texts", default="", help="FILE.jsonl:COLUMN in place of made-up texts")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        folder.mkdir()
        texts = texts_of(args, rng)
        make_run(folder, texts, rng)
        started = time.perf_counter()
        report = write_report(folder)
        written = time.perf_counter() - started
        found = {
            "rows": args.rows,
            "mean_characters": round(statistics.mean(map(len, texts))),
            "megabytes": round(report.stat().st_size / 1e6, 2),
            "write_seconds": round(written, 1),
            "open_seconds": [round(s, 2) for s in opening(report, args.repeats)],
        }
    if args.json:
        print(json.dumps(found))
        return
    took = found["open_seconds"]
    print(describe())
    print(
        f"{found['rows']} examples of {found['mean_characters']} characters on average, answers of "
        f"{len(ROLES)} models, {args.rows // 25} debates\n"
        f"report.html: {found['megabytes']} MB (at most 15), written in {found['write_seconds']} s\n"
        f"opened and filtered in {statistics.median(took):.2f} s (median of {len(took)}, "
        f"{min(took):.2f} to {max(took):.2f}; at most 3)"
    )


if __name__ == "__main__":
    main()
