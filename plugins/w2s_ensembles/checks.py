"""What is refused before any member is asked for."""

from __future__ import annotations

import numpy as np

from w2s_ensembles.curve import Truth
from w2s_ensembles.samples import IntArray
from w2s_toolkit.data import BoolArray, Dataset
from w2s_toolkit.errors import DataError
from w2s_toolkit.groups import group_codes

LEAST = 2
"""Rows of every class that a member has to leave out, for its out-of-bag accuracy to be one."""


def truth_of(data: Dataset) -> Truth:
    """Gold and groups.

    Raises:
        DataError: there are no rows, or no gold classes.
    """
    require_classes(data)
    return Truth(data.gold, group_codes(data))


def require_classes(data: Dataset) -> None:
    """Raise where there are no rows, or answers are no classes.

    Raises:
        DataError: see above.
    """
    require_rows(data)
    if data.info.kind == "generation":
        raise DataError(
            "this ensembler is for tasks with classes, not for generated text",
            where=data.name,
            next_step="use a classification or preference task, or use: writers or token_boosting",
        )


def val_truth(val: Dataset | None, setting: str, where: str) -> Truth:
    """Gold and groups of validation data that a setting asks for.

    Args:
        val: the data, if there is any.
        setting: such as ``size: val``, for the message.
        where: the stage.

    Raises:
        DataError: there is none.
    """
    return truth_of(require_val(val, setting, where))


def require_rows(data: Dataset) -> None:
    """Raise where there is nothing to build on.

    Raises:
        DataError: see above.
    """
    if not len(data):
        raise DataError(
            "an ensemble cannot be built on no rows",
            where=data.name,
            next_step="give the split more rows",
        )


def require_val(val: Dataset | None, setting: str, where: str) -> Dataset:
    """The validation data that a setting asks for; arguments as of :func:`val_truth`.

    Raises:
        DataError: there is none.
    """
    if val is None or not len(val):
        raise DataError(
            f"{setting} is decided on validation data, and the ensembler was given none",
            where=where,
            next_step="name a validation split for it, or choose a setting that does without",
        )
    return val


def require_groups(truth: Truth, least: int, why: str, where: str) -> None:
    """Raise where there are fewer than ``least`` groups.

    Raises:
        DataError: see above.
    """
    _require(truth.groups, least, why, where)


def require_group_count(groups: IntArray, least: int, why: str, data: Dataset) -> None:
    """As :func:`require_groups`, from group numbers (n,) of ``data``."""
    _require(groups, least, why, data.name)


def _require(groups: IntArray, least: int, why: str, where: str) -> None:
    number = int(groups.max(initial=-1)) + 1
    if number < least:
        raise DataError(
            f"{why} needs at least {least} group{'s' * (least != 1)} of rows; there are {number}",
            where=where,
            next_step="give the split rows of more groups"
            + (", or set a smaller cross_fit" if least > 2 else ""),
        )


def require_every_class(truth: Truth, names: tuple[str, ...], classes: int, where: str) -> None:
    """Raise where validation data lack a class, of which stacking could then learn nothing.

    Args:
        truth: of the validation data.
        names: class names, for the message; may be empty.
        classes: K.
        where: the data.

    Raises:
        DataError: see above.
    """
    counts = np.bincount(truth.gold, minlength=classes)
    if counts.min() == 0:
        k = int(counts.argmin())
        raise DataError(
            f"stacking needs validation rows of every class; there is none of {names[k] if names else k}",
            where=where,
            next_step="give it more validation rows, or combine by mean or gate",
        )


def require_out_of_bag(
    left: BoolArray, truth: Truth, names: tuple[str, ...], classes: int, where: str
) -> None:
    """Raise where some member left out fewer than :data:`LEAST` rows of some class.

    Args:
        left: (m, n) rows that each member's sample left out.
        truth: of the n rows.
        names: class names, for the message; may be empty.
        classes: K.
        where: the data.

    Raises:
        DataError: see above.
    """
    for member, rows in enumerate(left):
        counts = np.bincount(truth.gold[rows], minlength=classes)
        if counts.min() < LEAST:
            k = int(counts.argmin())
            raise DataError(
                f"member {member} left out {counts[k]} rows of class {names[k] if names else k}; "
                f"an out-of-bag accuracy needs at least {LEAST} of every class, and samples are of "
                f"whole groups ({int(truth.groups.max()) + 1} here)",
                where=where,
                next_step="give the split more rows and groups, or choose on validation data "
                "instead of oob",
            )
