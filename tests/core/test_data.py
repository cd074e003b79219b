"""Data types: ids, alignment by id, blindness, files that others can read."""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_toolkit.arrow import read_parquet
from w2s_toolkit.contracts import Row, TaskData
from w2s_toolkit.data import (
    Dataset,
    Example,
    LabelSet,
    Metric,
    Metrics,
    ModelRef,
    TaskInfo,
    content_id,
)
from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.stages import rows as rows_module
from w2s_toolkit.stages.rows import draw_split, group_hash, read_info, write_rows

INFO = TaskInfo("classification", ("no", "yes"), "Is it?")


def _data(n: int = 6) -> Dataset:
    rows = [
        Example(f"id{i}", f"text {i}", INFO.classes, i % 2, None, f"g{i}", meta={"gold": i % 2})
        for i in range(n)
    ]
    return Dataset.from_examples(rows, INFO, "pool")


def _labels(data: Dataset, seed: int = 0) -> LabelSet:
    p = np.random.default_rng(seed).random(len(data))
    return LabelSet(tuple(data.ids), np.stack([1 - p, p], 1), INFO.classes)


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(range(6))))
def test_labels_go_by_id_whatever_their_order(order: list[int]) -> None:
    data = _data()
    labels = _labels(data)
    shuffled = labels.take(np.array(order)).align(data)
    assert shuffled.ids == tuple(data.ids)
    np.testing.assert_array_equal(shuffled.probs, labels.probs)


def test_swapped_class_names_swap_the_columns() -> None:
    data = _data()
    labels = _labels(data)
    swapped = LabelSet(labels.ids, labels.probs[:, ::-1], ("yes", "no"))
    np.testing.assert_array_equal(swapped.align(data).probs, labels.probs)
    with pytest.raises(AlignmentError, match="over classes"):
        LabelSet(labels.ids, labels.probs, ("no", "maybe")).align(data)


def test_missing_extra_and_repeated_ids_are_refused() -> None:
    data = _data()
    labels = _labels(data)
    with pytest.raises(AlignmentError, match="1 of 6 rows have no label"):
        labels.take(np.arange(5)).align(data)
    with pytest.raises(AlignmentError, match="2 of 6 labels have no row"):
        labels.align(data.take([0, 1, 2, 3]))
    with pytest.raises(AlignmentError, match="'id0' is labelled twice"):
        LabelSet(("id0", "id0"), np.full((2, 2), 0.5))
    with pytest.raises(DataError, match="ids are not unique: 'id1'"):
        data.take([0, 1, 1])


@pytest.mark.parametrize("probs", [[[0.5, 0.6]], [[np.nan, 1.0]], [[-0.5, 1.5]], [[np.inf, 0.0]]])
def test_impossible_probabilities_are_refused(probs: list[list[float]]) -> None:
    with pytest.raises(DataError):
        LabelSet(("a",), np.array(probs))
    assert LabelSet(("a",), np.array(probs), abstain=np.array([True])).abstain.all()


def test_blind_data_holds_no_gold_anywhere_but_is_the_same_data() -> None:
    data = _data()
    blind = data.blind()
    assert data.has_gold and not blind.has_gold
    assert blind.digest == data.digest and blind.ids == data.ids
    assert all(not e.meta and e.gold is None and e.gold_text is None for e in blind)
    with pytest.raises(DataError, match="gold labels were asked of data that has none"):
        _ = blind.gold


def test_the_digest_ignores_order_but_not_evidence() -> None:
    data = _data()
    assert data.take([3, 1, 2, 0, 5, 4]).digest == data.digest
    column = data.table.column_names.index("evidence")
    told = data.table.set_column(column, "evidence", [["seen"] * len(data)])
    assert Dataset(told, INFO).digest != data.digest


def test_files_are_readable_without_our_code(tmp_path: Path) -> None:
    data = _data()
    data.write(tmp_path / "d.parquet")
    assert pd.read_parquet(tmp_path / "d.parquet")["prompt"].tolist() == data.prompts
    again = Dataset.read(tmp_path / "d.parquet")
    assert again.info == INFO and list(again) == list(data)
    labels = LabelSet(
        tuple(data.ids),
        _labels(data).probs,
        INFO.classes,
        abstain=np.arange(6) == 2,
        weight=np.linspace(0, 1, 6),
        provenance={"component": "x"},
    )
    labels.write(tmp_path / "l.parquet")
    frame = pd.read_parquet(tmp_path / "l.parquet")
    assert list(frame) == ["id", "p0", "p1", "abstain", "weight"]
    back = LabelSet.read(tmp_path / "l.parquet")
    assert back.classes == INFO.classes and back.provenance == {"component": "x"}
    np.testing.assert_array_equal(back.probs, labels.probs)
    np.testing.assert_array_equal(back.abstain, labels.abstain)


def test_references_and_metrics_survive_json() -> None:
    ref = ModelRef("students/x", "k", "model", ("train",), ("a", "b"), {"curve": [1]})
    assert ModelRef.from_json(ref.to_json()) == ref
    metrics = Metrics({"accuracy": Metric(0.5, 0.4, 0.6, 10)}, {"bins": [{"n": 1}]})
    assert Metrics.from_json(metrics.to_json()) == metrics
    with pytest.raises(DataError, match="use None and a reason"):
        Metric(float("nan"))


def _task(rows: list[Row]) -> TaskData:
    return TaskData(INFO, {"train": iter(rows)}, {"*": "train"})


def test_identical_rows_keep_ids_of_their_own_in_one_group(tmp_path: Path) -> None:
    write_rows(_task([Row("same", gold=0), Row("same", gold=1), Row("Same!", gold=1)]), tmp_path)
    request = [{"name": "test", "size": None, "seed": "0"}]
    data = draw_split(tmp_path, request, balance=False)
    ids = sorted(data.ids)
    expected = [content_id("same", INFO.classes, k) for k in (0, 1)]
    assert ids == sorted([*expected, content_id("Same!", INFO.classes)])
    assert set(data.groups) == {group_hash("same")}
    assert read_info(tmp_path)[0] == INFO


def test_ids_do_not_depend_on_gold_and_explicit_ones_are_kept(tmp_path: Path) -> None:
    for name, gold in (("a", 0), ("b", 1)):
        folder = tmp_path / name
        folder.mkdir()
        write_rows(_task([Row("text", gold=gold), Row("other", gold=gold, id="mine")]), folder)
    request = [{"name": "test", "size": None, "seed": "0"}]
    first, second = (draw_split(tmp_path / n, request, balance=False) for n in "ab")
    assert sorted(first.ids) == sorted(second.ids)
    assert "mine" in first.ids
    with pytest.raises(DataError, match="'mine' occurs more than once"):
        write_rows(_task([Row("x", id="mine"), Row("y", id="mine")]), tmp_path)


def test_impossible_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gold label 2 is not one of 2 choices"):
        write_rows(_task([Row("x", gold=2)]), tmp_path)
    with pytest.raises(DataError, match="no rows"):
        write_rows(_task([]), tmp_path)


def _naive_digest(data: Dataset) -> str:
    h = hashlib.sha256()
    for pair in sorted((e.id, e.evidence) for e in data):
        h.update(json.dumps(pair, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return h.hexdigest()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, unique=True),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_a_set_read_from_a_file_is_the_one_in_memory(
    ids: list[str], size: int, draw: random.Random
) -> None:
    rows = [
        Example(
            i,
            f"text {i}",
            draw.choice([("no", "yes"), ("a", "b", "c"), ()]),
            draw.choice([0, 1, None]),
            draw.choice([None, "gold"]),
            draw.choice(["", "g"]),
            draw.choice([None, 'he said "é\u2028"']),
            draw.choice([{}, {"line": 3}]),
        )
        for i in ids
    ]
    data = Dataset.from_examples(rows, INFO, "pool")
    with tempfile.TemporaryDirectory() as folder:
        data.write(Path(folder) / "d.parquet")
        for one in (data, Dataset.read(Path(folder) / "d.parquet")):
            assert list(one) == rows
            assert one.ids == ids and one.groups == [e.group for e in rows]
            assert one.digest == _naive_digest(data)
            batches = list(one.batches(size))
            assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
            assert [e for b in batches for e in b] == rows
            blind = one.blind()
            assert list(blind) == [replace(e, gold=None, gold_text=None, meta={}) for e in rows]
            assert [e for b in blind.batches(size) for e in b] == list(blind)
            order = list(range(len(ids)))[::-2]
            assert list(one.take(order)) == [rows[k] for k in order]
            assert one.rows_of([ids[k] for k in order]).tolist() == order
            assert list(one.take(np.arange(len(ids)) % 2 == 0)) == rows[::2]


def test_rows_that_are_not_there_are_named() -> None:
    with pytest.raises(AlignmentError, match="id 'other' is not in the data"):
        _data().rows_of(["id1", "other"])


def test_iterating_over_a_file_loads_none_of_its_columns(tmp_path: Path) -> None:
    _data().write(tmp_path / "d.parquet")
    data = Dataset.read(tmp_path / "d.parquet").blind()
    assert [e.id for e in data] == list(_data().ids)
    assert not data._columns._loaded  # type: ignore[attr-defined]


def test_labels_made_batch_by_batch_are_those_made_at_once() -> None:
    data = _data()
    labels = _labels(data)
    parts = (labels.take(np.arange(start, start + 2)) for start in (0, 2, 4))
    joined = LabelSet.concat(parts)
    assert joined.ids == labels.ids and joined.classes == INFO.classes
    np.testing.assert_array_equal(joined.probs, labels.probs)
    texts = [LabelSet((str(k),), np.zeros((1, 0)), texts=(f"answer {k}",)) for k in range(3)]
    assert LabelSet.concat(texts).texts == ["answer 0", "answer 1", "answer 2"]
    with pytest.raises(AlignmentError, match="'id0' is labelled twice"):
        LabelSet.concat([labels, labels.take(np.array([0]))])
    with pytest.raises(DataError, match="no labels to join"):
        LabelSet.concat([])
    with pytest.raises(DataError, match="cannot be joined"):
        LabelSet.concat([labels, LabelSet(("x",), np.full((1, 3), 1 / 3), ("a", "b", "c"))])


def test_ids_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="7 is a int, not text"):
        LabelSet((7,), np.full((1, 2), 0.5))  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=3), st.sampled_from([None, "mine", "x"]), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_ids_do_not_depend_on_batches(rows: list[tuple[str, str | None, bool]], batch: int) -> None:
    """Against one counter over all rows, as the ids are defined."""
    made, used, expected, seen = [], set[str](), [], Counter[str]()
    for number, (text, own, _) in enumerate(rows):
        own_id = own if own is not None and own not in used else None
        if own_id:
            used.add(own_id)
        made.append(Row(text, gold=number % 2, id=own_id))
        expected.append(own_id or content_id(text, INFO.classes, seen[text]))
        seen[text] += 1
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "BATCH", batch)
        write_rows(_task(made), Path(folder))
        table = read_parquet(Path(folder) / rows_module.ROWS)
    assert table["id"].to_pylist() == expected
    assert table["gold"].to_pylist() == [row.gold for row in made]
    assert table["group"].to_pylist() == [_naive_group(row.prompt) for row in made]


def _naive_group(text: str) -> str:
    plain = re.sub(r"[^\w]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return hashlib.sha256((plain or text).encode("utf-8")).hexdigest()[:16]
