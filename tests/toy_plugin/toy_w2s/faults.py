"""Kills the process at a chosen point, as a crash would: from an audit hook, in mid-operation.

``TOY_KILL=KIND|EVENT|PATTERN|N`` sends SIGKILL to this process at the N-th audit event named EVENT
(``*``: any) whose arguments match PATTERN while a stage of KIND runs (``*``: any time).
``TOY_COUNT=FILE`` writes how many events each kind of stage raises.
"""

import atexit
import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

_state = {"kind": ""}
_counts: Counter[str] = Counter()


def now_in(kind):
    _state["kind"] = kind


def install():
    spec, file = os.environ.get("TOY_KILL"), os.environ.get("TOY_COUNT")
    if file:
        sys.addaudithook(_count)
        atexit.register(_write, file)
    if spec:
        kind, event, pattern, number = spec.split("|")
        sys.addaudithook(_killer(kind, event, re.compile(pattern), int(number)))


def _count(event, args):
    _counts[_state["kind"]] += 1


def _write(file):
    Path(file).write_text(json.dumps(dict(_counts)))


def _killer(kind, wanted, pattern, number):
    left = number

    def hook(event, args):
        nonlocal left
        if kind not in ("*", _state["kind"]) or wanted not in ("*", event):
            return
        if pattern.pattern and not pattern.search(" ".join(map(str, args[:2]))):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook
