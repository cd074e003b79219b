from __future__ import annotations

import pytest

from w2s_tasks.config import Sst2Config
from w2s_toolkit.errors import DataError

GOOD = {"idx": 0, "sentence": "a fine film ", "label": 1}
BAD = {"idx": 1, "sentence": "dull ", "label": 0}


@pytest.fixture
def folder(tmp_path, write):
    for name in ("train", "validation", "test"):
        write(tmp_path / f"{name}.jsonl", [GOOD, BAD])
    return tmp_path


def test_rows_and_feeds(folder, load):
    data, sources = load("sst2", path=str(folder))
    assert data.feeds == {"test": "test", "val": "validation", "*": "train"}
    assert data.info.classes == ("negative", "positive")
    assert [(r.prompt, r.gold) for r in sources["test"]] == [("a fine film", 1), ("dull", 0)]


def test_unlabelled_test_of_the_hub_is_not_used(folder, write, load):
    write(folder / "test.jsonl", [{**GOOD, "label": -1}])
    data, sources = load("sst2", path=str(folder))
    assert data.feeds == {"test": "validation", "val": "train", "*": "train"}
    assert set(sources) == {"train", "validation"}


def test_missing_label_in_the_middle_is_an_error(folder, write, load):
    write(folder / "test.jsonl", [GOOD, {**BAD, "label": -1}])
    with pytest.raises(DataError, match=r"test.jsonl:2: column 'label' holds -1"):
        load("sst2", path=str(folder))


def test_nothing_labelled_is_an_error(tmp_path, write, load):
    write(tmp_path / "test.csv", [{**GOOD, "label": "-1"}])
    with pytest.raises(DataError, match="no row of this set has a label"):
        load("sst2", path=str(tmp_path))


def test_other_files_stay_out_of_the_key(folder, write):
    config = Sst2Config(path=str(folder))
    before = config.key_parts(lambda path: path.rsplit("/", 1)[1])
    write(folder / "phrases.jsonl", [GOOD])
    assert config.key_parts(lambda path: path.rsplit("/", 1)[1]) == before
    assert before == {"files": {s: [f"jsonl:{s}.jsonl"] for s in ("test", "train", "validation")}}


def test_revision_beside_a_path_is_a_problem():
    assert "revision" in Sst2Config(path="x", revision="main").check()[0]


@pytest.mark.models
def test_shared_copy(shared_data, load):
    _, sources = load("sst2", path=shared_data("sst2"))
    assert {n: len(r) for n, r in sources.items()} == {
        "train": 6000,
        "validation": 872,
        "test": 1821,
    }
