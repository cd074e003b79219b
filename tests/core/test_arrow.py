"""Text columns as sequences, joins by value, and keys seen before: each beside the naive way."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_toolkit import arrow
from w2s_toolkit.arrow import Strings
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import SUFFIXES, column_names, read_rows
from w2s_toolkit.seen import Seen, fingerprints

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=30)


@given(TEXTS, st.integers(-40, 40), st.integers(-40, 40))
def test_a_text_column_is_a_sequence_like_any_other(
    texts: list[str], start: int, stop: int
) -> None:
    chunks = [texts[:7], texts[7:]]
    column = Strings(pa.chunked_array([pa.array(c, pa.string()) for c in chunks], pa.string()))
    for strings in (column, Strings(texts), Strings(column)):
        assert list(strings) == texts and len(strings) == len(texts)
        assert strings == texts and strings == tuple(texts) and texts == strings
        assert strings == column and strings != [*texts, ""]
        assert strings[start:stop] == tuple(texts[start:stop])
        assert strings[::-1] == tuple(texts[::-1])
        assert [strings[np.int64(i)] for i in range(-len(texts), len(texts))] == texts * 2
        assert strings.unique == (len(set(texts)) == len(texts))
        assert np.asarray(strings, dtype=object).tolist() == texts
    with pytest.raises(IndexError):
        column[len(texts)]


@pytest.mark.parametrize(
    ("value", "message"), [(7, "7 is a int, not text"), ("\ud800", "surrogate")]
)
def test_what_is_no_text_is_refused(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Strings(["a", value])  # type: ignore[list-item]
    with pytest.raises(DataError, match="null"):
        Strings(pa.array(["a", None]))


@given(TEXTS, TEXTS)
def test_joins_find_what_a_dictionary_finds(wanted: list[str], among: list[str]) -> None:
    among = list(dict.fromkeys(among))
    where = {text: at for at, text in enumerate(among)}
    found = arrow.positions(arrow.text_array(wanted), arrow.text_array(among))
    assert found.tolist() == [where.get(text, -1) for text in wanted]
    numbers, names = arrow.codes(arrow.text_array(wanted))
    assert names.to_pylist() == list(dict.fromkeys(wanted))
    assert [names[int(k)].as_py() for k in numbers] == wanted


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=20))
def test_numbers_and_nulls_pass_unchanged(values: list[int | None]) -> None:
    given_ = np.array([v is not None for v in values], dtype=bool)
    whole = np.array([v or 0 for v in values], dtype=np.int64)
    assert arrow.from_numpy(whole, given_).to_pylist() == values
    assert arrow.from_numpy(given_).to_pylist() == given_.tolist()
    assert arrow.to_numpy(arrow.from_numpy(whole / 2)).tolist() == (whole / 2).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=25), max_size=12))
def test_seen_counts_like_a_counter_and_remembers_the_first(batches: list[list[int]]) -> None:
    seen, counts, first, number = Seen(), Counter[int](), dict[int, int](), 0
    for batch in batches:
        earlier, firsts = seen.add(fingerprints(f"key {k}" for k in batch))
        for k, before, at in zip(batch, earlier.tolist(), firsts.tolist(), strict=True):
            assert (before, at) == (counts[k], first.setdefault(k, number))
            counts[k] += 1
            number += 1


def test_seen_merges_its_batches() -> None:
    seen = Seen()
    for start in range(0, 5000, 50):
        assert not seen.add(fingerprints(map(str, range(start, start + 50))))[0].any()
    assert len(seen._runs) <= 8, "a look-up must not pass through every batch ever added"
    assert seen.add(fingerprints(map(str, range(5000))))[0].all()


def test_column_names_are_those_of_any_row(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"b": 2, "a": 3}, {"c": None}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    texts = {".csv": "a,b,c\n1,2,3\n", ".tsv": "a\tb\tc\n1\t2,\t3\n"}
    assert {".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"} <= set(SUFFIXES)
    for suffix in SUFFIXES:
        path = tmp_path / f"rows{suffix}"
        if suffix == ".parquet":
            arrow.write_parquet(pa.Table.from_pylist(rows, pa.schema([(n, pa.int64()) for n in "abc"])), path)  # fmt: skip
        else:
            path.write_text(texts.get(suffix, lines))
        assert column_names(path) == ["a", "b", "c"]
        assert next(read_rows(path, "mine")).where.startswith("mine:")
    (tmp_path / "empty.jsonl").write_text("\n")
    assert column_names(tmp_path / "empty.jsonl") == []
