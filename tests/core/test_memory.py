"""A pool stays columns from file to predictions: memory grows by little more than its bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "million_rows.py"
SMALL, LARGE = 20_000, 100_000
BYTES_A_ROW = {"keyword": 950, "labels_file": 1200}
"""A row of the script is 230 bytes in Arrow. Held as Python objects it took 1000 and 1660."""


@pytest.mark.slow(seconds=25)
@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
@pytest.mark.parametrize(("supervisor", "kind"), [("keyword", "jsonl"), ("labels_file", "csv")])
def test_memory_of_a_whole_run_grows_by_columns_not_by_objects(supervisor: str, kind: str) -> None:
    command = [sys.executable, SCRIPT, "--rows", SMALL, LARGE, "--executor", "inprocess", "--json"]
    command += ["--supervisor", supervisor, "--format", kind]
    # An allocator gives pages back late on a busy machine: a peak is then too high, never too low.
    small, large = _peaks(command)
    if not _as_columns(small, large, supervisor):
        again = _peaks(command)
        small, large = min(small, again[0]), min(large, again[1])
    assert _as_columns(small, large, supervisor), (small, large)
    assert large < 600 * 2**20


def _peaks(command: list[object]) -> tuple[int, int]:
    """Peaks of a small and of a large run, in bytes."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=True, timeout=250
    )
    small, large = (json.loads(line)["coordinator"] for line in done.stdout.splitlines())
    return small, large


def _as_columns(small: int, large: int, supervisor: str) -> bool:
    return (large - small) / (LARGE - SMALL) < BYTES_A_ROW[supervisor]


def test_a_run_from_rows_to_predictions_does_without_pandas(toy_recipe: Path) -> None:
    code = (
        "import sys\nfrom w2s_toolkit.cli.main import w2s\n"
        f"try: w2s.main(['run', {str(toy_recipe)!r}, '-q'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('LOADED', 'pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("LOADED False"), done.stdout + done.stderr
