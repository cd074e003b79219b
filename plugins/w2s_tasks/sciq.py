"""SciQ: science exam questions with one right answer and three distractors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable

from w2s_tasks.columns import Record
from w2s_tasks.config import SciqConfig
from w2s_tasks.files import usual_feeds
from w2s_tasks.sources import Remarks, open_hub_set, rows_of
from w2s_toolkit.contracts import Context, Row, TaskData
from w2s_toolkit.data import TaskInfo

CLASSES = ("no", "yes")
_JUDGED = "Is this answer to the question correct?"
_DISTRACTORS = ("distractor1", "distractor2", "distractor3")
_REMARKS = {
    "no_distractor": "have no distractor that differs from the right answer; they are left out",
    "repeated_option": "do not have four different options; they are left out",
    "no_support": "have no supporting passage; their prompt is the question alone",
}


class Sciq:
    """Science questions, as candidates to be judged, as a choice of four, or to be answered in words.

    ``form: pairs``: each question gives two rows, its right answer (``yes``) and one distractor
    (``no``), so classes are balanced. ``form: choice``: each question gives one row with four
    choices of its own. ``form: write``: each question gives one row whose answer is written. The
    distractor, and the order of choices, follow from a hash of
    ``candidate_seed`` and the texts alone: neither the order of rows nor which distractor stands
    in which column matters. Both rows of a question are in one group.

    Source: Welbl et al. 2017; one of the 22 sets of Burns et al. 2023 (arXiv 2312.09390),
    appendix A.1.
    """

    def __init__(self, config: SciqConfig) -> None:
        self.config = config

    def load(self, ctx: Context) -> TaskData:
        """See :meth:`w2s_toolkit.contracts.Task.load`."""
        found = open_hub_set(self.config)
        make: Callable[[Record, Remarks], Iterable[Row]]
        make, info = {
            "pairs": (self._pair, TaskInfo("classification", CLASSES, _JUDGED)),
            "choice": (self._choice, TaskInfo("classification", (), "Which answer is correct?")),
            "write": (self._write, TaskInfo("generation", (), "What is the answer?")),
        }[self.config.form]
        rows = {name: rows_of(s, ctx, make, _REMARKS) for name, s in found.items()}
        return TaskData(info, rows, usual_feeds(found))

    def _pair(self, record: Record, remarks: Remarks) -> Iterable[Row]:
        question, answer, distractors = _parts(record)
        if not distractors:
            remarks.add("no_distractor")
            return
        stem = self._stem(record, question, remarks)
        wrong = min(distractors, key=lambda text: self._rank(question, text))
        for candidate, gold in ((answer, 1), (wrong, 0)):
            prompt = f"{stem} A: {candidate}"
            yield Row(prompt, CLASSES, gold=gold, group=question, meta={"line": record.line})

    def _choice(self, record: Record, remarks: Remarks) -> Iterable[Row]:
        question, answer, distractors = _parts(record)
        if len(distractors) < len(_DISTRACTORS):
            remarks.add("repeated_option")
            return
        stem = self._stem(record, question, remarks)
        order = sorted((answer, *distractors), key=lambda text: self._rank(question, text))
        gold = order.index(answer)
        yield Row(stem, tuple(order), gold=gold, group=question, meta={"line": record.line})

    def _write(self, record: Record, remarks: Remarks) -> Iterable[Row]:
        question, answer, _ = _parts(record)
        stem = f"{self._stem(record, question, remarks)}\nA:"
        yield Row(stem, gold_text=answer, group=question, meta={"line": record.line})

    def _stem(self, record: Record, question: str, remarks: Remarks) -> str:
        support = record.text("support").strip() if self.config.with_support else ""
        if self.config.with_support and not support:
            remarks.add("no_support")
        return f"{support}\n\nQ: {question}" if support else f"Q: {question}"

    def _rank(self, question: str, text: str) -> bytes:
        """A draw that depends on nothing but the seed and these two texts."""
        payload = json.dumps([self.config.candidate_seed, _normal(question), _normal(text)])
        return hashlib.sha256(payload.encode()).digest()


def _parts(record: Record) -> tuple[str, str, list[str]]:
    """Question, right answer, and the distractors that differ from it and from each other."""
    answer = record.text("correct_answer").strip()
    distractors: dict[str, str] = {}
    for text in sorted(record.text(column).strip() for column in _DISTRACTORS):
        if _normal(text) not in ("", _normal(answer)):
            distractors.setdefault(_normal(text), text)
    return record.text("question").strip(), answer, list(distractors.values())


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
