from __future__ import annotations

from types import SimpleNamespace

import datasets
import huggingface_hub
import pytest

from w2s_tasks import revision
from w2s_tasks.config import SciqConfig, Sst2Config, TableConfig
from w2s_toolkit.errors import DataError, MissingDependencyError

SHA, OTHER = "a" * 40, "b" * 40
ROWS = [{"sentence": "fine ", "label": 1}, {"sentence": "dull ", "label": 0}]
HUB = {"train": ROWS, "validation": ROWS[:1], "test": [{"sentence": "?", "label": -1}]}


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch, tmp_path):
    """No network, an empty cache, and no answer remembered from another test."""
    revision.resolve_revision.cache_clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    yield
    revision.resolve_revision.cache_clear()


@pytest.fixture
def online(monkeypatch):
    """A hub that knows one commit."""
    asked = []

    def info(self, repo, *, revision=None, timeout=None):
        asked.append((repo, revision))
        return SimpleNamespace(sha=SHA)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    return asked


@pytest.fixture
def stored(monkeypatch):
    """A data set that ``datasets`` can load, at a commit."""
    loaded = []

    def put(sets, commit=SHA):
        def builder(repo, config, *, revision):
            return SimpleNamespace(hash=commit)

        def load(repo, config, *, revision):
            loaded.append((repo, config, revision))
            return sets

        monkeypatch.setattr(datasets, "load_dataset_builder", builder)
        monkeypatch.setattr(datasets, "load_dataset", load)
        return loaded

    return put


def nodigest(path):
    raise AssertionError("no file is read for a hub set")


def test_key_holds_the_commit_and_the_hub_is_asked_once(online):
    assert Sst2Config().key_parts(nodigest) == {"hub": ["stanfordnlp/sst2", SHA]}
    Sst2Config().key_parts(nodigest)
    assert online == [("stanfordnlp/sst2", None)]


def test_branch_and_its_commit_have_one_key(online):
    branch = SciqConfig(revision="main").key_parts(nodigest)
    assert branch == SciqConfig(revision=SHA).key_parts(nodigest)
    assert branch["hub"] == ["allenai/sciq", SHA]


def test_full_commit_needs_no_network():
    assert Sst2Config(revision=OTHER).key_parts(nodigest)["hub"][1] == OTHER


def test_offline_and_unknown_says_what_to_do():
    with pytest.raises(DataError, match="stanfordnlp/sst2") as caught:
        Sst2Config().key_parts(nodigest)
    assert "--set task.path=FOLDER" in caught.value.next_step


def test_offline_takes_the_copy_that_was_prepared_last(tmp_path):
    import os

    for age, sha in ((2, OTHER), (1, SHA)):
        copy = tmp_path / "datasets" / "stanfordnlp___sst2" / "default" / "0.0.0" / sha
        copy.mkdir(parents=True)
        os.utime(copy, (1000 - age, 1000 - age))
    assert Sst2Config().key_parts(nodigest)["hub"][1] == SHA
    with pytest.raises(DataError, match="v2"):
        Sst2Config(revision="v2").key_parts(nodigest)


def test_offline_takes_what_a_branch_led_to(tmp_path):
    ref = tmp_path / "hub" / "datasets--stanfordnlp--sst2" / "refs" / "main"
    ref.parent.mkdir(parents=True)
    ref.write_text(SHA + "\n")
    assert Sst2Config(revision="main").key_parts(nodigest)["hub"][1] == SHA


def test_rows_of_a_hub_set(online, stored, load):
    loaded = stored(HUB)
    data, sources = load("sst2")
    assert loaded == [("stanfordnlp/sst2", None, SHA)]
    assert data.feeds == {"test": "validation", "val": "train", "*": "train"}
    assert [r.prompt for r in sources["train"]] == ["fine", "dull"]


def test_local_and_hub_sources_come_in_one_order(online, stored, load, write, tmp_path):
    stored(dict.fromkeys(HUB, ROWS))
    for name in ("train", "validation", "test"):
        write(tmp_path / "copy" / f"{name}.jsonl", ROWS)
    hub, local = load("sst2")[1], load("sst2", path=str(tmp_path / "copy"))[1]
    assert list(hub) == list(local)


def test_table_of_the_hub(online, stored, load):
    loaded = stored(HUB)
    keys = {"id": "me/films", "config": "small", "template": "{sentence}", "choices": ("-", "+")}
    _, sources = load("table", **keys, feeds={"test": "validation"})
    assert loaded == [("me/films", "small", SHA)]
    assert set(sources) == {"train", "validation"}  # the unlabelled test is never read
    assert TableConfig(**keys).key_parts(nodigest)["hub"] == ["me/films", SHA]
    assert TableConfig(**keys).key_parts(nodigest)["config"] == "small"


def test_bad_label_of_the_hub_names_set_split_and_row(online, stored, load):
    stored({"train": [ROWS[0], {**ROWS[1], "label": 3}]})
    with pytest.raises(DataError, match="stanfordnlp/sst2/train:2"):
        load("sst2")


def test_another_commit_in_the_cache_is_refused(stored, load):
    stored(HUB, commit=OTHER)
    with pytest.raises(DataError, match="is commit bbbbbbbb, not aaaaaaaa") as caught:
        load("sst2", revision=SHA)
    assert f"task.revision={OTHER}" in caught.value.next_step


def test_error_of_the_library_becomes_ours(online, monkeypatch, load):
    def fail(*args, **kwargs):
        raise ValueError("Config name is missing.\nPlease pick one")

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    with pytest.raises(DataError, match="Config name is missing"):
        load("sciq")


def test_missing_package_is_named(monkeypatch):
    def gone(repo, revision):
        raise ModuleNotFoundError(name="huggingface_hub")

    monkeypatch.setattr(revision, "_ask_hub", gone)
    with pytest.raises(MissingDependencyError, match="huggingface_hub") as caught:
        Sst2Config().key_parts(nodigest)
    assert "pip install 'w2s-toolkit[hf]'" in caught.value.next_step
