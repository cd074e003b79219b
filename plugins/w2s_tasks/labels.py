"""From the value of a label column to a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_tasks.columns import Record, did_you_mean, shown
from w2s_toolkit.errors import DataError

_WORDS = {"false": 0, "true": 1}


class LabelReader:
    """Reads a class index from a code (0 … K-1), a class name, true or false, or by a map.

    Args:
        column: the label column.
        choices: class names in order.
        label_map: value -> class name; other values are then errors.
    """

    def __init__(
        self,
        column: str,
        choices: tuple[str, ...],
        label_map: Mapping[str | int | bool, str] | None = None,
    ) -> None:
        self._column = column
        self._choices = choices
        if label_map is None:
            self._classes = {spelling(name): k for k, name in enumerate(choices)}
            self._classes |= {str(k): k for k in range(len(choices))}
            self._classes = _with_words(self._classes, choices)
        else:
            self._classes = {spelling(raw): choices.index(n) for raw, n in label_map.items()}

    def read(self, record: Record) -> int:
        """The class index.

        Raises:
            DataError: the column is missing or its value is no label.
        """
        value = record.get(self._column)
        found = self._classes.get(spelling(value)) if _scalar(value) else None
        if found is None:
            raise DataError(
                f"column {self._column!r} holds {shown(value)}, which is not a label"
                f"{did_you_mean(str(value), self._classes)}",
                where=record.where,
                next_step=f"labels are {_some(self._classes)}; `label_map` translates others",
            )
        return found


def spelling(value: Any) -> str:
    """One spelling for values that mean the same in JSON, CSV and YAML: 1, 1.0 and "1"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return text.lower() if text.lower() in _WORDS else text


def _some(labels: Mapping[str, int]) -> str:
    names = list(labels)
    return ", ".join(map(repr, names[:12])) + (" …" if len(names) > 12 else "")


def _scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _with_words(classes: dict[str, int], choices: tuple[str, ...]) -> dict[str, int]:
    """Adds true and false for two classes, unless their names would then be turned round."""
    named = [choice.strip().lower() for choice in choices]
    if len(choices) == 2 and named[0] not in ("yes", "true") and named[1] not in ("no", "false"):
        return {**classes, **_WORDS}
    return {**classes, **{name: k for k, name in enumerate(named) if name in _WORDS}}
