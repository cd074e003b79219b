"""One row of a table, and what is said when it does not hold what was asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from w2s_toolkit.errors import DataError


class Record(NamedTuple):
    """One row as it was read.

    Attributes:
        where: ``file:line`` or ``data set/split:row``, for messages.
        line: the number in ``where``, counted from 1.
        values: column -> value.
    """

    where: str
    line: int
    values: Mapping[str, Any]

    def get(self, column: str) -> Any:
        """The value of a column.

        Raises:
            DataError: there is no such column.
        """
        if column not in self.values:
            raise DataError(
                f"there is no column {column!r}{did_you_mean(column, self.values)}",
                where=self.where,
                next_step=f"the columns are {', '.join(map(repr, self.values))}",
            )
        return self.values[column]

    def text(self, column: str) -> str:
        """The value of a column as text; a missing value is empty text.

        Raises:
            DataError: there is no such column, or it holds no single value or invalid text.
        """
        value = self.get(column)
        if isinstance(value, str):
            return self._sound(column, value)
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return str(value)
        raise DataError(
            f"column {column!r} holds a {type(value).__name__}, not text: {shown(value)}",
            where=self.where,
            next_step="put it into a column of its own as text",
        )

    def _sound(self, column: str, value: str) -> str:
        if value.isascii():
            return value
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(
                f"column {column!r} holds half of a surrogate pair, which is not valid text",
                where=self.where,
                next_step="write the file again as UTF-8, or delete the row",
            ) from None
        return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``" (did you mean 'label'?)"``, or nothing when no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shown(value: Any) -> str:
    """A value for a message, cut to one short line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
