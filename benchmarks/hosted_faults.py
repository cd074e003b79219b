"""Whole runs of hosted debates over a line that goes wrong, and runs that are killed again and again.

``transformers serve`` holds lab-l on this machine; a proxy before it lets a share of the calls go wrong: 429
with and without Retry-After, 500, 503, dropped and truncated replies, HTML, empty choices, stalls. First the
debates are held undisturbed, then among faults, each from an empty store; then fewer of them in a run that is
killed at seeded points until it comes to its end. Every transcript, verdict and ``results.json`` must have the
same bytes as undisturbed, and the ledger must agree with what the proxy saw. Exit code 1 if anything does not.

    python benchmarks/hosted_faults.py [--debates 500] [--rate 0.2] [--stall 30] [--kills 10]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from _machine import describe

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "hosted")]

import debated  # noqa: E402
from debated import Held, asked_again, differences, ended, misaccounted, problems  # noqa: E402
from fault_proxy import RETRIED, Proxy  # noqa: E402
from served import serving  # noqa: E402

from w2s_lab.family import folder  # noqa: E402

MODEL = str(folder("lab-l"))
KILLED = 40
"""Debates of the run that is killed."""
HOURS = 4 * 3600.0
"""Seconds after which a run counts as hanging: stalls of half a minute take their time."""


def main() -> int:
    """Hold, disturb, kill; print the account of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debates", type=int, default=500, help="among faults; 0: only the kills")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each debater")
    parser.add_argument("--tokens", type=int, default=8, help="of one turn at most")
    parser.add_argument("--rate", type=float, default=0.2, help="share of calls that go wrong")
    parser.add_argument("--stall", type=float, default=30.0, help="seconds of a stalled call")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds the client waits")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.debates -= options.debates % 4  # both splits hold as many rows of each class
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        os.environ["W2S_CACHE"] = str(place / "cache")
        with (
            serving(folder("lab-l"), place / "serve") as url,
            Proxy(url, stall=options.stall, seed=options.seed).running() as proxy,
        ):
            debated.know(proxy.url, MODEL)
            wrong = _faults(place / "faults", proxy, options) if options.debates else []
            wrong += _kills(place / "kills", proxy, options) if options.kills else []
    print("\n".join(wrong[:20]) or "everything held")
    return 1 if wrong else 0


def _recipe(place: Path, proxy: Proxy, debates: int, options: Any) -> Path:
    server = debated.hosted(proxy.url, MODEL, timeout_s=options.timeout)
    return debated.write_recipe(
        place / "debated.yaml", server, debates=debates, rounds=options.rounds, most=options.tokens
    )


def _faults(place: Path, proxy: Proxy, options: Any) -> list[str]:
    """The debates undisturbed, then among faults."""
    recipe = _recipe(place, proxy, options.debates, options)
    clean, rough = Held(place / "clean"), Held(place / "rough")
    wrong: list[str] = []
    for held, rate in ((clean, 0.0), (rough, options.rate)):
        proxy.reset()
        proxy.rate = rate
        started = time.perf_counter()
        process = debated.start(recipe, held.place)
        said = ended(process, within=HOURS)
        if process.returncode:
            return [f"exit code {process.returncode}: {said}"]
        wrong += problems(held, options.debates, options.rounds) + misaccounted(held, proxy)
        _tell(held, proxy, options.debates, time.perf_counter() - started)
    return wrong + [f"not as undisturbed: {name}" for name in differences(clean, rough)]


def _tell(held: Held, proxy: Proxy, debates: int, seconds: float) -> None:
    settled, standing = held.ledger()
    turns = debated.turns(held)
    faults = ", ".join(f"{name} {number}" for name, number in sorted(proxy.met.items()))
    print(
        f"{debates} debates, {len(turns)} turns, {seconds:.0f} s; sent {proxy.sent.total()}, went wrong "
        f"{proxy.met.total()}{f' ({faults})' if faults else ''}\n"
        f"  completed at the proxy  {proxy.completed.total()} calls, {sum(proxy.usage)} tokens\n"
        f"  settled in the ledger   {settled.calls} calls, {settled.tokens} tokens\n"
        f"  standing, listed apart  {standing.calls} calls, at most {standing.tokens} tokens",
        flush=True,
    )


def _kills(place: Path, proxy: Proxy, options: Any) -> list[str]:
    """One run, killed at each of several numbers of completed replies, and gone on with."""
    recipe = _recipe(place, proxy, KILLED, options)
    proxy.reset()
    proxy.rate, proxy.faults = 0.0, RETRIED
    clean, held = Held(place / "clean"), Held(place / "killed")
    ended(debated.start(recipe, clean.place))
    proxy.reset()
    calls = 2 * options.rounds * KILLED
    points = sorted(random.Random(options.seed).sample(range(1, calls - 8), options.kills))
    wrong: list[str] = []
    for point in [*points, None]:
        kept, before, settled = held.kept(), Counter(proxy.sent), held.settled()
        process = debated.start(recipe, held.place)
        until = None if point is None else lambda n=point: proxy.completed.total() >= n
        said = ended(process, until)
        if process.returncode != (0 if point is None else -9):
            wrong.append(f"exit code {process.returncode}: {said}")
        again = asked_again(proxy, before, kept)
        wrong += [f"asked again though kept: {name}" for name in again]
        if held.settled()[: len(settled)] != settled:
            wrong.append(f"the ledger lost lines at {point}")
        where = "went on to the end" if point is None else f"killed after {point} replies"
        print(
            f"{where:<26} kept {len(held.kept()):>3} answers, asked again of those kept before: {len(again)}",
            flush=True,
        )
    total, standing = held.ledger()
    print(
        f"{proxy.completed.total()} replies for {calls} turns, {total.calls} settled, {standing.calls} stand"
    )
    wrong += problems(held, KILLED, options.rounds)
    return wrong + [f"not as undisturbed: {name}" for name in differences(clean, held)]


if __name__ == "__main__":
    sys.exit(main())
