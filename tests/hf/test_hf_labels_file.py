"""Weak labels read from files."""

from __future__ import annotations

import json
import random
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as examples_of
from hypothesis import settings
from hypothesis import strategies as st

from w2s_hf.config import LabelsFileConfig
from w2s_hf.label_columns import find_columns
from w2s_hf.labels_file import LabelsFile
from w2s_toolkit.data import Dataset, Example, TaskInfo
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import FileRow
from w2s_toolkit.stages.context import StageContext

CLASSES = ("no", "yes")


@pytest.fixture
def ctx(tmp_path):
    return StageContext(out=tmp_path, scratch=tmp_path)


@pytest.fixture
def data():
    rows = [Example(f"id{i}", f"text {i}", CLASSES) for i in range(4)]
    return Dataset.from_examples(rows, TaskInfo("classification", CLASSES), "pool")


def write(tmp_path, rows, name="labels.jsonl"):
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith(".csv"):
        lines = [",".join(rows[0])] + [",".join(str(v) for v in r.values()) for r in rows]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def label(path, data, ctx, **settings):
    return LabelsFile(LabelsFileConfig(path=str(path), **settings)).label(None, data, ctx)


def soft(i):
    return [1 - i / 10, i / 10]


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.parquet"])
def test_labels_go_by_id_whatever_the_order(name, tmp_path, data, ctx):
    rows = [{"id": f"id{i}", "soft_label": soft(i), "label": 0} for i in (3, 1, 0, 2)]
    labels = label(write(tmp_path, rows, name), data, ctx)
    assert np.allclose(labels.probs, [soft(i) for i in range(4)])
    assert labels.ids == tuple(data.ids)
    assert labels.classes == CLASSES
    assert labels.data_digest == data.digest
    assert labels.provenance["component"] == "supervisors/labels_file"
    assert not ctx.warnings


def test_labels_go_by_text_where_there_are_no_ids(tmp_path, data, ctx):
    rows = [{"txt": f"text {i}", "p0": 1 - i / 10, "p1": i / 10} for i in (2, 0, 1, 3)]
    for name in ("a.jsonl", "a.csv"):
        labels = label(write(tmp_path, rows, name), data, ctx)
        assert np.allclose(labels.probs, [soft(i) for i in range(4)])


def test_foreign_ids_give_way_to_texts_only_when_allowed(tmp_path, data, ctx):
    rows = [{"id": i, "text": f"text {i}", "probs": soft(i)} for i in range(4)]
    path = write(tmp_path, rows)
    assert np.allclose(label(path, data, ctx).probs[3], soft(3))
    assert label(path, data, ctx, match="id").abstain.all()
    assert "none of the 4 labels" in ctx.warnings[-1]["message"]


def test_rows_without_a_label_abstain_and_repeats_are_averaged(tmp_path, data, ctx):
    rows = [
        {"text": f"text {i}", "probs": p} for i, p in ((0, [1, 0]), (0, [0.5, 0.5]), (2, [0, 1]))
    ]
    labels = label(write(tmp_path, rows), data, ctx)
    assert list(labels.abstain) == [False, True, False, True]
    assert np.allclose(labels.probs[0], [0.75, 0.25])
    assert (ctx.counters["averaged"], ctx.counters["unlabelled"]) == (1, 2)
    assert {w["code"] for w in ctx.warnings} == {"labels_averaged", "labels_missing"}


def test_no_match_at_all_abstains_and_shows_a_text_of_each_side(tmp_path, data, ctx):
    path = write(tmp_path, [{"text": "something else", "probs": [0.5, 0.5]}])
    assert label(path, data, ctx).abstain.all()
    warning = ctx.warnings[-1]
    assert warning["code"] == "labels_match_nothing"
    assert "'something else'" in warning["message"] and "'text 0'" in warning["message"]


def test_rounded_probabilities_are_normalised_and_others_refused(tmp_path, data, ctx):
    rows = [{"id": f"id{i}", "probs": [0.59375, 0.408203125]} for i in range(4)]
    assert np.allclose(label(write(tmp_path, rows), data, ctx).probs.sum(1), 1, atol=1e-12)
    rows[2]["probs"] = [0.9, 0.2]
    with pytest.raises(DataError, match=r"labels\.jsonl:3.*sum to 1\.1"):
        label(write(tmp_path, rows), data, ctx)


@pytest.mark.parametrize("bad", [[float("nan"), 1.0], [-0.5, 1.5], ["a", "b"], [None, 1]])
def test_what_is_no_probability_is_an_error_with_its_line(bad, tmp_path, data, ctx):
    rows = [{"id": "id0", "probs": [0, 1]}, {"id": "id1", "probs": bad}]
    with pytest.raises(DataError, match=r"labels\.jsonl:2"):
        label(write(tmp_path, rows), data, ctx)


def test_a_wrong_number_of_classes_is_an_error(tmp_path, data, ctx):
    with pytest.raises(DataError, match=r"(?s)labels\.jsonl:1.*3 probabilities for 2 classes"):
        label(write(tmp_path, [{"id": "id0", "probs": [0.2, 0.3, 0.5]}]), data, ctx)
    with pytest.raises(DataError, match="3 probabilities"):
        label(write(tmp_path, [{"id": "id0", "p0": 0, "p1": 0, "p2": 1}]), data, ctx)


def test_bad_json_names_its_line(tmp_path, data, ctx):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "id0", "probs": [0, 1]}\n\n{"id": \n')
    with pytest.raises(DataError, match=r"labels\.jsonl:3"):
        label(path, data, ctx)
    path.write_text("[1]\n")
    with pytest.raises(DataError, match=r"labels\.jsonl:1.*array"):
        label(path, data, ctx)


def test_a_gold_looking_column_is_never_taken_by_itself(tmp_path, data, ctx):
    rows = [{"id": f"id{i}", "label": 1} for i in range(4)]
    path = write(tmp_path, rows)
    with pytest.raises(DataError, match=r"(?s)id, label.*label_column"):
        label(path, data, ctx)
    assert np.allclose(label(path, data, ctx, label_column="label").probs, [0, 1])


def test_hard_labels_are_names_or_indices(tmp_path, data, ctx):
    rows = [{"id": f"id{i}", "weak": w} for i, w in enumerate(["yes", 0, "1", "no"])]
    labels = label(write(tmp_path, rows), data, ctx, label_column="weak")
    assert list(labels.predicted) == [1, 0, 1, 0]
    rows[1]["weak"] = "perhaps"
    with pytest.raises(DataError, match=r"labels\.jsonl:2.*'perhaps'"):
        label(write(tmp_path, rows), data, ctx, label_column="weak")


def test_classes_can_be_in_the_files_own_order(tmp_path, data, ctx):
    rows = [{"id": f"id{i}", "probs": [0.9, 0.1]} for i in range(4)]
    labels = label(write(tmp_path, rows), data, ctx, classes=["yes", "no"])
    assert np.allclose(labels.probs, [0.1, 0.9])
    with pytest.raises(DataError, match="classes"):
        label(write(tmp_path, rows), data, ctx, classes=["yes", "perhaps"])


def test_missing_and_ambiguous_columns_list_what_the_file_has(tmp_path, data, ctx):
    both = write(tmp_path, [{"id": "id0", "probs": [0, 1], "soft_label": [1, 0]}])
    with pytest.raises(DataError, match="soft_label, probs"):
        label(both, data, ctx)
    assert label(both, data, ctx, probs_column="probs").probs[0, 1] == 1
    with pytest.raises(DataError, match=r"no column 'q'.*id, probs, soft_label"):
        label(both, data, ctx, probs_column="q")
    with pytest.raises(DataError, match="id_column or text_column"):
        label(write(tmp_path, [{"name": "a", "probs": [0, 1]}]), data, ctx)


def test_csv_fields_can_hold_lists_and_short_rows_are_errors(tmp_path, data, ctx):
    path = tmp_path / "labels.csv"
    path.write_text('id,probs\nid0,"[0.25, 0.75]"\nid1\n')
    with pytest.raises(DataError, match=r"labels\.csv:3"):
        label(path, data, ctx)
    path.write_text('id,probs\nid0,"[0.25, 0.75]"\n')
    assert np.allclose(label(path, data, ctx).probs[0], [0.25, 0.75])


def test_files_that_cannot_be_read_are_errors(tmp_path, data, ctx):
    with pytest.raises(DataError, match="cannot be opened"):
        label(tmp_path / "none.jsonl", data, ctx)
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="Parquet"):
        label(tmp_path / "x.parquet", data, ctx)
    (tmp_path / "x.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match="xlsx"):
        label(tmp_path / "x.xlsx", data, ctx)
    (tmp_path / "x.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no rows"):
        label(tmp_path / "x.jsonl", data, ctx)


def test_settings_that_contradict_each_other_are_problems(tmp_path):
    config = LabelsFileConfig(path="x", probs_column="a", label_column="b")
    assert "probs_column and label_column" in config.check()[0]
    assert LabelsFileConfig(path="x", train_on="weak_train").check()


@settings(max_examples=60, deadline=None)
@examples_of(st.integers(2, 20), st.integers(1, 5), st.randoms(use_true_random=False))
def test_reading_rows_together_gives_the_numbers_of_each_alone(classes, rows, draw):
    names = [str(k) for k in range(classes)]
    values = []
    for _ in range(rows):
        raw = [draw.random() + 0.001 for _ in names]
        values.append([v / sum(raw) for v in raw])
    several = [f"p{k}" for k in range(classes)]
    made = [
        FileRow(
            f"f:{n}", n, {c: draw.choice([v, str(v)]) for c, v in zip(several, row, strict=True)}
        )
        for n, row in enumerate(values)
    ]
    read = find_columns(LabelsFileConfig(path="f"), ["id", *several], names, "f").probs
    alone = [np.array([float(v) for v in row]) / np.array(row).sum() for row in values]
    assert np.array_equal(read(made), np.stack(alone))


def test_a_file_of_several_batches_is_joined_and_averaged_as_a_whole(tmp_path, ctx, monkeypatch):
    """Against dictionaries of lists, with repeats, unknown ids and ids that are missing."""
    draw = random.Random(0)
    rows = []
    for _ in range(300):
        p = draw.random()
        rows.append({"id": draw.choice([f"id{draw.randrange(120)}", None]), "probs": [1 - p, p]})
    given = defaultdict(list)
    for row in rows:
        given[row["id"]].append(row["probs"])
    examples = [Example(f"id{i}", f"text {i}", CLASSES) for i in range(100)]
    data = Dataset.from_examples(examples, TaskInfo("classification", CLASSES), "pool")
    path = write(tmp_path, rows)
    monkeypatch.setattr("w2s_hf.labels_file._TOGETHER", 7)
    labels = label(path, data, ctx)
    for example_id, probs, abstains in zip(labels.ids, labels.probs, labels.abstain, strict=True):
        assert abstains == (example_id not in given)
        if not abstains:
            whole = [np.array(p) / np.sum(p) for p in given[example_id]]
            np.testing.assert_array_equal(probs, np.mean(whole, axis=0))
    assert ctx.counters["averaged"] == sum(len(given[e.id]) > 1 for e in examples)
