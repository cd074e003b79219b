"""An interrupted training goes on where it was and ends in the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from w2s_hf import compact as compact_module
from w2s_hf.checkpoint import Checkpoints
from w2s_hf.classifier import Classifier
from w2s_hf.config import ClassifierConfig, FinetunedConfig
from w2s_hf.finetuned import Finetuned
from w2s_hf.network import weights_digest

FAST = {"lr": 3e-3, "epochs": 3, "batch_size": 16, "checkpoint_seconds": 0}


def interrupt(ctx, step):
    """Ctrl-C during the training step of this number."""
    count, seen = ctx.count, 0

    def counting(name, number=1):
        nonlocal seen
        if name == "train_tokens":
            seen += 1
            if seen == step:
                raise KeyboardInterrupt
        count(name, number)

    ctx.count = counting


def weights_of(ref, ctx):
    return weights_digest(ctx.path(ref))


SETTINGS = {
    "xent": {},
    "logconf": {"loss": {"use": "logconf"}},
    "buffer": {"loss": {"use": "logconf", "threshold": "buffer", "buffer_size": 40}},
    "parts": {"loss": {"use": "logconf"}, "micro_batch_size": 5, "weight_decay": 0.1},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("step", [3, 8, 14])
def test_a_student_goes_on_in_any_epoch(name, step, make_ctx, make_data, one_hot):
    data = make_data(70)  # 5 steps an epoch, the last one smaller
    component = Classifier(ClassifierConfig(model="gpt2", **{**FAST, **SETTINGS[name]}))
    whole = make_ctx(seed=5)
    expected = weights_of(component.train(data.blind(), one_hot(data), whole), whole)

    ctx = make_ctx(seed=5)
    interrupt(ctx, step)
    with pytest.raises(KeyboardInterrupt):
        component.train(data.blind(), one_hot(data), ctx)
    after = make_ctx(seed=5)
    after.scratch = ctx.scratch
    ref = component.train(data.blind(), one_hot(data), after)
    assert weights_of(ref, after) == expected
    assert after.counters["resumed_at_step"] == step - 1
    assert after.counters["train_tokens"] == whole.counters["train_tokens"]


@pytest.mark.parametrize("step", [4, 12])
def test_the_choice_of_the_epoch_survives(step, make_ctx, make_data):
    data = make_data(96)
    # The gold of val is turned round, so that the first epoch is the best.
    val = make_data(texts=[(t, 1 - g) for t, g in zip(data.prompts, data.gold, strict=True)])
    component = Finetuned(FinetunedConfig(model="gpt2", **FAST))
    whole = make_ctx()
    expected = component.fit(data, whole, val=val)
    ctx = make_ctx()
    interrupt(ctx, step)
    with pytest.raises(KeyboardInterrupt):
        component.fit(data, ctx, val=val)
    after = make_ctx()
    after.scratch = ctx.scratch
    assert component.fit(data, after, val=val).details == expected.details
    assert expected.details["epoch"] == 1


def test_adapters_go_on(make_ctx, make_data, one_hot, folders):
    from w2s_hf.config import HFModelConfig, LoraSettings

    data = make_data(48)
    lora = HFModelConfig(id=str(folders["gpt2"]), dtype="float32", peft=LoraSettings(r=2))
    component = Classifier(ClassifierConfig(model="lora", **FAST))
    whole = make_ctx(lora=lora)
    expected = weights_of(component.train(data.blind(), one_hot(data), whole), whole)
    ctx = make_ctx(lora=lora)
    interrupt(ctx, 5)
    with pytest.raises(KeyboardInterrupt):
        component.train(data.blind(), one_hot(data), ctx)
    after = make_ctx(lora=lora)
    after.scratch = ctx.scratch
    assert weights_of(component.train(data.blind(), one_hot(data), after), after) == expected


@pytest.mark.parametrize("damage", ["cut", "other data", "empty"])
def test_a_checkpoint_of_no_use_is_left_alone(damage, make_ctx, make_data, one_hot):
    data, other = make_data(48), make_data(48, seed=3)
    component = Classifier(ClassifierConfig(model="gpt2", **FAST))
    ctx = make_ctx()
    interrupt(ctx, 5)
    with pytest.raises(KeyboardInterrupt):
        component.train((other if damage == "other data" else data).blind(),
                        one_hot(other if damage == "other data" else data), ctx)  # fmt: skip
    file = ctx.scratch / "checkpoint.pt"
    if damage != "other data":
        file.write_bytes(file.read_bytes()[: 0 if damage == "empty" else 2000])
    after, said = make_ctx(), []
    after.scratch, after.note = ctx.scratch, said.append
    whole = make_ctx()
    expected = weights_of(component.train(data.blind(), one_hot(data), whole), whole)
    assert weights_of(component.train(data.blind(), one_hot(data), after), after) == expected
    assert "resumed_at_step" not in after.counters
    assert len(said) == (damage != "other data")
    assert not after.warnings, "a warning would stand in the results"


def test_a_full_disk_costs_the_checkpoint_alone(make_ctx, make_data, one_hot):
    data = make_data(48)
    component = Classifier(ClassifierConfig(model="gpt2", **FAST))
    ctx = make_ctx()
    ctx.scratch.rmdir()
    ctx.scratch.write_text("a file where the folder should be")
    said = []
    ctx.note = said.append
    assert component.train(data.blind(), one_hot(data), ctx).details["rows"] == 48
    assert "cannot be written" in said[0] and not ctx.warnings


def test_checkpoints_are_rare_where_they_are_slow(tmp_path):
    checkpoints = Checkpoints(tmp_path, {}, every=1000.0, note=lambda _: None)
    assert checkpoints.due(epoch_ended=True) and not checkpoints.due()
    checkpoints.save({})
    checkpoints._cost = 10.0
    assert not checkpoints.due(epoch_ended=True)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_rows_no_text_contains_are_left_out_without_a_difference(
    family, make_ctx, make_data, one_hot, monkeypatch
):
    data = make_data(64)
    # Few steps: over many, Adam magnifies the last bits in which summing differs.
    component = Classifier(ClassifierConfig(model=family, **{**FAST, "epochs": 1, "lr": 1e-3}))
    found = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(compact_module, "WORTH_IT", share)
        ctx = make_ctx()
        ref = component.train(data.blind(), one_hot(data), ctx)
        from safetensors.torch import load_file

        found[share] = load_file(ctx.path(ref) / "model.safetensors")
    original = ctx.model(family).new_body(torch.float32).get_input_embeddings().weight
    name = next(n for n in found[0.0] if found[0.0][n].shape == original.shape)
    assert found[0.0].keys() == found[1.0].keys()
    for key, whole in found[0.0].items():
        assert torch.allclose(whole, found[1.0][key], atol=2e-5), key
    same = (found[1.0][name] == original).all(1)
    assert torch.equal(same, (found[0.0][name] == original).all(1))
    assert 0 < int(same.sum()) < len(same)
    assert np.isfinite(found[1.0][name].numpy()).all()
