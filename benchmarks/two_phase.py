"""Every figure of docs/results/two_phase.md: phase 1 with and without help, the rounds of phase 2, one jump.

The shipped recipe two_phase with seeds 0 to 4, and beside its phases the same teachers without oversight,
without an ensemble and without both, and the rounds and the jump once more from where nobody helped, so that
there is room to climb. What they have in common runs once.

    python benchmarks/two_phase.py [--write docs/results/two_phase.md] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from _machine import describe
from _tables import cell, ran, write_between

from w2s_toolkit.loading import Run

ROOT = Path(__file__).parents[1]
SEEDS = [0, 1, 2, 3, 4]
START, END = "<!-- figures: benchmarks/two_phase.py -->", "<!-- end of figures -->"

HELP = {
    "neither": "neither",
    "ensembles": "an ensemble",
    "oversight": "oversight",
    "bootstrap": "both",
}
"""Phases that differ in what helps the teacher, and how they are called."""

CHAINS = {
    "both": ("bootstrap", "recursive", "unchecked", "one_jump"),
    "neither": ("neither", "alone", "alone_unchecked", "alone_jump"),
}
"""Phase 1, rounds, rounds without tests, one jump."""


def main() -> None:
    """Take all figures; print them, or put them into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        work = options.work or Path(fresh)
        run = ran(_recipe(work), work)
        parts = [_first_phase(run)]
        parts += [_rounds(run, name, *phases) for name, phases in CHAINS.items()]
    parts.append(f"Taken on {describe().replace(chr(10), '; ')}.")
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_between(options.write, START, END, text)


def _recipe(work: Path) -> Path:
    """The shipped recipe with more phases and seeds."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    recipe = yaml.load((ROOT / "recipes" / "two_phase.yaml").read_text(encoding="utf-8"))
    phases = {phase["name"]: phase for phase in recipe["phases"]}

    def like(name: str, called: str, **changes: Any) -> Mapping[str, Any]:
        return deepcopy(phases[name]) | {"name": called, **changes}

    alone: dict[str, Any] = {"oversight": [], "ensemble": None}
    for name, called in (("recursive", "alone"), ("unchecked", "alone_unchecked")):
        repeat = phases[name]["repeat"] | {"start": "@phase.neither.student"}
        phases[called] = like(name, called, repeat=repeat)
    recipe["phases"] = [
        like("bootstrap", "neither", **alone),
        like("bootstrap", "ensembles", oversight=[]),
        like("bootstrap", "oversight", ensemble=None),
        *(phases[name] for name in ("bootstrap", "recursive", "one_jump", "unchecked")),
        phases["alone"],
        like("one_jump", "alone_jump", **alone),
        phases["alone_unchecked"],
    ]
    recipe["matrix"] = {"seed": SEEDS}
    for phase in recipe["phases"]:  # prompt files are named from where the recipe lies
        for protocol in phase.get("oversight") or ():
            protocol["prompts"] = str(ROOT / "recipes" / protocol["prompts"])
    work.mkdir(parents=True, exist_ok=True)
    path = work / "two_phase_benchmark.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(recipe, file)
    return path


def _first_phase(run: Run) -> str:
    return ""


def _rounds(run: Run, name: str, *phases: str) -> str:
    return ""


if __name__ == "__main__":
    main()
