"""Rows of numbers of different lengths, and label sets that hold them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError
from w2s_toolkit.jagged import Jagged

ROWS = st.lists(st.lists(st.floats(-9, 0), max_size=5), max_size=8)


@given(ROWS, ROWS)
def test_rows_come_back(one, two):
    first, second = Jagged.of(one), Jagged.of(two)
    assert [list(row) for row in first] == one
    assert [list(row) for row in Jagged.concat([first, second])] == one + two
    assert first.lengths.tolist() == [len(row) for row in one]
    np.testing.assert_allclose(first.sums(), [sum(row) for row in one], atol=1e-12)
    order = np.arange(len(one))[::-1]
    assert [list(row) for row in first.take(order)] == one[::-1]
    import pyarrow as pa

    back = Jagged.from_arrow(pa.chunked_array([first.arrow, second.arrow]), np.float64)
    assert [list(row) for row in back] == one + two


def test_indices_are_those_of_a_sequence():
    rows = Jagged.of([[1.0], [], [2.0, 3.0]])
    assert list(rows[-1]) == [2.0, 3.0]
    assert [list(row) for row in rows[1:]] == [[], [2.0, 3.0]]
    with pytest.raises(IndexError):
        rows[3]


def scored(ids=("a", "b", "c")):
    log_probs = Jagged.of([[-0.1], [-0.2, -0.3], []])
    hits = Jagged.of([[True], [False, True], []], np.bool_)
    nothing = np.zeros((3, 0))
    return LabelSet(ids, nothing, token_log_probs=log_probs, token_hits=hits)


def test_label_sets_carry_them(tmp_path):
    labels = scored()
    labels.write(tmp_path / "labels.parquet")
    back = LabelSet.read(tmp_path / "labels.parquet")
    assert back.token_hits is not None and back.token_log_probs is not None
    assert back.token_hits.flat.dtype == np.bool_
    assert [list(row) for row in back.token_hits] == [[True], [False, True], []]
    info = TaskInfo("generation")
    data = Dataset.from_examples(
        [Example(name, name, gold_text="x") for name in ("c", "a", "b")], info
    )
    aligned = back.align(data)
    assert aligned.token_log_probs is not None
    assert [list(row) for row in aligned.token_log_probs] == [[], [-0.1], [-0.2, -0.3]]
    joined = LabelSet.concat([labels, scored(("d", "e", "f"))])
    assert joined.token_hits is not None and len(joined.token_hits) == 6
    plain = LabelSet(("d",), np.zeros((1, 0)))
    with pytest.raises(DataError, match="token_log_probs"):
        LabelSet.concat([labels, plain])
    with pytest.raises(DataError, match="3 answers for 2 ids"):
        LabelSet(("a", "b"), np.zeros((2, 0)), token_hits=labels.token_hits)


def test_gold_answers_are_texts():
    info = TaskInfo("generation")
    data = Dataset.from_examples([Example("a", "p", gold_text="yes")], info, "test")
    assert list(LabelSet.of_gold(data).texts or ()) == ["yes"]
    with pytest.raises(DataError, match="has none"):
        LabelSet.of_gold(data.blind())
