"""Rows that hold a better and a worse text, as preference data do: shown in an order that tells nothing."""

from __future__ import annotations

import hashlib

from w2s_tasks.columns import Record

FIRST, SECOND = "first", "second"
"""Columns that a row gains."""


def in_order(record: Record, better: str, worse: str, label: str) -> Record:
    """A row with both texts as ``first`` and ``second``, and in ``label`` 0 where the first is the better.

    The order follows from the two texts alone, not from which of them is better, nor from the file's order.

    Raises:
        DataError: one of the columns is missing or holds no text.
    """
    texts = [record.text(better), record.text(worse)]
    shown = sorted(texts)
    if hashlib.sha256("\0".join(shown).encode()).digest()[0] & 1:
        shown.reverse()
    gold = shown.index(texts[0])
    values = {**record.values, FIRST: shown[0], SECOND: shown[1], label: gold}
    return record._replace(values=values)
