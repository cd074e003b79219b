"""Members of an ensemble: weighted rows, real targets, fewer layers, fewer features."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from w2s_ensembles.bags import make_bag
from w2s_ensembles.config import BaggingConfig
from w2s_hf.config import FinetunedConfig, HFModelConfig, LoraSettings
from w2s_hf.finetuned import Finetuned
from w2s_hf.member import cut_layers
from w2s_toolkit.errors import DataError, ModelError

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


@pytest.mark.parametrize("layers", [2, 3, 4, 12])
def test_members_of_a_bag_read_different_layers_of_shallow_models_too(layers):
    kept: dict[int, set[int]] = {}
    for seed in range(5):
        for index in range(6):
            bag = make_bag(BaggingConfig(by=("layers",)), np.zeros(1, np.int64), index, seed)
            body = transformers.GPT2Model(small_gpt2(layers))
            cut_layers(body, bag.variation["layer"], "small")
            assert len(body.h) == body.config.num_hidden_layers
            kept.setdefault(seed, set()).add(len(body.h))
    for found in kept.values():
        assert len(found) >= 2 and layers / 2 <= min(found) and max(found) <= layers
    assert layers in set.union(*kept.values())


def test_a_model_of_one_layer_cannot_differ_by_layers():
    with pytest.raises(ModelError, match="'small' has only one"):
        cut_layers(transformers.GPT2Model(small_gpt2(1)), 0.7, "small")


def small_gpt2(layers: int) -> transformers.GPT2Config:
    return transformers.GPT2Config(
        vocab_size=8, n_embd=4, n_layer=layers, n_head=1, n_positions=4, bos_token_id=0
    )


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


@pytest.fixture
def lora(folders):
    return {
        family: HFModelConfig(
            id=str(folders[family]), dtype="float32", peft=LoraSettings(r=4, alpha=16)
        )
        for family in ("gpt2", "llama", "bert")
    }


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_members_with_adapters_share_one_copy_of_the_base(family, make_ctx, make_data, lora):
    data = make_data(64)
    ctx = make_ctx(adapted=lora[family])
    component = teacher("adapted", epochs=2, lr=1e-2)
    base = ctx.model("adapted").base_body(ctx, component.config.pooling)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    members = []
    for seed in (1, 2):
        ref = component.fit_member(data, ctx, variation={"seed": seed})
        folder = ctx.path(ref)
        (folder.rename(folder.with_name(f"member-{seed}")))
        members.append(dataclasses.replace(ref, folder=f"member-{seed}"))
    probs = [labels_of(component, ref, data, ctx).probs for ref in members]
    assert not np.array_equal(probs[0], probs[1])
    # One base, as it was; and nothing of it beside the adapters on disk.
    assert ctx.model("adapted").base_body(ctx, component.config.pooling) is base
    assert {n: torch.equal(w, before[n]) for n, w in base.state_dict().items()} == dict.fromkeys(
        before, True
    )
    size = sum(path.stat().st_size for path in ctx.path(members[0]).glob("*.safetensors"))
    assert size < sum(w.nbytes for w in before.values()) / 2
    written = b"".join(path.read_bytes() for path in ctx.path(members[0]).iterdir())
    assert str(ctx.model("adapted").folder).encode() not in written
    # Alone in another process, a member says the same.
    other = make_ctx(out=ctx.out, adapted=lora[family])
    assert np.array_equal(labels_of(component, members[1], data, other).probs, probs[1])


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_adapters_kept_apart_say_what_merged_ones_say(family, make_ctx, make_data, lora):
    data, component = make_data(64), teacher("adapted", epochs=2, lr=1e-2)
    first, second = (make_ctx(adapted=lora[family]) for _ in range(2))
    merged = labels_of(component, component.fit(data, first), data, first)
    ref = component.fit_member(data, second)
    assert np.abs(labels_of(component, ref, data, second).probs - merged.probs).max() < 1e-5
    assert np.abs(merged.probs - 0.5).max() > 0.01


def test_adapters_that_are_damaged_are_named(make_ctx, make_data, lora):
    data, component = make_data(16), teacher("adapted", epochs=1)
    ctx = make_ctx(adapted=lora["llama"])
    ref = component.fit_member(data, ctx)
    (ctx.path(ref) / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="trained adapters cannot be read") as found:
        labels_of(component, ref, data, ctx)
    assert "w2s cache" in found.value.next_step
    # What was lent is back: the next one trains as if nothing had been.
    again = make_ctx(adapted=lora["llama"])
    fresh = labels_of(component, component.fit_member(data, again), data, again)
    ctx.out = again.out.with_name("once-more")
    assert np.array_equal(
        labels_of(component, component.fit_member(data, ctx), data, ctx).probs, fresh.probs
    )
