"""What members say, as arrays, and references to members as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from w2s_toolkit.contracts import MemberFactory
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef
from w2s_toolkit.errors import AlignmentError, DataError


class Said(NamedTuple):
    """What m members say of n rows, in the order of the data.

    Attributes:
        probs: (m, n, K) probabilities.
        abstain: (m, n) where a member has no say.
        classes: K class names; empty where each row has choices of its own.
        weight: (m, n) how much each answer counts in training.
    """

    probs: FloatArray
    abstain: BoolArray
    classes: tuple[str, ...]
    weight: FloatArray

    def first(self, size: int) -> Said:
        """The same of the first ``size`` members."""
        return Said(self.probs[:size], self.abstain[:size], self.classes, self.weight[:size])

    def together(self) -> FloatArray:
        """(n,) mean weight of the members that have a say; 1 where none has."""
        said = ~self.abstain
        number = said.sum(0)
        total = np.where(said, self.weight, 0.0).sum(0)
        return np.asarray(np.where(number > 0, total / np.maximum(number, 1), 1.0))


def gather(
    members: MemberFactory,
    refs: Sequence[ModelRef],
    data: Dataset,
    classes: tuple[str, ...] = (),
) -> Said:
    """Ask all members about all rows, at once.

    Args:
        members: whom to ask.
        refs: at least one member.
        data: about which rows.
        classes: order of the columns; by default that of the data or of the first member.

    Raises:
        AlignmentError: members have different classes, or not one answer a row.
        DataError: members answer in texts.
    """
    labels = members.predict_all(refs, data)
    wanted = classes or data.info.classes or labels[0].classes
    number = len(wanted) or labels[0].probs.shape[1]
    if len(data) and not number:
        raise DataError(
            "members that answer in texts have no class probabilities to combine",
            where=data.name,
            next_step="use an ensembler for a task with classes",
        )
    parts = [
        _in_order(one, data, wanted, number, f"member {index}") for index, one in enumerate(labels)
    ]
    probs = np.stack([part.probs for part in parts])
    abstain, weight = np.stack([p.abstain for p in parts]), np.stack([p.weight for p in parts])
    return Said(probs, abstain, wanted, weight)


def to_json(refs: Iterable[ModelRef]) -> list[Any]:
    """References as JSON, the same after they were written and read."""
    return [ref.to_json() for ref in refs]


def from_json(details: Mapping[str, Any]) -> list[ModelRef]:
    """The kept members of an ensemble: the first ``size`` of ``members``."""
    return [ModelRef.from_json(raw) for raw in details["members"][: details["size"]]]


def _in_order(
    labels: LabelSet, data: Dataset, wanted: tuple[str, ...], number: int, who: str
) -> LabelSet:
    own = labels.classes or wanted
    if labels.texts is not None:
        raise AlignmentError(
            f"{who} of the ensemble answers in texts, which have no class probabilities to combine",
            where=data.name,
            next_step="use supervisors that answer in classes, such as finetuned",
        )
    if sorted(own) != sorted(wanted) or (len(data) and labels.probs.shape[1] != number):
        raise AlignmentError(
            f"{who} of the ensemble answers with the classes {list(own)} "
            f"({labels.probs.shape[1]} columns), the ensemble with {list(wanted)} ({number})",
            where=data.name,
            next_step="train all members for the same classes",
        )
    aligned = labels.align(data)
    columns = [(aligned.classes or wanted).index(name) for name in wanted]
    if not wanted or columns == list(range(number)):
        return aligned
    return replace(aligned, probs=aligned.probs[:, columns], classes=wanted)
