"""Labelling a million rows: seconds a stage, rows a second, and the largest memory of each process.

Every size is one ``w2s run`` in processes of its own: table -> splits -> labels of a supervisor
that reads one example after the other (or a labels file) -> evaluation of the labels -> prediction
tables. A quarter of the largest size beside it shows whether time is linear in rows.

    python benchmarks/million_rows.py [--rows 250000 500000 1000000] [--format jsonl]
        [--supervisor keyword] [--executor subprocess] [--json]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from _machine import describe

PLUGIN = Path(__file__).parent / "keyword_plugin"
GOOD, BAD = ("good", "great", "fine"), ("bad", "poor", "dull")
WORDS = [a + b + c for a in "bdgklmnprst" for b in ("a", "e", "io", "u") for c in "dlmnrst"]
SPARE = 2000  # rows beside the pool
RECIPE = """\
schema: 1
name: million
models: {{}}
task:
  use: table
  path: {rows}
  template: "{{text}}"
  choices: [negative, positive]
  id_column: name
  splits: {{pool: {number}, test: 1000}}
phases:
  - name: labels
    pool: pool
    supervisors: [{supervisor}]
    student: null
    evaluate: [accuracy, calibration, {{use: auroc, on: pool}}]
"""
SUPERVISORS = {
    "keyword": "{use: keyword, positive: [good, great, fine], negative: [bad, poor, dull]}",
    "labels_file": "{use: labels_file, path: labels.jsonl}",
}


class Measured(NamedTuple):
    """One run: seconds by stage, seconds in all, and the largest resident memory, in bytes.

    ``together`` is the largest sum over all processes at one moment, looked at fifty times a
    second; the others are each process's own peak as the system keeps it (where it does).
    """

    rows: int
    stages: dict[str, float]
    seconds: float
    coordinator: int
    workers: int
    together: int


def main() -> None:
    """Run every size and print a table."""
    options = _options()
    show = _print_json if options.json else _print
    if not options.json:
        print(describe())
        print(f"{options.format}, supervisor {options.supervisor}, executor {options.executor}")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in options.rows:
            place = Path(folder) / str(number)
            place.mkdir()
            _write(place, number, options)
            found.append(_measure(place, number, options.executor))
            show(found[-1])
    first, last = found[0], found[-1]
    if last is not first and not options.json:
        print(
            f"\ntime({last.rows}) / time({first.rows}) = {last.seconds / first.seconds:.2f}; "
            f"linear would be {last.rows / first.rows:.2f}"
        )


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    parser.add_argument("--format", choices=("jsonl", "csv", "parquet"), default="jsonl")
    parser.add_argument("--supervisor", choices=sorted(SUPERVISORS), default="keyword")
    parser.add_argument("--executor", choices=("inprocess", "subprocess"), default="subprocess")
    parser.add_argument("--json", action="store_true", help="print one JSON object a size")
    return parser.parse_args()


def rows(number: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Made-up reviews of 8 to 16 words, as many of one class as of the other."""
    draw = random.Random(seed)
    for index in range(number):
        gold = index % 2
        words = draw.choices(WORDS, k=draw.randint(7, 14))
        own, other = (GOOD, BAD) if gold else (BAD, GOOD)
        words += [draw.choice(own), draw.choice(own if draw.random() < 0.7 else other)]
        draw.shuffle(words)
        yield {"name": f"row-{index}", "text": " ".join(words), "label": gold}


def _write(place: Path, number: int, options: Any) -> None:
    """The table, the recipe and, for ``labels_file``, a label for every row in another order."""
    file = place / f"rows.{options.format}"
    made = rows(number + SPARE)
    if options.format == "parquet":
        schema = pa.schema([("name", pa.string()), ("text", pa.string()), ("label", pa.int64())])
        with pq.ParquetWriter(file, schema) as writer:
            while batch := [row for _, row in zip(range(50_000), made, strict=False)]:
                writer.write_table(pa.Table.from_pylist(batch, schema))
    else:
        with file.open("w", newline="", encoding="utf-8") as out:
            if options.format == "csv":
                table = csv.DictWriter(out, ["name", "text", "label"])
                table.writeheader()
                table.writerows(made)
            else:
                out.writelines(json.dumps(row) + "\n" for row in made)
    if options.supervisor == "labels_file":
        draw = random.Random(1)
        with (place / "labels.jsonl").open("w", encoding="utf-8") as out:
            for index in reversed(range(number + SPARE)):
                p = round(draw.random(), 4)
                out.write(json.dumps({"id": f"row-{index}", "soft_label": [1 - p, p]}) + "\n")
    recipe = RECIPE.format(
        rows=file.name, number=number, supervisor=SUPERVISORS[options.supervisor]
    )
    (place / "recipe.yaml").write_text(recipe, encoding="utf-8")


def _measure(place: Path, number: int, executor: str) -> Measured:
    command = [sys.executable, "-m", "w2s_toolkit", "run", "recipe.yaml", "-q"]
    command += ["--executor", executor, "--store", "store", "--runs", "runs"]
    path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=place, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL
    )
    coordinator = workers = together = 0
    while process.poll() is None:
        pids = [process.pid, *_children(process.pid)]
        sizes, peaks = [_resident(p) for p in pids], [_peak(p) for p in pids]
        together = max(together, sum(sizes))
        coordinator = max(coordinator, sizes[0], peaks[0])
        workers = max(workers, *sizes[1:], *peaks[1:], 0)
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"the run of {number} rows ended with exit code {process.returncode}")
    usage = json.loads(next(place.glob("runs/*/usage.json")).read_text(encoding="utf-8"))
    return Measured(number, usage["ran"], seconds, coordinator, workers, together)


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 when it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _peak(pid: int) -> int:
    """The largest resident memory a process ever had, in bytes; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 if sizes else 0


def _print_json(run: Measured) -> None:
    print(json.dumps(run._asdict()), flush=True)


def _print(run: Measured) -> None:
    mib = 2**20
    print(
        f"\n{run.rows} rows: {run.seconds:.1f} s, {run.rows / run.seconds:.0f} rows/s; "
        f"largest resident memory: coordinator {run.coordinator / mib:.0f} MiB, "
        f"workers {run.workers / mib:.0f} MiB, together {run.together / mib:.0f} MiB"
    )
    for stage, seconds in run.stages.items():
        print(f"  {stage:<44} {seconds:>7.1f} s")
    print(f"  {'everything else':<44} {run.seconds - sum(run.stages.values()):>7.1f} s", flush=True)


if __name__ == "__main__":
    main()
