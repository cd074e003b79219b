"""Mutated recipes end in a valid plan or in a clear error, and touch nothing on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz_recipes.py")
COUNT = int(os.environ.get("W2S_FUZZ_COUNT", "1000"))


@pytest.mark.slow(seconds=31)
def test_mutated_recipes_give_a_plan_or_a_clear_error() -> None:
    """Torch, the network and files outside the working folder are watched by the script itself."""
    half = COUNT // 2
    parts = [
        subprocess.Popen(
            [sys.executable, str(FUZZ), "--seed", "0", "--first", str(first), "--count", str(half)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, half)
    ]
    ends = [part.communicate(timeout=280) for part in parts]
    reports = [json.loads(out) if out else {"stderr": err} for out, err in ends]
    for report in reports:
        assert not report.get("stderr"), report["stderr"]
        assert not report["faults"], "\n\n".join(report["faults"])
        assert not report["heavy"] and not report["forbidden"], report
    total = {k: sum(r["counts"].get(k, 0) for r in reports) for k in ("valid", "error")}
    assert sum(total.values()) == 2 * half
    # The mutations must neither break every recipe nor leave every recipe as it was.
    assert min(total.values()) > COUNT // 20, total


def test_the_watch_sees_what_is_forbidden() -> None:
    """Without this the test above could not fail for a socket, a heavy import or a stray file."""
    code = (
        "import sys; sys.path.insert(0, {folder!r}); import fuzz_recipes as f, socket\n"
        "from pathlib import Path\n"
        "w = f.Watch(Path('.'))\n"
        "Path('inside').write_text('')\n"
        "assert not w.seen, w.seen\n"
        "open({outside!r}, 'w').close()\n"
        "try: socket.create_connection(('127.0.0.1', 9), 0.1)\n"
        "except OSError: pass\n"
        "print(sorted(e.split()[0] for e in w.seen))"
    ).format(folder=str(FUZZ.parent), outside=str(Path("..").resolve() / "stray"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert {"open", "socket.connect", "socket.getaddrinfo"} == set(
        json.loads(done.stdout.replace("'", '"'))
    )
