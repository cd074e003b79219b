"""From label sets to what evaluators count: predictions, hits and groups, row by row."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_toolkit import arrow
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet
from w2s_toolkit.errors import DataError

IntArray = npt.NDArray[np.int64]


class Answers(NamedTuple):
    """One role's answers on n rows.

    Attributes:
        predicted: (n,) most probable class, the first one on a tie; for generated answers a number
            that equal answers share.
        right: (n,) whether it is the gold class, or the gold answer.
        given: (n,) whether there is an answer at all; the rest of a row counts only where it is.
        probs: (n, K) probabilities, rows summing to one exactly where given; (n, 0) for generated
            answers.
    """

    predicted: IntArray
    right: BoolArray
    given: BoolArray
    probs: FloatArray


def why_not(data: Dataset) -> str:
    """Why measures of classification do not apply to this data; empty when they do."""
    if data.info.kind == "generation":
        return "not defined for generated text"
    return nothing_there(data)


def nothing_there(data: Dataset) -> str:
    """Why nothing at all can be measured on this data; empty when something can."""
    return "" if len(data) else "there are no rows"


def answers(labels: LabelSet, data: Dataset) -> Answers:
    """Answers in the row order of ``data``, joined by id.

    Raises:
        AlignmentError: the ids differ.
        DataError: the data is blind, or a gold class has no probability.
    """
    labels = labels.align(data)
    if data.info.kind == "generation":
        return _texts(labels, data)
    gold = data.gold
    classes = labels.probs.shape[1]
    if gold.size and (gold.min() < 0 or gold.max() >= classes):
        raise DataError(
            f"a gold label is class {gold.max() if gold.min() >= 0 else gold.min()}, "
            f"but the predictions have {classes} classes",
            where=data.name,
            next_step="check that the model was trained for the classes of this task",
        )
    given = ~labels.abstain
    probs = np.where(given[:, None], labels.probs, 1.0 / classes)
    predicted = np.asarray(probs.argmax(1), dtype=np.int64)
    return Answers(predicted, predicted == gold, given, probs / probs.sum(1, keepdims=True))


def _texts(labels: LabelSet, data: Dataset) -> Answers:
    if labels.texts is None:
        raise DataError(
            "there are no generated answers to compare with gold",
            where=data.name,
            next_step="use a supervisor and a student that generate, such as sft",
        )
    said = np.array([text_code(text) for text in labels.texts], dtype=np.int64)
    gold = np.array([text_code(text) for text in data.gold_texts], dtype=np.int64)
    return Answers(said, said == gold, ~labels.abstain, labels.probs)


def text_code(text: str) -> int:
    """A number that answers share when they are equal but for case, punctuation and spacing.

    Signs that are no punctuation count, such as those of arithmetic, and so does all of an answer of
    which nothing would be left.

    The normal form of SQuAD's exact match (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1),
    which also leaves out English articles, hashed to 64 bits.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c for c in plain if unicodedata.category(c)[0] != "P").split()
    kept = [w for w in words if w not in ("a", "an", "the")] or words or plain.split()
    digest = hashlib.blake2b(" ".join(kept).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little", signed=True)


def abstained(given: BoolArray) -> str:
    """A remark on rows that are not scored; empty when there are none."""
    left_out = int((~given).sum())
    return f"{left_out} of {len(given)} rows have no answer and are not scored" if left_out else ""


def same_items(seeds: Sequence[Observation]) -> tuple[list[Observation], bool]:
    """The seeds with their rows in one order, and whether all were scored on the same ids.

    Items can be resampled together only when the ids are the same; otherwise the seeds are
    returned as they are.
    """
    first = seeds[0].data
    if any(not _same_ids(first, s.data) for s in seeds[1:]):
        return list(seeds), False
    return [Observation(s.seed, first, s.subject, s.references) for s in seeds], True


def _same_ids(one: Dataset, other: Dataset) -> bool:
    if len(one) != len(other):
        return False
    return bool((arrow.positions(one.ids.arrow, other.ids.arrow) >= 0).all())


RESAMPLED_APART = "rows differ between seeds, so they are resampled within each seed"


def join_remarks(*remarks: str) -> str:
    """One text of several remarks, each said once."""
    return "; ".join(dict.fromkeys(r for r in remarks if r))
