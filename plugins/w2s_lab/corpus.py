"""The corpus: endless streams of documents, each document a function of seed, course and number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from w2s_lab.documents import KINDS_OF_DOCUMENT
from w2s_lab.draws import Draws
from w2s_lab.world import SEED, the_world

ANYTHING: Mapping[str, float] = {name: share for name, (_, share) in KINDS_OF_DOCUMENT.items()}

READINGS: Mapping[str, float] = {
    "reading": 0.25,
    "reading_chat": 0.4,
    "roll": 0.1,
    "retelling": 0.05,
    "whole_retelling": 0.2,
}
"""Documents that are about copying and reading. Whole texts are copied too: a model that has only
copied names fills in the common words of a sentence by habit."""

TEXTS: Mapping[str, float] = {"review": 0.5, "report": 0.3, "reading_chat": 0.2}
"""Reviews and reports, and some reading so that it is not forgotten meanwhile."""

EXERCISES: Mapping[str, float] = {
    **{name: 0.3 * share for name, share in ANYTHING.items()},
    "whole_retelling": 0.2,
    "argument": 0.5,
}


@dataclass(frozen=True)
class Course:
    """A part of what a model reads, with a learning rate that rises and falls anew.

    Attributes:
        name: of the stream of documents.
        shares: share of each kind of document.
        tokens: how much of it is read, as a share of all.
        lr: highest learning rate, as a share of the model's.
    """

    name: str
    shares: Mapping[str, float]
    tokens: float
    lr: float


COURSES: Mapping[str, Course] = {
    course.name: course
    for course in (
        Course("readings", READINGS, 0.15, 1.0),
        Course("texts", TEXTS, 0.15, 0.35),
        Course("corpus", ANYTHING, 0.6, 0.35),
        Course("exercises", EXERCISES, 0.1, 0.2),
    )
}
"""What is read, in this order.

Looking things up in a text is learnt first: a model that can do it does so ever after; where such
documents came only among others, it depended on chance whether a model of this size found it worth
while. What drives the wording of a text is learnt next, from texts nearly alone and at a lower rate:
after a million tokens of them a model of a million parameters tells good words from bad ones, rare
ones too; it had not done so after ten million tokens in which they were a quarter of all documents,
nor at the higher rate. Quoting word for word takes practice at the end."""


def document(course: str, number: int, seed: int = SEED) -> str:
    """The document of this number in a course."""
    draw = Draws(course, seed, number)
    shares = COURSES[course].shares
    name = draw.weighted(list(shares), list(shares.values()))
    return KINDS_OF_DOCUMENT[name][0](the_world(seed), draw)


def documents(course: str, seed: int = SEED, start: int = 0) -> Iterator[str]:
    """All documents of a course from ``start`` on."""
    return (document(course, number, seed) for number in count(start))


def digest(course: str, many: int, seed: int = SEED) -> str:
    """SHA-256 over the first ``many`` documents of a course."""
    total = hashlib.sha256()
    for number in range(many):
        total.update(document(course, number, seed).encode() + b"\n")
    return total.hexdigest()
