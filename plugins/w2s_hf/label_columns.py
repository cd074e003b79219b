"""Which columns of a labels file hold ids, texts and labels, and how rows become numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from w2s_hf.config import LabelsFileConfig
from w2s_toolkit.data import FloatArray
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import FileRow

ID_COLUMNS = ("id", "example_id")
TEXT_COLUMNS = ("text", "txt", "prompt")
PROBS_COLUMNS = ("soft_label", "probs")

Reader: TypeAlias = Callable[[Sequence[FileRow]], FloatArray]


@dataclass(frozen=True)
class Columns:
    """Where things are: column names, and a function from n rows to probabilities (n, K)."""

    id: str | None
    text: str | None
    probs: Reader


def find_columns(
    config: LabelsFileConfig, names: Sequence[str], classes: Sequence[str], file: str
) -> Columns:
    """The columns of a file, as the config names them or by their usual names.

    A column called ``label`` is never taken by itself: beside soft labels it is usually gold.

    Raises:
        DataError: a named column is missing, or there are none or several that would do.
    """
    wanted = [config.id_column, config.text_column, config.probs_column, config.label_column]
    for name in [*wanted, *(config.probs_columns or [])]:
        if name is not None and name not in names:
            raise DataError(
                f"there is no column {name!r}; the file has {_listed(names)}",
                where=file,
                next_step="name one of these in the settings of labels_file",
            )
    id_column = config.id_column or _first(ID_COLUMNS, names)
    text_column = config.text_column or _only(TEXT_COLUMNS, names, "text_column", file)
    return Columns(
        None if config.match == "text" else id_column,
        None if config.match == "id" else text_column,
        _probs_reader(config, names, classes, file),
    )


def _probs_reader(
    config: LabelsFileConfig, names: Sequence[str], classes: Sequence[str], file: str
) -> Reader:
    order = _class_order(config, classes, file)
    if config.label_column is not None:
        column, theirs = config.label_column, config.classes or classes
        return lambda rows: np.eye(len(theirs))[[_class(r, column, theirs) for r in rows]][:, order]
    if config.probs_columns is not None:
        several = config.probs_columns
        _same_number(len(several), classes, f"{file}: probs_columns")
        return lambda rows: _numbers(rows, _cells(rows, several), classes)[:, order]
    numbered = [name for name in names if name[:1] == "p" and name[1:].isdigit()]
    lists = [name for name in PROBS_COLUMNS if name in names]
    if config.probs_column is None and (len(lists) > 1 or (lists and numbered)):
        raise DataError(
            f"several columns could hold the labels: {_listed([*lists, *numbered])}",
            where=file,
            next_step="name the right one in probs_column (or probs_columns)",
        )
    single = config.probs_column or (lists[0] if lists else None)
    if single is not None:
        return lambda rows: _numbers(rows, [_list(r, single) for r in rows], classes)[:, order]
    if numbered:
        numbered.sort(key=lambda name: int(name[1:]))
        _same_number(len(numbered), classes, f"{file}: {_listed(numbered)}")
        return lambda rows: _numbers(rows, _cells(rows, numbered), classes)[:, order]
    raise DataError(
        f"no column with soft labels was found; the file has {_listed(names)}",
        where=file,
        next_step="name it in probs_column or probs_columns, or name a column of hard weak labels "
        "in label_column (make sure that it is not gold)",
    )


def _class_order(config: LabelsFileConfig, classes: Sequence[str], file: str) -> list[int]:
    """Positions in the file's class order of the task's classes."""
    if config.classes is None:
        return list(range(len(classes)))
    if sorted(config.classes) != sorted(classes):
        raise DataError(
            f"the file's classes are given as {config.classes}, the task has {list(classes)}",
            where=file,
            next_step="set classes to the task's names in the file's order",
        )
    return [config.classes.index(c) for c in classes]


def _list(row: FileRow, column: str) -> Any:
    value = row.values.get(column)
    if isinstance(value, str):  # a CSV field such as "[0.2, 0.8]"
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, list):
        raise DataError(
            f"column {column!r} does not hold a list of probabilities",
            where=row.where,
            next_step="write a list such as [0.2, 0.8], or name another column in probs_column",
        )
    return value


def _cells(rows: Sequence[FileRow], columns: Sequence[str]) -> list[list[Any]]:
    return [[row.values.get(column) for column in columns] for row in rows]


def _numbers(
    rows: Sequence[FileRow], values: Sequence[Sequence[Any]], classes: Sequence[str]
) -> FloatArray:
    """Probabilities (n, K) of n rows, made to sum to one."""
    probs = _plain_numbers(values, len(classes))
    if probs is not None:
        total = probs.sum(axis=1)
        if np.isfinite(probs).all() and probs.min() >= 0 and not _off(total).any():
            return np.asarray(probs / total[:, None])
    # One at a time, to find the row that is wrong and what is wrong with it.
    each = [_row_numbers(row, one, classes) for row, one in zip(rows, values, strict=True)]
    return np.stack(each)


def _plain_numbers(values: Sequence[Sequence[Any]], classes: int) -> FloatArray | None:
    """All values at once, (n, K), where that is plain to do."""
    flat = [value for one in values for value in one]
    if {len(one) for one in values} != {classes} or not set(map(type, flat)) <= {float, int, str}:
        return None
    try:
        return np.array(list(map(float, flat))).reshape(-1, classes)
    except (ValueError, OverflowError):
        return None


def _off(total: Any) -> Any:
    # Labels kept as 16-bit floats sum to 0.998 to 1.002; anything further off is something else.
    return np.abs(total - 1) > 0.01


def _row_numbers(row: FileRow, values: Sequence[Any], classes: Sequence[str]) -> FloatArray:
    _same_number(len(values), classes, row.where)
    try:
        probs = np.asarray([_number(v) for v in values], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"{list(values)} are not numbers",
            where=row.where,
            next_step="write one probability a class; leave rows without a label out of the file",
        ) from None
    if not np.all(np.isfinite(probs)) or probs.min() < 0:
        raise DataError(
            f"{list(values)} are not probabilities",
            where=row.where,
            next_step="leave rows without a label out of the file",
        )
    total = float(probs.sum())
    if _off(total):
        raise DataError(
            f"the probabilities {list(values)} sum to {total:.4g}, not to one",
            where=row.where,
            next_step="check which columns hold the probabilities",
        )
    return np.asarray(probs / total)


def _number(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        raise TypeError(value)
    return float(value)


def _class(row: FileRow, column: str, classes: Sequence[str]) -> int:
    value = row.values.get(column)
    if isinstance(value, str) and value in classes:
        return list(classes).index(value)
    index = _index(value)
    if not 0 <= index < len(classes):
        raise DataError(
            f"label {value!r} is neither one of {list(classes)} nor an index of them",
            where=row.where,
            next_step="write a class name or its index; leave rows without a label out of the file",
        )
    return index


def _index(value: Any) -> int:
    """A whole number given as a number or as text; −1 for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return -1
    return int(number) if math.isfinite(number) and number == int(number) else -1


def _same_number(number: int, classes: Sequence[str], where: str) -> None:
    if number != len(classes):
        raise DataError(
            f"there are {number} probabilities for {len(classes)} classes {list(classes)}",
            where=where,
            next_step="write one probability a class, in the order of the task's choices",
        )


def _first(usual: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in usual if name in names), None)


def _only(usual: Sequence[str], names: Sequence[str], setting: str, file: str) -> str | None:
    found = [name for name in usual if name in names]
    if len(found) > 1:
        raise DataError(
            f"several columns could hold the texts: {_listed(found)}",
            where=file,
            next_step=f"name the right one in {setting}",
        )
    return found[0] if found else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "no columns"
