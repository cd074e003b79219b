"""Training and labelling with a pooled classifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from w2s_hf.classifier import Classifier
from w2s_hf.config import ClassifierConfig, FinetunedConfig, HFModelConfig, LoraSettings
from w2s_hf.finetuned import Finetuned
from w2s_hf.network import PooledClassifier
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError, ModelError
from w2s_toolkit.stages.shared import SharedObjects

FAST = {"lr": 3e-3, "epochs": 4, "batch_size": 16, "head_lr_scale": 3.0}


def student(model="gpt2", **settings):
    return Classifier(ClassifierConfig(model=model, **{**FAST, **settings}))


def fitted(component, data, labels, ctx):
    return component.train(data.blind(), labels, ctx)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert", "bert_pooler"])
def test_every_family_learns_a_simple_task(family, make_ctx, make_data, one_hot):
    data, test = make_data(256), make_data(256, seed=5)
    ctx = make_ctx()
    component = student(family, lr=1e-3, epochs=10)
    ref = fitted(component, data, one_hot(data), ctx)
    labels = component.label(ref, test.blind(), ctx)
    assert (labels.align(test).predicted == test.gold).mean() > 0.8
    assert labels.data_digest == test.digest
    assert labels.provenance["component"] == "students/classifier"
    expected = {"gpt2": "last", "llama": "last", "bert": "first", "bert_pooler": "own"}
    assert ref.details["pooling"] == expected[family]


def test_encoder_decoders_are_refused(make_ctx, make_data, one_hot):
    data = make_data(8)
    with pytest.raises(ModelError, match="encoder-decoder"):
        fitted(student("t5"), data, one_hot(data), make_ctx())


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_padding_and_batch_composition_do_not_change_outputs(family, make_ctx, make_data, one_hot):
    data = make_data(48)
    ctx = make_ctx()
    ref = fitted(student(family, epochs=1), data, one_hot(data), ctx)
    one_by_one = student(family, label_tokens=1).label(ref, data.blind(), ctx)
    together = student(family, label_tokens=10**6).label(ref, data.blind(), ctx)
    assert np.abs(one_by_one.probs - together.probs).max() < 1e-5
    assert np.abs(together.probs - 0.5).max() > 1e-3


@pytest.mark.parametrize("pooling", ["last", "first", "mean"])
def test_pooling_is_the_same_whatever_side_is_padded(pooling, folders):
    body = transformers.AutoModel.from_pretrained(folders["bert"])
    network = PooledClassifier(body, 2, pooling).eval()
    torch.nn.init.normal_(network.head.weight)
    # Id 0 is the pad id of this tokenizer and a real token here: only the mask can tell.
    ids = torch.tensor([[5, 9, 0]])
    right = torch.tensor([[5, 9, 0, 7, 7]])
    plain = network(ids, torch.ones_like(ids))
    padded = network(right, torch.tensor([[1, 1, 1, 0, 0]]))
    assert torch.allclose(plain, padded, atol=1e-5)


def test_a_classifier_is_exactly_uniform_before_training(folders):
    body = transformers.AutoModel.from_pretrained(folders["gpt2"])
    network = PooledClassifier(body, 3, "last")
    logits = network(torch.tensor([[5, 6]]), torch.ones(1, 2, dtype=torch.long))
    assert torch.equal(logits.softmax(-1), torch.full((1, 3), 1 / 3))


def test_swapped_class_names_swap_the_probabilities(make_ctx, make_data):
    one = make_data(64, classes=("negative", "positive"))
    two = make_data(64, classes=("positive", "negative"))
    assert not np.array_equal(one.gold, two.gold)
    probs = []
    for data in (one, two):
        ctx = make_ctx()
        component = Finetuned(FinetunedConfig(model="gpt2", **{**FAST, "epochs": 2}))
        ref = component.fit(data, ctx)
        probs.append(component.label(ref, data.blind(), ctx).probs)
    assert np.abs(probs[0] - probs[1][:, ::-1]).max() < 1e-5
    assert probs[0].std() > 0.01


def test_the_order_of_labels_and_rows_changes_nothing(make_ctx, make_data, one_hot):
    data = make_data(48)
    labels = one_hot(data)
    ctx = make_ctx()
    before = fitted(student(), data, labels, ctx)
    order = np.random.default_rng(3).permutation(len(data))
    after = fitted(student(), data, labels.take(order), make_ctx())
    shuffled = fitted(student(), data.take(order), labels, make_ctx())
    assert before.details["weights"] == after.details["weights"] == shuffled.details["weights"]


def test_a_seed_gives_the_same_weights_and_another_seed_others(make_ctx, make_data, one_hot):
    data = make_data(48)
    state = torch.random.get_rng_state()
    weights = [
        fitted(student(), data, one_hot(data), make_ctx(seed=s)).details["weights"]
        for s in (2**63 + 5, 2**63 + 5, 1)
    ]
    assert weights[0] == weights[1] != weights[2]
    assert torch.equal(state, torch.random.get_rng_state())


def test_labels_are_the_same_from_memory_and_from_disk(make_ctx, make_data, one_hot):
    data = make_data(48)
    for models in ({}, {"gpt2": None}):
        ctx = make_ctx()
        if models:
            lora = HFModelConfig(
                id=str(ctx.model("gpt2").folder), dtype="float32", peft=LoraSettings(r=4)
            )
            ctx = make_ctx(gpt2=lora)
        ref = fitted(student(), data, one_hot(data), ctx)
        fresh = student().label(ref, data.blind(), ctx)
        extra = {"gpt2": lora} if models else {}
        reloaded = student().label(ref, data.blind(), make_ctx(out=ctx.out, **extra))
        assert np.array_equal(fresh.probs, reloaded.probs)


def test_the_label_stage_does_not_read_a_model_that_was_just_trained(make_ctx, make_data, one_hot):
    data = make_data(32)
    shared = SharedObjects(reserve=0.0)
    shared.get("anything", lambda: 1)
    ctx = make_ctx(shared=shared)
    ref = fitted(student(epochs=1), data, one_hot(data), ctx)
    (ctx.out / "model" / "head.safetensors").unlink()
    student().label(ref, data.blind(), make_ctx(shared=shared, out=ctx.out))


def test_lora_trains_little_and_saves_a_plain_model(make_ctx, make_data, one_hot, folders):
    data = make_data(192)
    config = HFModelConfig(
        id=str(folders["llama"]), dtype="float32", peft=LoraSettings(r=4, alpha=16)
    )
    ctx = make_ctx(llama=config)
    component = student("llama", lr=1e-2, epochs=8)
    ref = fitted(component, data, one_hot(data), ctx)
    labels = component.label(ref, data.blind(), ctx)
    assert (labels.predicted == data.gold).mean() > 0.85
    saved = transformers.AutoModel.from_pretrained(ctx.path(ref))
    before = transformers.AutoModel.from_pretrained(folders["llama"])
    assert sorted(saved.state_dict()) == sorted(before.state_dict())
    assert torch.equal(saved.embed_tokens.weight, before.embed_tokens.weight)
    assert not torch.equal(
        saved.layers[0].self_attn.q_proj.weight, before.layers[0].self_attn.q_proj.weight
    )


def test_an_unknown_lora_layer_names_those_there_are(make_ctx, make_data, one_hot, folders):
    data = make_data(8)
    config = HFModelConfig(
        id=str(folders["llama"]), dtype="float32", peft=LoraSettings(target_modules=["qqq"])
    )
    with pytest.raises(ModelError, match="q_proj"):
        fitted(student("llama"), data, one_hot(data), make_ctx(llama=config))


def test_the_artefact_opens_with_transformers(make_ctx, make_data, one_hot):
    data = make_data(16)
    ctx = make_ctx()
    ref = fitted(student("bert", epochs=1), data, one_hot(data), ctx)
    folder = ctx.path(ref)
    _, info = transformers.AutoModel.from_pretrained(
        folder, output_loading_info=True, add_pooling_layer=False
    )
    assert not info["missing_keys"]
    assert transformers.AutoTokenizer.from_pretrained(folder)("good")["input_ids"]
    assert not list(folder.glob("*.bin"))
    assert (folder / "head.safetensors").is_file()


def test_micro_batches_do_not_change_the_result(make_ctx, make_data, one_hot):
    data = make_data(48)
    for loss in ("xent", {"use": "logconf", "threshold": "buffer"}, {"use": "logconf"}):
        probs = []
        for size in (None, 5):
            ctx = make_ctx()
            component = student(micro_batch_size=size, loss=loss, lr=1e-3)
            ref = fitted(component, data, one_hot(data), ctx)
            probs.append(component.label(ref, data.blind(), ctx).probs)
        assert np.abs(probs[0] - probs[1]).max() < 1e-4, loss


def test_rows_that_abstain_or_weigh_nothing_are_left_out(make_ctx, make_data, one_hot):
    data = make_data(48)
    labels = one_hot(data)
    wrong = labels.probs.copy()
    wrong[:16] = wrong[:16, ::-1]
    abstain = np.arange(48) < 8
    weight = np.where(np.arange(48) < 16, 0.0, 1.0)
    masked = replace(labels, probs=wrong, abstain=abstain, weight=weight)
    rest = data.take(np.arange(16, 48))
    one = fitted(student(), data, masked, make_ctx())
    two = fitted(student(), rest, one_hot(rest), make_ctx())
    assert one.details["weights"] == two.details["weights"]
    assert one.details["rows"] == 32
    with pytest.raises(DataError, match="no row has a label"):
        fitted(student(), data, replace(labels, weight=np.zeros(48)), make_ctx())


def test_only_the_ratio_of_weights_counts_when_the_gradient_is_cut(make_ctx, make_data, one_hot):
    data = make_data(16)
    labels = one_hot(data)

    def trained(weight):
        ctx = make_ctx()
        component = student(epochs=3, max_grad_norm=1e-3)
        ref = fitted(component, data, replace(labels, weight=weight), ctx)
        return component.label(ref, data.blind(), ctx).probs

    one, double = trained(np.ones(16)), trained(np.full(16, 2.0))
    uneven = trained(np.where(data.gold == 1, 1.0, 0.1))
    assert np.abs(one - double).max() < 1e-4
    assert uneven[:, 1].mean() > one[:, 1].mean() + 0.01


def test_truncated_rows_are_counted_and_reported(make_ctx, make_data, one_hot):
    data = make_data(16)
    ctx = make_ctx()
    fitted(student(max_length=8, epochs=1), data, one_hot(data), ctx)
    assert 0 < ctx.counters["truncated"] <= 16
    assert [w["code"] for w in ctx.warnings] == ["truncated"]


def test_the_prompt_survives_when_evidence_is_cut(make_ctx):
    info = TaskInfo("classification", ("no", "yes"))
    examples = [
        Example(f"{i}", f"good film {i}", info.classes, i % 2, evidence="the story was long " * 40)
        for i in range(4)
    ]
    data = Dataset.from_examples(examples, info, "pool")
    from w2s_hf.tokens import tokenise

    ctx = make_ctx()
    model = ctx.model("gpt2")
    tokens = tokenise(data, model, ctx, 16)
    text = model.tokenizer(ctx).decode(tokens.flat[: tokens.offsets[1]])
    assert text.endswith("good film 0")
    assert list(tokens.lengths) == [16] * 4


def test_choose_on_keeps_the_best_epoch(make_ctx, make_data, one_hot):
    data = make_data(96)
    # The gold of val is turned round, so accuracy on it falls as training goes on.
    val = make_data(texts=[(t, 1 - g) for t, g in zip(data.prompts, data.gold, strict=True)])
    component = Finetuned(FinetunedConfig(model="gpt2", **{**FAST, "epochs": 5}))
    ctx = make_ctx()
    ref = component.fit(data, ctx, val=val)
    curve = ref.details["curve"]
    assert [point["epoch"] for point in curve] == [1, 2, 3, 4, 5]
    best = max(curve, key=lambda point: (point["accuracy"], -point["loss"]))
    assert ref.details["epoch"] == best["epoch"] < 5
    labels = component.label(ref, val.blind(), ctx).align(val)
    assert (labels.predicted == val.gold).mean() == pytest.approx(best["accuracy"])


def test_a_student_can_start_from_an_earlier_one(make_ctx, make_data, one_hot):
    data = make_data(128)
    ctx = make_ctx()
    first = fitted(student(epochs=6), data, one_hot(data), ctx)
    later = make_ctx()
    component = student(epochs=1, lr=1e-6)
    later.path = lambda ref: ctx.out / ref.folder if ref is first else later.out / ref.folder
    second = component.train(data.blind(), one_hot(data), later, init=first)
    before = student().label(first, data.blind(), ctx)
    after = component.label(second, data.blind(), later)
    assert np.abs(before.probs - after.probs).max() < 0.01
    assert np.abs(before.probs - 0.5).max() > 0.1


def test_ceiling_is_the_same_training_with_plain_cross_entropy():
    config = ClassifierConfig(model="strong", lr=1e-4, loss={"use": "logconf", "alpha_max": 0.75})
    assert config.ceiling() == ClassifierConfig(model="strong", lr=1e-4)
    assert ClassifierConfig(model="strong", loss="xent").ceiling() == ClassifierConfig(
        model="strong"
    )


def test_data_without_shared_classes_is_refused(make_ctx, make_data, one_hot):
    data = make_data(8)
    open_choices = Dataset(data.table, TaskInfo("classification"), "pool")
    with pytest.raises(DataError, match="share their classes"):
        student().train(open_choices, LabelSet(tuple(data.ids), np.eye(2)[data.gold]), make_ctx())


def test_float16_training_is_refused(make_ctx, make_data, one_hot, folders):
    data = make_data(8)
    half = HFModelConfig(id=str(folders["gpt2"]), dtype="float16")
    with pytest.raises(ModelError, match="float16"):
        fitted(student(), data, one_hot(data), make_ctx(gpt2=half))


def test_nothing_is_printed_while_loading_and_training(make_ctx, make_data, one_hot, capfd):
    data = make_data(16)
    ctx = make_ctx()
    ref = fitted(student("bert_pooler", epochs=1, pooling="mean"), data, one_hot(data), ctx)
    student("bert_pooler").label(ref, data.blind(), make_ctx(out=ctx.out))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_an_interrupt_during_training_is_not_swallowed(make_ctx, make_data, one_hot):
    data = make_data(32)
    ctx = make_ctx()
    steps = 0

    def interrupt(name, number=1):
        nonlocal steps
        steps += name == "train_tokens"
        if steps == 2:
            raise KeyboardInterrupt

    ctx.count = interrupt
    with pytest.raises(KeyboardInterrupt):
        fitted(student(), data, one_hot(data), ctx)


def test_a_loss_that_is_not_finite_is_an_error_with_a_next_step(make_ctx, make_data, one_hot):
    data = make_data(64)
    with pytest.raises(ModelError, match=r"(?s)loss is.*lower lr"):
        fitted(student(lr=1e38, max_grad_norm=1e9, epochs=10), data, one_hot(data), make_ctx())


@pytest.mark.parametrize("peft", [None, {"r": 4}])
def test_bfloat16_trains_on_float32_weights_and_labels_alike_from_disk(
    peft, make_ctx, make_data, one_hot, folders
):
    config = HFModelConfig(id=str(folders["llama"]), dtype="bfloat16", peft=peft)
    data = make_data(96)
    ctx = make_ctx(half=config)
    component = student("half", epochs=3)
    ref = fitted(component, data, one_hot(data), ctx)
    fresh = component.label(ref, data.blind(), ctx)
    assert np.isfinite(fresh.probs).all() and np.abs(fresh.probs - 0.5).max() > 0.05
    again = student("half").label(ref, data.blind(), make_ctx(half=config, out=ctx.out))
    assert np.array_equal(fresh.probs, again.probs)
    if peft is None:
        saved = transformers.AutoModel.from_pretrained(ctx.out / "model")
        assert {p.dtype for p in saved.parameters()} == {torch.float32}
