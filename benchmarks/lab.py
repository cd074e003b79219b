"""Every figure of docs/lab.md: the family, the staircase, and what its models say when asked.

The recipes run with seeds 0 to 4 on rows_seed 0, the probes with seeds 1 to 5; neither was looked at
while the lab was made. An interval of a recipe is the toolkit's own (bootstrap over seeds and test
rows), one of a probe is Student's t over its five seeds.

    python benchmarks/lab.py [--write docs/lab.md] [--only headline …] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from _machine import describe
from _tables import cell, one_by_one, ran, write_between

from w2s_lab.family import FOLDER, MEMBERS, folder
from w2s_lab.probes import Reader, background, meanings, quoting, reading

SEEDS = range(1, 6)
T_95 = 2.776
"""Two-sided 95% quantile of Student's t with four degrees of freedom."""

START, END = "<!-- figures: benchmarks/lab.py -->", "<!-- end of figures -->"

ZERO_SHOT = """\
schema: 1
name: lab-zero-shot
models:
  lab-l: {use: lab, id: lab-l}
task:
  use: lab_claims
  difficulty: [4]
  plain: 0.2
  splits: {pool: 1000, val: 300, test: 1000}
phases:
  - name: asked
    pool: pool
    supervisors: [{use: zero_shot, model: lab-l}]
    student: null
    evaluate: [{use: accuracy, on: pool}, {use: accuracy, on: test}]
matrix:
  seed: [0, 1, 2, 3, 4]
"""


def main() -> None:
    """Take all figures; print them, or put them into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    taken = f"Taken on {describe().replace(chr(10), '; ')}."
    with tempfile.TemporaryDirectory() as fresh:
        parts = [PARTS[name](options.work or Path(fresh)) for name in options.only]
    if len(options.only) == len(PARTS):
        text = "\n\n".join([*parts, taken])
        if options.write:
            write_between(options.write, START, END, text)
    else:
        parts = [f"{part}\n\n{taken}" for part in parts]
        text = "\n\n".join(parts)
        for part in parts if options.write else ():
            _replace(options.write, part)
    print(text)


def _replace(page: Path, part: str) -> None:
    """Put one part in the place of what stands under the same heading."""
    heading = part.partition("\n")[0]
    text = page.read_text(encoding="utf-8")
    head, found, rest = text.partition(heading)
    if not found:
        raise SystemExit(f"{page} has no heading {heading!r}: take all figures")
    ends = [at for mark in ("\n### ", f"\n{END}") if (at := rest.find(mark)) >= 0]
    page.write_text(f"{head}{part}\n{rest[min(ends) :]}", encoding="utf-8")


def _family(_: Path) -> str:
    lines = [
        "### The family",
        "",
        "| | parameters | layers x width | tokens read | recalls facts of rarity 1 / 2 / 3 / 4 "
        "| explains words of rarity 1 / 2 / 3 / 4 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, member in MEMBERS.items():
        card = json.loads((folder(name) / "card.json").read_text())
        tokens = sum(course["tokens"] for course in card["courses"].values())
        known = [card["probes"][probe] for probe in ("recall", "meaning_leaning")]
        cells = [" / ".join(f"{found[str(t)]:.2f}" for t in range(1, 5)) for found in known]
        lines.append(
            f"| {name} | {card['parameters']:,} | {member.layers} x {member.width} "
            f"| {tokens / 1e6:.1f}M | {cells[0]} | {cells[1]} |"
        )
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    return "\n".join([*lines, "", f"All files of all models: {size / 1e6:.1f} MB."])


def _headline(work: Path) -> str:
    run = ran("quickstart", work, {"matrix.seed": "[0, 1, 2, 3, 4]"})
    table = run.summary.query("split == 'test'")
    each = run.results.query("metric == 'pgr' and split == 'test'")
    lines = [
        "### lab-xs teaches lab-l (`w2s run quickstart`, five seeds)",
        "",
        "| loss of the student | weak floor | student | ceiling | PGR | PGR of each seed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    axis = "phases.bootstrap.student.loss.use"
    for loss in dict.fromkeys(table[axis]):
        rows = table[table[axis] == loss]
        cells = [
            cell(rows, role, "accuracy") for role in ("weak_floor", "student", "strong_ceiling")
        ]
        seeds = one_by_one(each[each[axis] == loss])
        lines.append(f"| {loss} | {' | '.join(cells)} | {cell(rows, 'student', 'pgr')} | {seeds} |")
    return "\n".join(
        [
            *lines,
            "",
            "Seeds 0 to 4; 1,000 gold rows for the teacher, 700 weak labels, 1,000 test rows.",
        ]
    )


def _staircase(work: Path) -> str:
    run = ran("lab_scaling", work)
    table = run.summary.query("split == 'test'")
    lines = [
        "### Every model teaches every stronger one (`w2s run lab_scaling`)",
        "",
        "Seeds 0 to 4, a fifth of the words that decide are plain English; 1,000 gold rows for the "
        "teacher, 1,000 weak labels for the student, 1,000 test rows.",
        "",
        "| teacher to student | weak floor | student | ceiling | PGR | PGR of each seed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    each = run.results.query("metric == 'pgr' and split == 'test'")
    for phase in dict.fromkeys(table["phase"]):
        rows = table[table["phase"] == phase]
        cells = [
            cell(rows, role, "accuracy") for role in ("weak_floor", "student", "strong_ceiling")
        ]
        seeds = one_by_one(each[each["phase"] == phase])
        name = phase.replace("-to-", " to lab-")
        lines.append(
            f"| lab-{name} | {' | '.join(cells)} | {cell(rows, 'student', 'pgr')} | {seeds} |"
        )
    return "\n".join(lines)


def _zero_shot(work: Path) -> str:
    recipe = work / "zero_shot.yaml"
    recipe.write_text(ZERO_SHOT)
    run = ran(recipe, work)
    rows = run.summary.query("metric == 'accuracy' and split == 'test'").iloc[0]
    return (
        "### Asked without any training\n\n"
        f"lab-l, zero-shot on the task's own format: {rows['value']:.3f} "
        f"[{rows['low']:.3f}, {rows['high']:.3f}]. The format occurs nowhere in what it has read; what "
        "it knows has to be elicited by training."
    )


def _oversight(_: Path) -> str:
    readers = {name: Reader(folder(name)) for name in MEMBERS}

    def over(probe: Callable[[Reader, int], Mapping[str, float]], name: str) -> dict[str, str]:
        found = [probe(readers[name], seed) for seed in SEEDS]
        return {key: _interval([one[key] for one in found]) for key in found[0]}

    lines = ["### What oversight can build on", ""]
    lines += [
        "**Background.** Asked what it knows about a thing: the share of what is told that is true, by "
        "the thing's rarity (100 things each); asked for a leaning word: right explanations (100 each).",
        "",
        "| | facts 1 | 2 | 3 | 4 | words 1 | 2 | 3 | 4 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in MEMBERS:
        told = over(lambda r, s: background(r, s), name)
        words = over(lambda r, s: meanings(r, "leaning", s), name)
        lines.append(f"| {name} | {' | '.join([*told.values(), *words.values()])} |")
    lines += [
        "",
        "**Passages.** 200 questions on rare things (rarities 3 and 4) that the model answers itself, "
        "with nothing before the question, a true description, one whose every attribute is false, "
        "another thing's, and for things that occur in no text it has read.",
        "",
        "| | no passage | true | false | another's | unheard-of thing, true |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in MEMBERS:
        lines.append(f"| {name} | {' | '.join(over(lambda r, s: reading(r, s), name).values())} |")
    lines += [
        "",
        "**Quotes.** 150 arguments for a claim about a text: how many quote, which share of the quotes "
        "is verbatim, and which share of those speaks for the side argued.",
        "",
        "| | arguments with a quote | verbatim | for its side |",
        "| --- | --- | --- | --- |",
    ]
    for name in ("lab-m", "lab-l"):
        for beams in (1, 4):
            found = over(lambda r, s, b=beams: quoting(r, s, beams=b), name)  # type: ignore[misc]
            how = f"{beams} beams" if beams > 1 else "greedily"
            lines.append(f"| {name}, {how} | {' | '.join(found.values())} |")
    return "\n".join(lines)


def _interval(values: list[float]) -> str:
    mean, half = np.mean(values), T_95 * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{mean:.2f} ± {half:.2f}"


PARTS: Mapping[str, Callable[[Path], str]] = {
    "family": _family,
    "headline": _headline,
    "staircase": _staircase,
    "zero_shot": _zero_shot,
    "oversight": _oversight,
}


if __name__ == "__main__":
    main()
