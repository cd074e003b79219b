"""Teachers that were taught wrong things."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from w2s_hf.config import FinetunedConfig
from w2s_hf.finetuned import Finetuned
from w2s_hf.noise import noisy_gold
from w2s_hf.noise_config import NoiseConfig
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError

CLASSES = ("a", "b", "c", "d")


def classes(n=2000, count=4):
    names = CLASSES[:count]
    rows = [Example(f"r{i}", f"text {i}", names, i % count) for i in range(n)]
    return Dataset.from_examples(rows, TaskInfo("classification", names, ""), "weak_train")


def told(data, seed=0, **noise):
    return noisy_gold(data, NoiseConfig(**noise), seed).probs.argmax(1)


def test_as_many_are_wrong_as_was_asked_for():
    data = classes()
    gold = LabelSet.of_gold(data).probs.argmax(1)
    for rate in (0.0, 0.2, 0.7, 1.0):
        assert (told(data, rate=rate) != gold).mean() == pytest.approx(rate, abs=0.04)
    assert (told(data, rate=1.0, kind="next") == (gold + 1) % 4).all()
    other = (told(data, rate=1.0) - gold) % 4
    assert np.bincount(other, minlength=4)[1:].min() > 600


def test_rows_are_wrong_whatever_rows_stand_beside_them():
    data = classes(200)
    rows = np.array([150, 3, 77, 20])
    whole = told(data, seed=5, rate=0.5)
    assert (told(data.take(rows), seed=5, rate=0.5) == whole[rows]).all()


def test_members_have_wrong_labels_of_their_own_or_share_them():
    data = classes(400, 2)
    assert (told(data, seed=1, rate=0.5) != told(data, seed=2, rate=0.5)).any()
    shared = [told(data, seed=seed, rate=0.5, shared=True) for seed in (1, 2)]
    assert (shared[0] == shared[1]).all()


def test_a_wrong_answer_is_that_of_another_row():
    rows = [Example(f"r{i}", f"q {i}", gold_text=f"answer {i % 5}") for i in range(500)]
    data = Dataset.from_examples(rows, TaskInfo("generation", (), ""), "weak_train")
    texts = noisy_gold(data, NoiseConfig(rate=1.0), 0).texts
    assert all(a != b for a, b in zip(texts, data.gold_texts, strict=True))
    assert set(texts) == set(data.gold_texts)
    kept = noisy_gold(data, NoiseConfig(rate=0.3), 0).texts
    wrong = np.mean([a != b for a, b in zip(kept, data.gold_texts, strict=True)])
    assert wrong == pytest.approx(0.3, abs=0.07)
    alone = data.take([0])
    assert list(noisy_gold(alone, NoiseConfig(rate=1.0), 0).texts) == list(alone.gold_texts)


def test_an_adversary_is_wrong(make_ctx, make_data):
    data, ctx = make_data(192), make_ctx()
    settings = {"lr": 3e-3, "epochs": 6, "batch_size": 16, "head_lr_scale": 3.0, "choose_on": None}
    teacher = Finetuned(FinetunedConfig(model="llama", noise={"rate": 1.0}, **settings))
    for ref in (teacher.fit(data, ctx), teacher.fit_member(data, ctx)):
        labels = teacher.label(ref, data.blind(), ctx).align(data)
        assert (labels.predicted == data.gold).mean() < 0.1


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_is_a_share(rate):
    with pytest.raises(ValidationError, match="rate"):
        NoiseConfig(rate=rate)


def test_noise_that_would_change_nothing_is_refused(make_ctx, make_data) -> None:
    settings = {"train_on": "weak_train", "epochs": 1, "noise": {"rate": 0.5}}
    teacher, data = Finetuned(FinetunedConfig(model="llama", **settings)), make_data(16)
    with pytest.raises(DataError, match="other targets, made of the true ones"):
        teacher.fit_member(data, make_ctx(), target=np.zeros((16, 2)))
