"""The corpus: endless streams of documents, each document a function of seed, course and number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from w2s_lab.chat import OPEN_QUOTE
from w2s_lab.documents import KINDS_OF_DOCUMENT
from w2s_lab.draws import Draws
from w2s_lab.world import SEED, the_world

ANYTHING: Mapping[str, float] = {name: share for name, (_, share) in KINDS_OF_DOCUMENT.items()}

TEXTS: Mapping[str, float] = {"review": 0.6, "report": 0.4}

LESSONS: Mapping[str, float] = {
    "review": 0.3,
    "report": 0.2,
    "reading": 0.15,
    "reading_chat": 0.2,
    "roll": 0.08,
    "whole_retelling": 0.07,
}
"""Texts go on, so that they are not forgotten; the others are about copying and reading. Whole texts
are copied too: a model that has only copied names fills in the common words of a sentence by habit."""

EXERCISES: Mapping[str, float] = {
    **{name: 0.3 * share for name, share in ANYTHING.items()},
    "whole_retelling": 0.2,
    "argument": 0.5,
}

DRILLS: Mapping[str, float] = {
    **{name: 0.25 * share for name, share in ANYTHING.items()},
    "whole_retelling": 0.15,
    "argument": 0.6,
}


@dataclass(frozen=True)
class Course:
    """A part of what a model reads, with a learning rate that rises and falls anew.

    Attributes:
        name: of the stream of documents.
        shares: share of each kind of document.
        tokens: how much of it is read, as a share of the model's; together 1.1.
        lr: highest learning rate, as a share of the model's.
        replies: of conversations, only what the assistant says counts in the loss.
        spaced: quotes begin with the space that stands before them in the text.
    """

    name: str
    shares: Mapping[str, float]
    tokens: float
    lr: float
    replies: bool = False
    spaced: bool = False


COURSES: Mapping[str, Course] = {
    course.name: course
    for course in (
        Course("texts", TEXTS, 0.12, 0.35),
        Course("lessons", LESSONS, 0.40, 0.5),
        Course("corpus", ANYTHING, 0.36, 0.45),
        Course("exercises", EXERCISES, 0.12, 0.3),
        Course("drills", DRILLS, 0.10, 0.4, replies=True, spaced=True),
    )
}
"""What is read, in this order.

What drives the wording of a text is learnt first, from texts alone and at a low rate: after a million
tokens of them a model of a million parameters tells good words from bad ones, rare ones too. It had not
done so after ten million tokens in which they were a quarter of all documents, nor at a higher rate,
nor when it had learnt to copy before. Looking things up in a text comes next, and has to be the greater
part of what is read for some millions of tokens, or it depends on chance whether a model of this size
finds it worth while. Quoting word for word takes practice at the end. After exercises a sixth of the quotes still has a common
word in place of the text's, such as one relative for another; more of the same changes nothing, as most
of the loss comes from texts, which cannot be foreseen, and a quote's first token is not the text's where
it lacks the space. In drills only replies count, and quotes begin with that space."""


def document(course: str, number: int, seed: int = SEED) -> str:
    """The document of this number in a course."""
    draw = Draws(course, seed, number)
    shares = COURSES[course].shares
    name = draw.weighted(list(shares), list(shares.values()))
    text = KINDS_OF_DOCUMENT[name][0](the_world(seed), draw)
    return text.replace(OPEN_QUOTE, f"{OPEN_QUOTE} ") if COURSES[course].spaced else text


def documents(course: str, seed: int = SEED, start: int = 0) -> Iterator[str]:
    """All documents of a course from ``start`` on."""
    return (document(course, number, seed) for number in count(start))


def digest(course: str, many: int, seed: int = SEED) -> str:
    """SHA-256 over the first ``many`` documents of a course."""
    total = hashlib.sha256()
    for number in range(many):
        total.update(document(course, number, seed).encode() + b"\n")
    return total.hexdigest()
