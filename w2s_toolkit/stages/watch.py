"""Looks at a student while it learns: what the report draws as training curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.whole import write_whole

CURVE = "curve.json"


class GoldWatch:
    """See :class:`~w2s_toolkit.contracts.Watch`. The student sees neither gold nor what comes of it.

    Args:
        data: the split, with gold.
        weak: the supervisor's labels on it.
        points: looks in all.
        file: where they are kept, so that a training that was killed goes on with them.
    """

    def __init__(self, data: Dataset, weak: LabelSet, points: int, file: Path) -> None:
        self.data = data.blind()
        self._gold = _answers_of(LabelSet.of_gold(data))
        weak = weak.align(data)
        self._weak, self._given = _answers_of(weak), ~weak.abstain
        self._groups = len(set(data.groups)) or len(data)
        self._points, self._file = points, file
        self._looks = _read(file)

    def due(self, step: int, total: int) -> bool:
        """See :meth:`Watch.due`."""
        looks = min(self._points, total)
        return step * looks // total > (step - 1) * looks // total

    def record(self, step: int, total: int, labels: LabelSet) -> None:
        """See :meth:`Watch.record`."""
        labels = labels.align(self.data)
        said, given = _answers_of(labels), self._given
        right, alike = (
            (said == self._gold) & ~labels.abstain,
            (said == self._weak) & ~labels.abstain,
        )
        wrong = given & (self._weak != self._gold)
        self._looks[step] = {
            "step": step,
            "part": step / total,
            "accuracy": _share(right),
            "agreement": _share(alike[given]),
            "agreement_weak_wrong": _share(alike[wrong]),
            "weak_accuracy": _share((self._weak == self._gold)[given]),
            "n": len(said),
            "n_weak_wrong": int(wrong.sum()),
            "groups": self._groups,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, self.text.encode())

    @property
    def text(self) -> str:
        """All looks in the order of their steps, as JSON."""
        looks = [self._looks[step] for step in sorted(self._looks)]
        return json.dumps(looks, indent=1, sort_keys=True) + "\n"


def _answers_of(labels: LabelSet) -> npt.NDArray[np.object_]:
    texts = labels.texts if labels.texts is not None else map(str, labels.predicted.tolist())
    return np.array([*texts, ""], dtype=object)[:-1]  # never a number or an array of another kind


def _share(flags: npt.NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _read(file: Path) -> dict[int, dict[str, Any]]:
    try:
        return {int(look["step"]): look for look in json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
