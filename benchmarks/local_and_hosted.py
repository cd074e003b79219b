"""The same debates with debaters in the run, behind a server, and one of each, turn by turn.

Only ``models:`` differs. ``transformers serve`` holds lab-l on this machine, in float32 as the local one, at
temperature 0. First one example at a time, where every turn must be the same; then as recipes run, where the
local model's batches are padded and their sums differ in the last digits, so that a token may, too.

    python benchmarks/local_and_hosted.py [--debates 60] [--tokens 40]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from _machine import describe

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "hosted")]

import debated  # noqa: E402
from debated import Held, problems, run_here, turns  # noqa: E402
from served import serving  # noqa: E402

from w2s_lab.family import folder  # noqa: E402
from w2s_oversight import talk  # noqa: E402

MODEL = str(folder("lab-l"))


def main() -> int:
    """Hold them all and print the share of turns that are the same. Exit code 1 if one at a time differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debates", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=40, help="of one turn at most")
    options = parser.parse_args()
    options.debates -= options.debates % 4  # both splits hold as many rows of each class
    print(describe())
    print(f"{options.debates} debates of two rounds, turns of at most {options.tokens} tokens")
    print(f"{'':<32}{'turns':>6}{'same as local':>15}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        os.environ["W2S_CACHE"] = str(place / "cache")
        with serving(folder("lab-l"), place / "serve") as url:
            debated.know(url, MODEL)
            here, there = debated.local("lab-l"), debated.hosted(url, MODEL)
            pairs = {"local": (here, here), "hosted": (there, there), "mixed": (here, there)}
            as_run = talk.CHUNK
            shares = []
            for way, chunk in (("one at a time", 1), ("batched", as_run)):
                talk.CHUNK = chunk
                first: dict[tuple[str, int, str], str] = {}
                for name, (debater, opponent) in pairs.items():
                    held = Held(place / way / name)
                    recipe = debated.write_recipe(
                        held.place / "debated.yaml",
                        debater,
                        opponent=opponent,
                        debates=options.debates,
                        most=options.tokens,
                    )
                    started = time.perf_counter()
                    code, said = run_here(recipe, held.place)
                    assert code == 0 and not problems(held, options.debates), said
                    found = turns(held)
                    first = first or found
                    share = sum(found[at] == text for at, text in first.items()) / len(first)
                    shares.append(share)
                    seconds = time.perf_counter() - started
                    print(f"{way + ', ' + name:<32}{len(found):>6}{share:>15.1%}{seconds:>9.0f}")
    return 0 if min(shares[:3]) == 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
