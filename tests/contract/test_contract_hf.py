"""The built-in models, supervisors and students, on tiny real models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from w2s_hf.tiny import Family, make_tiny_model
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.testing import (
    ModelContract,
    StudentContract,
    SupervisorContract,
    tiny_dataset,
    tiny_labels,
)

NOT_TRAINED = "the component trains nothing and refuses it"


def tiny(folder: Path, family: Family = "llama", **more: Any) -> Mapping[str, Any]:
    """An entry of ``models:`` for a tiny random model; float32, so that batches agree closely."""
    texts = tiny_dataset(60, name="texts").prompts
    made = make_tiny_model(
        folder / family, texts, family=family, hidden=32, layers=1, vocabulary=400
    )
    return {"use": "hf", "id": str(made), "dtype": "float32", "device": "cpu", **more}


class TestHFModel(ModelContract):
    use = "hf"
    fixed = {
        "revision": "means something on the hub alone",
        "device": "the other devices may not be here",
    }
    other_values = {"dtype": "bfloat16"}
    bad_configs = [{"id": "./no_such_folder"}, {"dtype": "float8"}, {"peft": {"rank": 8}}]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        values = dict(tiny(folder))
        del values["use"]
        return values


# A checkpoint after every step, so that what is killed goes on from one.
TRAINING = {"model": "tested", "epochs": 2, "batch_size": 8, "lr": 1e-3, "checkpoint_seconds": 0}


@pytest.mark.slow
class TestFinetuned(SupervisorContract):
    use = "finetuned"
    config = {**TRAINING, "train_on": "weak_train", "choose_on": "val"}
    other_values = {"noise": {"rate": 0.5}}
    bad_configs = [
        {"epochs": 0},
        {"lr": 0},
        {"pooling": "own"},
        {"model": "no_such_model"},
        {"noise": {"rate": 2}},
    ]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder)}


@pytest.mark.slow
class TestClassifier(StudentContract):
    use = "classifier"
    classes = 3
    config = {**TRAINING, "loss": {"use": "logconf"}}
    bad_configs = [{"loss": "l2"}, {"batch_size": 0}, {"loss": {"use": "xent", "alpha_max": 0.1}}]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder, "bert", peft={"r": 2})}


WRITING = {**TRAINING, "max_new_tokens": 3}


@pytest.mark.slow(seconds=14)
class TestSftTeacher(SupervisorContract):
    use = "sft"
    config = {**WRITING, "train_on": "weak_train", "choose_on": "val"}
    other_values = {"noise": {"rate": 0.5}}
    bad_configs = [{"epochs": 0}, {"template": "the same for all"}, {"micro_batch_size": 3}]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder)}

    def make_data(self, name: str) -> Dataset:
        return tiny_dataset(self.rows, name=name, kind="generation")


@pytest.mark.slow(seconds=13)
class TestSft(StudentContract):
    use = "sft"
    config = WRITING
    bad_configs = [{"batch_size": 0}, {"max_new_tokens": 0}, {"template": "{question}"}]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder, peft={"r": 2})}

    def make_data(self, name: str) -> Dataset:
        return tiny_dataset(self.rows, name=name, kind="generation")

    def make_labels(self, data: Dataset) -> LabelSet:
        weight = np.ones(len(data))
        weight[::7] = 0.0
        weight[1::7] = 0.5
        texts = [f"it is {'good' if row % 2 else 'bad'}" for row in range(len(data))]
        silent = np.arange(len(data)) % 6 == 5
        return LabelSet(
            data.ids, np.zeros((len(data), 0)), texts=texts, abstain=silent, weight=weight
        )


@pytest.mark.slow
class TestZeroShot(SupervisorContract):
    use = "zero_shot"
    config = {"model": "tested"}
    bad_configs = [{"template": "the same for all"}, {"train_on": "weak_train"}]

    def make_models(self, folder: Path) -> Mapping[str, Any]:
        return {"tested": tiny(folder, "gpt2")}


class TestLabelsFile(SupervisorContract):
    use = "labels_file"
    other_values = {
        "id_column": "id",
        "text_column": "prompt",
        "probs_column": "soft_label",
        "probs_columns": ["a", "b"],
        "label_column": "hard",
        "classes": ["positive", "negative"],
    }
    bad_configs = [
        {"path": "no_such_file.jsonl"},
        {"probs_column": "no_such_column"},
        {"classes": ["right", "wrong"]},
        {"probs_column": "soft_label", "label_column": "hard"},
        {"train_on": "weak_train"},
    ]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        data = self.make_data("test")
        labels = tiny_labels(data)
        with (folder / "labels.jsonl").open("w", encoding="utf-8") as file:
            for row in range(len(data) // 2):
                probs = labels.probs[row].tolist()
                line = {"id": data.ids[row], "soft_label": probs, "hard": int(probs[1] > 0.5)}
                file.write(json.dumps(line) + "\n")
        return {"path": str(folder / "labels.jsonl")}

    def unanswerable(self) -> Dataset:
        return self.make_data("test")
