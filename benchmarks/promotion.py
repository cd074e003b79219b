"""How often promotion rolls a bad generation back, and how often a sound one.

Students in three rounds (toy components on made-up words, or with --lab the embedded lab's models), once as they
come and once with wrong labels in round 2. A bad generation is that of round 2 with noise, a sound one that of
round 2 without. Bad ones should be rolled back in at least 90% of the seeds, sound ones in at most 10%; with a
supervisor at chance the loop should end before its first round in every seed. Exit code 1 if not.

    python benchmarks/promotion.py [--seeds 20] [--rate 0.4] [--lab] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TOY = ROOT / "tests" / "toy_plugin"
sys.path.insert(0, str(TOY))

from _machine import describe  # noqa: E402
from _tables import ran  # noqa: E402
from toy_w2s import rounds  # noqa: E402

BLIND = {"models.mid.letters": 0}
"""A first student that sees no letter of any word, and so answers at random."""

BLIND_LAB = {"phases.bootstrap.student.lr": 1e-300}
"""A first student that learns nothing: its head stays zero. A small step would do, since its sign tells."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.4, help="share of wrong labels in round 2")
    parser.add_argument("--lab", action="store_true", help="the lab's models instead of the toy's")
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")])
    seeds = list(range(options.first_seed, options.first_seed + options.seeds))
    noise = f"{{use: label_noise, rate: {options.rate}, rounds: [2]}}"
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        recipe = _lab_recipe(work) if options.lab else rounds.write(work)
        of = "phases.recursive.refine"
        sound = _second_rounds(recipe, work, {"seed": seeds})
        bad = _second_rounds(recipe, work, {"seed": seeds, of: f"[{noise}]"})
        gates = _rounds(recipe, work, {"seed": seeds, **(BLIND_LAB if options.lab else BLIND)})
    stopped = sum(row["round"] == 0 and bool(row["stop"]) for row in gates)
    print(
        "| generation | seeds | rolled back | accuracy minus its supervisor's, lowest to highest |"
    )
    print("| --- | --- | --- | --- |")
    for name, rows in (("sound", sound), (f"taught with {options.rate:.0%} wrong labels", bad)):
        gains = sorted(r["accuracy"]["student"] - r["accuracy"]["supervisor"] for r in rows)
        print(
            f"| {name} | {len(rows)} | {_share(rows):.0%} | {gains[0]:+.3f} to {gains[-1]:+.3f} |"
        )
    print(f"\nA supervisor at chance: ended before round 1 in {stopped} of {len(seeds)} seeds.")
    print(describe())
    held = _share(bad) >= 0.9 and _share(sound) <= 0.1 and stopped == len(seeds)
    return 0 if held and len(sound) == len(bad) == len(seeds) else 1


def _rounds(recipe: Path, work: Path, sets: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = list(ran(recipe, work, sets).raw["rounds"])
    return found


def _second_rounds(recipe: Path, work: Path, sets: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in _rounds(recipe, work, sets) if row["round"] == 2]


def _share(rows: list[Mapping[str, Any]]) -> float:
    return sum(not row["promoted"] for row in rows) / max(1, len(rows))


def _lab_recipe(work: Path) -> Path:
    """The first two phases of the shipped recipe without help in phase 1: lab-s in every round."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    recipe = yaml.load((ROOT / "recipes" / "two_phase.yaml").read_text(encoding="utf-8"))
    first, second = recipe["phases"][:2]
    first |= {"ensemble": None, "oversight": [], "evaluate": ["accuracy"]}
    second["student"] = second.pop("ladder")[0]
    second["repeat"]["max_rounds"] = 2
    second["evaluate"] = ["accuracy"]
    recipe["phases"] = [first, second]
    recipe["baselines"] = []
    recipe["task"]["splits"] |= {"pool_2": 1200, "test": 100}
    path = work / "lab.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(recipe, file)
    return path


if __name__ == "__main__":
    sys.exit(main())
