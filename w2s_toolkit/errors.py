"""Every error a user can meet: what happened, where, and what to do next.

Library and operating-system exceptions are turned into one of these at the place that knows the
cause. Anything else that reaches the command line is a bug of ours and is reported as such.
"""

from __future__ import annotations

import errno
import os

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""System errors that mean that no more can be written: disk, quota, size limit of a file."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says so, by its number or, where a native library raised it, by its text."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return any(os.strerror(number) in str(error) for number in DISK_FULL)


class W2SError(Exception):
    """Base of all errors meant for a user.

    Args:
        what: one sentence that says what is wrong.
        where: a file, ``file:line``, stage or recipe path; empty when there is none.
        next_step: what to do about it; empty only where the sentence already says so.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  next: {self.next_step}" if self.next_step else head


class UsageError(W2SError):
    """A command was called with arguments that cannot work."""

    exit_code = 2


class RecipeError(W2SError):
    """A recipe cannot be loaded or planned. ``problems`` holds every problem found, one each."""

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        next_step: str = "",
        problems: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems) if self.problems else super().__str__()


class RegistryError(W2SError):
    """A plugin or component name is unknown, broken or offered twice."""

    exit_code = 2


class DataError(W2SError):
    """Rows, labels or splits that cannot be used as they are."""


class AlignmentError(DataError):
    """Labels and data do not hold the same example ids."""


class ModelError(W2SError):
    """A model or tokenizer cannot be found, loaded or used for what is asked of it."""


class StoreError(W2SError):
    """The artefact store cannot be read or written."""


class OutputError(W2SError):
    """The run directory cannot be written. Finished stages are in the store and are kept."""


class StageError(W2SError):
    """A stage ended with an error; everything finished before it is kept."""


class BudgetError(W2SError):
    """The recipe's budget, or what an account may spend, is reached. A stage raises it once what it has so far is kept.

    The run goes on with stages that do not depend on it, and ends as ``partial``; run again with a
    higher one, the stage goes on where it stopped.
    """

    exit_code = 3


class MissingDependencyError(W2SError):
    """An optional dependency is not installed."""

    exit_code = 2
