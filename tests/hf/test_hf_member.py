"""Members of an ensemble: weighted rows, real targets, fewer layers, fewer features."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file

from w2s_hf.config import FinetunedConfig
from w2s_hf.finetuned import Finetuned
from w2s_toolkit.errors import DataError

FAST = {"lr": 3e-3, "epochs": 6, "batch_size": 16, "head_lr_scale": 3.0}


def teacher(model="gpt2", **settings):
    return Finetuned(FinetunedConfig(model=model, train_on="weak_train", **{**FAST, **settings}))


def labels_of(component, ref, data, ctx):
    return component.label(ref, data.blind(), ctx).align(data)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_a_member_without_anything_special_is_the_supervisor_itself(family, make_ctx, make_data):
    data, component = make_data(64), teacher(family, epochs=2)
    first, second = make_ctx(), make_ctx()
    plain = labels_of(component, component.fit(data, first), data, first)
    member = labels_of(component, component.fit_member(data, second), data, second)
    assert np.array_equal(plain.probs, member.probs)


def test_rows_count_as_often_as_they_weigh(make_ctx, make_data):
    data = make_data(256)
    gold = data.gold
    # Only the negative rows weigh: everything looks negative.
    ctx, component = make_ctx(), teacher()
    ref = component.fit_member(data, ctx, weights=np.where(gold == 0, 1.0, 1e-6))
    assert (labels_of(component, ref, data, ctx).predicted == 0).mean() > 0.95


def test_real_targets_are_regressed_on(make_ctx, make_data):
    data = make_data(256)
    target = np.where(data.gold[:, None] == [0, 1], 1.5, -1.5)
    target[::2] *= 0.5  # two strengths that only an average can meet
    ctx, component = make_ctx(), teacher(epochs=12)
    ref = component.fit_member(data, ctx, target=target)
    probs = labels_of(component, ref, data, ctx).probs
    outputs = np.log(probs) - np.log(probs).mean(1, keepdims=True)
    assert np.sign(outputs[:, 1]).astype(int).tolist() == np.where(data.gold == 1, 1, -1).tolist()
    assert np.abs(outputs).mean() == pytest.approx(np.abs(target).mean(), abs=0.25)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_layers_above_the_one_that_is_read_are_cut_off(family, make_ctx, make_data, folders):
    whole = transformers.AutoConfig.from_pretrained(folders[family]).num_hidden_layers
    data, ctx, component = make_data(64), make_ctx(), teacher(family)
    ref = component.fit_member(data, ctx, variation={"layer": 0.5})
    kept = transformers.AutoModel.from_pretrained(ctx.path(ref))
    assert kept.config.num_hidden_layers == max(1, whole // 2) < whole
    assert labels_of(component, ref, data, ctx).probs.shape == (64, 2)


def test_hidden_features_never_reach_the_head(make_ctx, make_data):
    data, ctx, component = make_data(128), make_ctx(), teacher()
    ref = component.fit_member(data, ctx, variation={"features": 0.25})
    weight = load_file(ctx.path(ref) / "head.safetensors")["weight"]
    used = (weight != 0).any(0)
    assert int(used.sum()) == round(0.25 * weight.shape[1])
    # Read from disk by another process there is no mask, and none is needed.
    other = make_ctx(out=ctx.out)
    again = labels_of(component, ref, data, other)
    assert np.array_equal(again.probs, labels_of(component, ref, data, ctx).probs)
    assert "seen" not in json.loads((ctx.path(ref) / "head.json").read_text())


def test_seeds_give_other_members(make_ctx, make_data):
    data, component = make_data(64), teacher(epochs=1)
    probs = []
    for variation in ({}, {"seed": 1}, {"seed": 2}, {"seed": 1}):
        ctx = make_ctx()
        ref = component.fit_member(data, ctx, variation=variation)
        probs.append(labels_of(component, ref, data, ctx).probs)
    assert not np.array_equal(probs[0], probs[1])
    assert not np.array_equal(probs[1], probs[2])
    assert np.array_equal(probs[1], probs[3])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"variation": {"depth": 1}}, "cannot be varied by depth"),
        ({"variation": {"layer": 0}}, "layer of a member"),
        ({"variation": {"features": 1.5}}, "features of a member"),
        ({"token_weights": [np.ones(3)] * 8}, "no answer tokens"),
    ],
)
def test_what_cannot_be_done_is_refused(given, said, make_ctx, make_data):
    with pytest.raises(DataError, match=said):
        teacher().fit_member(make_data(8), make_ctx(), **given)
