"""Data in the page: JSON, compressed, as base64, which no text in it can break out of."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from w2s_toolkit.report.examples import Browser

MOST_BYTES = 12_000_000
"""Of packed data in one page: with all else, a page stays under 15 MB."""

TALK_BYTES = 4_000_000
"""Of it, for transcripts."""

LONGEST = 4000
"""Characters of a text that are kept where there is room."""


def packed(browser: Browser) -> tuple[str, str, list[str]]:
    """Examples and transcripts as base64, and what had to be left out for their size.

    Texts are cut, all to the same length, and transcripts left out, those of rows with odd verdicts
    last, until both fit.
    """
    notes = [*browser.notes, *browser.talks.notes]
    talks, kept, every = _talks(browser)
    if kept < every:
        notes.append(
            f"Transcripts of {kept} of {every} examples are shown, flipped and unscored ones first; "
            "transcripts.jsonl of the stages holds all."
        )
    most, room = LONGEST, MOST_BYTES - len(talks)
    examples = _pack(_examples(browser, most))
    while len(examples) > room and most > 60:
        # Compression hardly depends on the cut, so that this takes a step or two.
        most = max(60, min(most * 4 // 5, _shorter(browser, most, room / len(examples))))
        examples = _pack(_examples(browser, most))
    if any(len(text) > most for text in browser.texts.values):
        notes.append(f"Texts of more than {most} characters are cut.")
    return examples, talks, notes


def _shorter(browser: Browser, most: int, part: float) -> int:
    """A length that leaves about this part of all characters."""
    wanted = browser.texts.size(most) * part * 0.95
    low, high = 60, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if browser.texts.size(middle) <= wanted else (low, middle)
    return low


def _examples(browser: Browser, most: int) -> dict[str, Any]:
    return {
        "kind": browser.kind,
        "classes": browser.classes,
        "texts": browser.texts.cut(most),
        "ids": browser.ids,
        "prompts": browser.prompts,
        "choices": browser.choices if any(browser.choices) else [],
        "groups": browser.groups,
        "columns": browser.answers.columns,
        "views": browser.views,
        # What filters need, without unpacking what was said.
        "talks": [
            {
                "stage": stage["stage"],
                "protocol": stage["protocol"],
                "turns": _numbers(browser, stage["turns"]),
                "flipped": _numbers(browser, _where(stage["verdicts"], "flipped", True)),
                "unscored": _numbers(browser, _where(stage["verdicts"], "status", "unscored")),
            }
            for stage in browser.talks.stages
        ],
    }


def _where(verdicts: dict[str, Any], name: str, value: Any) -> list[str]:
    return [i for i, verdict in verdicts.items() if verdict[name] == value]


def _numbers(browser: Browser, ids: Any) -> list[int]:
    wanted = set(ids)
    return [n for n, i in enumerate(browser.ids) if i in wanted]


def _talks(browser: Browser) -> tuple[str, int, int]:
    """Transcripts as base64, of how many examples, and of how many there are any."""
    stages = browser.talks.stages
    if not stages:
        return "", 0, 0
    odd = {
        i
        for stage in stages
        for i, v in stage["verdicts"].items()
        if v["flipped"] or v["status"] != "ok"
    }
    talked = [i for i in browser.ids if any(i in s["turns"] or i in s["verdicts"] for s in stages)]
    order = [i for i in talked if i in odd] + [i for i in talked if i not in odd]
    number = {i: n for n, i in enumerate(browser.ids)}

    def some(count: int) -> str:
        kept = order[:count]
        return _pack(
            [
                {
                    part: {str(number[i]): stage[part][i] for i in kept if i in stage[part]}
                    for part in ("turns", "verdicts")
                }
                for stage in stages
            ]
        )

    count = len(order)
    text = some(count)
    while len(text) > TALK_BYTES and count > 1:
        # Never less than half at once: a few compress worse than many.
        count = max(count // 2, min(count - 1, int(count * TALK_BYTES / len(text) * 0.95)))
        text = some(count)
    return text, count, len(order)


def _pack(value: Any) -> str:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(plain.encode("utf-8", "replace"), 9)).decode()
