"""A row as prompts and judges see it: texts, choices in an order, names. Nothing here has gold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from w2s_oversight.config import Answers
from w2s_toolkit.data import Dataset, Example

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Case:
    """One row, without gold.

    Attributes:
        id, prompt, choices: of the row.
        question: of the task.
        text: what is argued about, see ``text`` of the config.
        passage: background that debaters and assistants read, and the judge does not.
        evidence: of protocols that went before, as it stands in the row.
    """

    id: str
    prompt: str
    choices: tuple[str, ...]
    question: str
    text: str
    passage: str = ""
    evidence: str | None = None

    @property
    def source(self) -> str:
        """What quotes are checked against."""
        return f"{self.text}\n{self.passage}" if self.passage else self.text

    def fields(self) -> dict[str, str]:
        """Values for prompts. Choices are not among them."""
        return {
            "prompt": self.prompt,
            "question": self.question,
            "text": self.text,
            "passage": self.passage,
        }


def cases_of(
    data: Dataset | Iterable[Example],
    question: str,
    pattern: str | None,
    passage: str | None = None,
) -> list[Case]:
    """Rows as cases; whatever gold a row has is left behind."""
    expression = re.compile(pattern, re.DOTALL) if pattern else None
    made = []
    for row in data:
        found = expression.search(row.prompt) if expression else None
        text = (found[1] or "") if found else row.prompt
        more = str(row.meta.get(passage) or "") if passage else ""
        made.append(Case(row.id, row.prompt, row.choices, question, text, more, row.evidence))
    return made


def with_evidence(case: Case, evidence: str) -> Case:
    """The case with other evidence."""
    return replace(case, evidence=evidence)


def labels(answers: Answers, choices: Sequence[str], order: Sequence[int]) -> list[str]:
    """What a judge is to answer for each place of ``order``: choices by their index."""
    if answers == "letter":
        return [LETTERS[place] if place < 26 else str(place + 1) for place in range(len(order))]
    if isinstance(answers, Mapping):
        return [answers.get(choices[index], choices[index]) for index in order]
    return [choices[index] for index in order]


def listed(answers: Answers, choices: Sequence[str], order: Sequence[int]) -> str:
    """The choices in an order, one a line, each with its label where that is another text."""
    names = labels(answers, choices, order)
    lines = [
        f"{name}: {choices[index]}" if name != choices[index] else name
        for name, index in zip(names, order, strict=True)
    ]
    return "\n".join(lines)
