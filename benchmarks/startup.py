"""How long the light commands take, as whole processes on a warm disk.

Prints the median and the range of ten runs of each, and of ``python -c pass`` beside them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from _machine import describe

RUNS = 10
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "w2s --help": ["-m", "w2s_toolkit", "--help"],
    "w2s plugins ls": ["-m", "w2s_toolkit", "plugins", "ls"],
    "w2s recipes ls": ["-m", "w2s_toolkit", "recipes", "ls"],
    "w2s validate sst2_minilm": ["-m", "w2s_toolkit", "validate", "sst2_minilm"],
}


def main() -> None:
    """Time every command."""
    print(describe())
    print(f"{'command':<28} {'median':>8} {'lowest':>8} {'highest':>8}   (seconds, {RUNS} runs)")
    for name, arguments in COMMANDS.items():
        times = sorted(_time([sys.executable, *arguments]) for _ in range(RUNS + 1))[:RUNS]
        median = statistics.median(times)
        print(f"{name:<28} {median:>8.3f} {times[0]:>8.3f} {times[-1]:>8.3f}")


def _time(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
