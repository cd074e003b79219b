"""The student and the supervisor that write answers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from w2s_hf.completions import tokenise_pairs
from w2s_hf.config import HFModelConfig, LoraSettings
from w2s_hf.mixture import Mixture
from w2s_hf.sft import Sft, SftTeacher
from w2s_hf.sft_config import SftConfig, SftTeacherConfig
from w2s_hf.tiny import make_tiny_model
from w2s_hf.writer import mixture, trained
from w2s_toolkit.contracts import Together
from w2s_toolkit.data import Dataset, Example, LabelSet, ModelRef, TaskInfo, content_id
from w2s_toolkit.errors import DataError, ModelError

COLORS = ("bright", "dark", "lovely", "ugly")
NAMES = tuple(f"film {word}" for word in ("the", "of", "with", "and", "very", "plot", "end", "a"))
QUICK = {"epochs": 8, "batch_size": 8, "lr": 1e-2, "max_new_tokens": 6}


def questions(n=64, name="pool", seed=0):
    """What color a film is follows from its name: a table of eight entries."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(n):
        which = int(rng.integers(len(NAMES)))
        prompt = f"{number} {NAMES[which]}"
        answer = f"{COLORS[which % 4]} story"
        examples.append(Example(content_id(prompt, ()), prompt, gold_text=answer, group=prompt))
    return Dataset.from_examples(examples, TaskInfo("generation", (), "Which?"), name)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def family(request):
    return request.param


def taught(make_ctx, family, data, labels=None, ctx=None, **settings):
    """A trained student with the context it was trained in."""
    ctx = ctx or make_ctx()
    student = Sft(SftConfig(model=family, **{**QUICK, **settings}))
    ref = student.train(data.blind(), labels or LabelSet.of_gold(data), ctx)
    ctx.path = lambda ref: ctx.out / ref.folder
    return student, ref, ctx


def test_it_learns_to_write_and_opens_as_an_ordinary_model(make_ctx, family):
    data = questions()
    student, ref, ctx = taught(make_ctx, family, data)
    said = student.label(ref, data.blind(), ctx)
    right = np.mean([a == b for a, b in zip(said.texts, data.gold_texts, strict=True)])
    assert right > 0.9
    assert said.probs.shape == (len(data), 0)
    assert all(len(row) for row in said.token_log_probs) and (said.token_log_probs.flat <= 0).all()

    folder = ctx.out / ref.folder
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(data.prompts[0], return_tensors="pt")
    end = tokenizer.eos_token_id
    more = model.generate(**ids, max_new_tokens=6, do_sample=False, pad_token_id=end)
    text = tokenizer.decode(more[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert text.strip() == said.texts[0]
    card = (folder / "README.md").read_text()
    assert "gold answers" in card and f"`{family}`" in card


def test_gold_answers_are_scored_token_by_token(make_ctx, family):
    data = questions()
    student, ref, ctx = taught(make_ctx, family, data)
    scores = student.score(ref, data, ctx)
    assert scores.texts is None
    assert scores.token_hits.flat.mean() > 0.9
    # The same numbers, one row at a time and without any batching.
    model = ctx.model(family)
    pairs = tokenise_pairs(model, student.config, data, list(data.gold_texts), ctx)
    for row in (0, 7):
        prompt, answer = pairs.prompts[row], pairs.answers[row]
        with trained([model], [ref], ctx) as (network,), torch.no_grad():
            logits = network(input_ids=torch.tensor([prompt + answer])).logits[0]
        log_probs = logits.log_softmax(-1)[len(prompt) - 1 : -1]
        expected = log_probs[torch.arange(len(answer)), torch.tensor(answer)]
        np.testing.assert_allclose(scores.token_log_probs[row], expected.numpy(), atol=1e-5)
    before = student.score(None, data, ctx)
    assert before.token_hits.flat.mean() < 0.5


def test_batches_change_nothing_that_is_written(make_ctx, family):
    data = questions(24)
    student, ref, ctx = taught(make_ctx, family, data)
    together = student.label(ref, data.blind(), ctx)
    alone = Sft(SftConfig(model=family, label_tokens=1, **QUICK))
    one_by_one = alone.label(ref, data.blind(), ctx)
    assert list(one_by_one.texts) == list(together.texts)
    np.testing.assert_allclose(
        one_by_one.token_log_probs.flat, together.token_log_probs.flat, atol=1e-4
    )


def test_rows_that_abstain_or_weigh_nothing_teach_nothing(make_ctx):
    data = questions(48)
    gold = LabelSet.of_gold(data)
    wrong = np.arange(len(data)) % 2 == 1
    texts = ["no no no" if bad else text for bad, text in zip(wrong, gold.texts, strict=True)]
    noisy = replace(gold, texts=texts)
    left_out = replace(noisy, abstain=wrong)
    _, abstained, _ = taught(make_ctx, "llama", data, left_out)
    _, weighed, _ = taught(make_ctx, "llama", data, replace(noisy, weight=1.0 - wrong))
    _, misled, _ = taught(make_ctx, "llama", data, noisy)
    assert abstained.details["rows"] == weighed.details["rows"] == 24
    assert abstained.details["weights"] == weighed.details["weights"]
    assert abstained.details["weights"] != misled.details["weights"]


def test_token_weights_say_what_is_learnt(make_ctx):
    """Half of the answer's tokens weigh nothing: they stay unlearnt."""
    data = questions()
    teacher = SftTeacher(SftTeacherConfig(model="llama", **QUICK))
    ctx = make_ctx()
    ctx.path = lambda ref: ctx.out / ref.folder
    scored = teacher.score(None, data, ctx)
    weights = [np.where(np.arange(len(row)) < 1, 1.0, 0.0) for row in scored.token_log_probs]
    ref = teacher.fit_member(data, ctx, token_weights=weights)
    hits = teacher.score(ref, data, ctx).token_hits
    first = np.array([row[0] for row in hits])
    last = np.array([row[-1] for row in hits])
    assert first.mean() > 0.9 > 0.5 > last.mean()


def test_a_masked_token_gives_no_loss(make_ctx):
    """What stands at places that weigh nothing, with nothing after them, does not matter."""
    data, teacher = questions(16), SftTeacher(SftTeacherConfig(model="llama", **QUICK))
    rows = [replace(e, gold_text=e.gold_text.replace("story", "plot")) for e in data]
    other = Dataset.from_examples(rows, data.info, data.name)
    weights = [np.array([2.0, 0.0, 0.0])] * len(data)  # a word, another, and the end
    first, second, unmasked = (
        teacher.fit_member(rows, make_ctx(), token_weights=given).details["weights"]
        for rows, given in ((data, weights), (other, weights), (other, None))
    )
    assert first == second != unmasked


def test_equal_weights_are_no_weights(make_ctx):
    data = questions(32)
    teacher = SftTeacher(SftTeacherConfig(model="llama", **{**QUICK, "epochs": 1}))
    many = [len(row) for row in teacher.score(None, data, make_ctx()).token_log_probs]
    plain = teacher.fit_member(data, make_ctx())
    same = teacher.fit_member(data, make_ctx(), token_weights=[np.ones(n) for n in many])
    assert plain.details["weights"] == same.details["weights"]


def test_micro_batches_change_only_rounding(make_ctx):
    data = questions(32)
    *_, first = taught(make_ctx, "llama", data, epochs=1, lr=1e-3)
    *_, second = taught(make_ctx, "llama", data, epochs=1, lr=1e-3, micro_batch_size=2)
    one, two = (load_file(ctx.out / "model" / "model.safetensors") for ctx in (first, second))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=2e-4, rtol=1e-3)


class StoppedError(Exception):
    pass


def _stop_at(ctx, step):
    """Let the training of this context die at a step."""
    whole = ctx.progress

    class Bar:
        def __init__(self, inner):
            self.inner, self.done = inner, 0

        def advance(self, steps=1, note=""):
            self.done += steps
            if self.done >= step:
                raise StoppedError
            self.inner.advance(steps, note)

    class Opened:
        def __init__(self, total, label):
            self.inner = whole(total, label)

        def __enter__(self):
            return Bar(self.inner.__enter__())

        def __exit__(self, *args):
            return self.inner.__exit__(*args)

    ctx.progress = Opened


@pytest.mark.parametrize("step", [3, 7, 9, 11, 13, 15, 17])
@pytest.mark.parametrize("chosen", [False, True])
def test_an_interrupted_training_ends_where_it_would_have(step, chosen, make_ctx):
    data, val = questions(45), questions(16, "val", 1) if chosen else None
    teacher = SftTeacher(
        SftTeacherConfig(model="llama", checkpoint_seconds=0, **{**QUICK, "epochs": 3})
    )
    undisturbed = teacher.fit(data, make_ctx(), val=val)
    ctx = make_ctx()
    plain = ctx.progress
    _stop_at(ctx, step)
    with pytest.raises(StoppedError):
        teacher.fit(data, ctx, val=val)
    assert list(ctx.scratch.rglob("checkpoint-*"))
    ctx.progress = plain
    assert teacher.fit(data, ctx, val=val).details == undisturbed.details
    assert not list(ctx.scratch.rglob("checkpoint-*"))


def test_a_checkpoint_that_was_cut_off_is_left_alone(make_ctx):
    data = questions(40)
    teacher = SftTeacher(SftTeacherConfig(model="llama", **{**QUICK, "epochs": 1}))
    undisturbed = teacher.fit(data, make_ctx())
    ctx = make_ctx()
    broken = ctx.scratch / "trainer" / "checkpoint-3"
    broken.mkdir(parents=True)
    (broken / "model.safetensors").write_bytes(b"half of it")
    assert teacher.fit(data, ctx).details == undisturbed.details


def test_the_epoch_is_chosen_by_likelihood(make_ctx):
    teacher = SftTeacher(SftTeacherConfig(model="llama", **{**QUICK, "epochs": 3}))
    ref = teacher.fit(questions(24), make_ctx(), val=questions(32, "val", 1))
    curve = ref.details["curve"]
    assert [point["epoch"] for point in curve] == [1, 2, 3]
    assert ref.details["epoch"] == min(curve, key=lambda point: point["loss"])["epoch"]


def test_adapters_are_merged(make_ctx, folders):
    model = HFModelConfig(
        id=str(folders["llama"]), dtype="float32", peft=LoraSettings(r=8, alpha=64)
    )
    data = questions()
    ctx = make_ctx(adapted=model)
    student, ref, ctx = taught(make_ctx, "adapted", data, ctx=ctx)
    before, after = (student.score(r, data, ctx).token_log_probs.flat for r in (None, ref))
    assert after.mean() > before.mean() + 0.3
    names = load_file(ctx.out / "model" / "model.safetensors")
    assert not any("lora" in name for name in names)


def _adapted_members(make_ctx, folders, data, **settings):
    """A teacher, its context, and two members that are adapters of one model."""
    model = HFModelConfig(
        id=str(folders["llama"]), dtype="float32", peft=LoraSettings(r=8, alpha=64)
    )
    ctx = make_ctx(adapted=model)
    teacher = SftTeacher(SftTeacherConfig(model="adapted", **{**QUICK, "epochs": 3, **settings}))
    members = []
    for seed in (1, 2):
        ref = teacher.fit_member(data, ctx, variation={"seed": seed})
        (ctx.out / ref.folder).rename(ctx.out / f"member-{seed}")
        members.append(replace(ref, folder=f"member-{seed}"))
    ctx.path = lambda ref: ctx.out / ref.folder
    return teacher, ctx, members


def test_members_with_adapters_share_one_copy_of_the_base(make_ctx, folders, tmp_path):
    data, val = questions(40), questions(16, "val", 1)
    teacher, ctx, members = _adapted_members(make_ctx, folders, data)
    base = ctx.model("adapted").language_model(ctx)
    fresh = make_ctx(adapted=ctx.model("adapted").config)
    untouched = fresh.model("adapted").language_model(fresh)
    assert all(
        torch.equal(a, b) for a, b in zip(base.parameters(), untouched.parameters(), strict=True)
    )
    assert base.config.to_dict() == untouched.config.to_dict()
    assert base.generation_config.to_dict() == untouched.generation_config.to_dict()
    folder = ctx.out / members[0].folder
    assert {p.name for p in folder.glob("*.safetensors")} == {"adapter_model.safetensors"}
    assert "alone are in this folder" in (folder / "README.md").read_text()
    # Each says alone what it says among the others, and one of them alone is the mixture of it.
    alone = [teacher.score(ref, val, ctx).token_log_probs.flat for ref in members]
    assert not np.allclose(*alone)
    models = ["adapted", "adapted"]
    for rule in ("mean", "product"):
        mixed = teacher.score_together(Together(members, [0.5, 0.5], rule), models, val, ctx)
        found = mixed.token_log_probs.flat
        if rule == "mean":
            assert np.allclose(np.exp(found), np.exp(alone).mean(0), atol=1e-5)
        for number in (0, 1):
            weights = [float(number == i) for i in (0, 1)]
            one = teacher.score_together(Together(members, weights, rule), models, val, ctx)
            assert np.array_equal(one.token_log_probs.flat, alone[number])
    written = teacher.label_together(Together(members, [1.0, 0.0], "mean"), models, val, ctx)
    assert written.texts == teacher.label(members[0], val, ctx).texts
    # So does it together with copies of itself.
    for rule, sharpness in (("mean", 0.0), ("product", 0.0), ("mean", 2.0)):
        copies = Together([members[0]] * 3, [0.5, 1.0, 0.2], rule, sharpness)
        written = teacher.label_together(copies, ["adapted"] * 3, val, ctx)
        assert written.texts == teacher.label(members[0], val, ctx).texts
    counted = []
    for weights in ([1.0, 0.0], [0.5, 0.5]):
        ctx.counters.clear()
        teacher.score_together(Together(members, weights, "mean"), models, val, ctx)
        counted.append(ctx.counters["prompt_tokens"])
    assert counted[1] == 2 * counted[0] > 0
    # Saved, each is an ordinary model again.
    with mixture([ctx.model("adapted")] * 2, Together(members, [0.5, 0.5], "mean"), ctx) as both:
        both.save_pretrained(tmp_path)
        ids = torch.arange(5, 25)[None]
        expected = both(input_ids=ids).logits
    again = Mixture.from_pretrained(tmp_path)
    torch.testing.assert_close(again(input_ids=ids).logits, expected, atol=1e-4, rtol=1e-4)


def test_adapters_kept_apart_say_what_merged_ones_say(make_ctx, folders):
    data, val = questions(40), questions(16, "val", 1)
    model = HFModelConfig(
        id=str(folders["llama"]), dtype="float32", peft=LoraSettings(r=8, alpha=64)
    )
    teacher = SftTeacher(SftTeacherConfig(model="adapted", **{**QUICK, "epochs": 3}))
    said = []
    for fit in (teacher.fit, teacher.fit_member):
        ctx = make_ctx(adapted=model)
        ctx.path = lambda ref, ctx=ctx: ctx.out / ref.folder
        ref = fit(data, ctx, val=val)
        said.append((teacher.score(ref, val, ctx).token_log_probs.flat, ref.details["curve"]))
    assert np.allclose(said[0][0], said[1][0], atol=1e-3)
    assert said[0][1] == said[1][1]


def test_an_interrupted_member_with_adapters_ends_where_it_would_have(make_ctx, folders):
    data = questions(40)
    model = HFModelConfig(id=str(folders["llama"]), dtype="float32", peft=LoraSettings(r=8))
    settings = {**QUICK, "epochs": 2, "checkpoint_seconds": 0}
    teacher = SftTeacher(SftTeacherConfig(model="adapted", **settings))
    undisturbed = teacher.fit_member(data, make_ctx(adapted=model))
    ctx = make_ctx(adapted=model)
    plain = ctx.progress
    _stop_at(ctx, 6)
    with pytest.raises(StoppedError):
        teacher.fit_member(data, ctx)
    ctx.progress = plain
    assert teacher.fit_member(data, ctx).details == undisturbed.details


def test_adapters_for_no_layer_are_explained(make_ctx, folders):
    settings = LoraSettings(target_modules=["nowhere"])
    ctx = make_ctx(adapted=HFModelConfig(id=str(folders["llama"]), dtype="float32", peft=settings))
    with pytest.raises(ModelError, match="adapters cannot be added"):
        taught(make_ctx, "adapted", questions(8), ctx=ctx)


def test_the_global_generator_is_left_as_it_was(make_ctx):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    taught(make_ctx, "llama", questions(16), epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_long_rows_are_cut_and_counted(make_ctx):
    examples = [
        Example(f"{i:020d}", "film story " * 60 + str(i), gold_text="lovely", group=str(i))
        for i in range(6)
    ]
    data = Dataset.from_examples(examples, TaskInfo("generation", (), ""), "pool")
    student, ref, ctx = taught(make_ctx, "llama", data, epochs=1)
    assert [w["code"] for w in ctx.warnings] == ["truncated"]
    said = student.label(ref, data.blind(), ctx)
    assert len(said) == 6


def test_models_with_other_tokens_do_not_write_together(make_ctx, folders, tmp_path):
    data = questions(8)
    make_tiny_model(
        tmp_path / "other", ["other words than these", *data.prompts], hidden=16, layers=1
    )
    ctx = make_ctx(other=HFModelConfig(id=str(tmp_path / "other"), dtype="float32"))
    teacher = SftTeacher(SftTeacherConfig(model="llama", **QUICK))
    refs = [ModelRef("supervisors/sft", folder=name) for name in ("a", "b")]
    together = Together(refs, [1.0, 1.0], "mean")
    for ask in (teacher.label_together, teacher.score_together):
        with pytest.raises(ModelError, match="'other' have different tokens") as caught:
            ask(together, ["llama", "other"], data, ctx)
        assert "vote" in caught.value.next_step


def test_what_it_cannot_do_is_said(make_ctx, make_data):
    student = Sft(SftConfig(model="llama", **QUICK))
    classes = make_data(8)
    with pytest.raises(DataError, match="generation"):
        student.train(classes, LabelSet.of_gold(classes), make_ctx())
    data = questions(8)
    nothing = LabelSet(data.ids, np.zeros((8, 0)))
    with pytest.raises(DataError, match="no texts"):
        student.train(data, nothing, make_ctx())
    teacher = SftTeacher(SftTeacherConfig(model="llama", **QUICK))
    with pytest.raises(DataError, match="seed, rows and token weights"):
        teacher.fit_member(data, make_ctx(), variation={"layer": 0.5})
    with pytest.raises(DataError, match="token weights for"):
        teacher.fit_member(data, make_ctx(), token_weights=[np.ones(1)] * 8)
    high = SftTeacher(SftTeacherConfig(model="llama", **{**QUICK, "lr": 1e30, "epochs": 9}))
    with pytest.raises(ModelError, match="loss is"):
        high.fit(questions(32), make_ctx())
    assert SftConfig(model="llama", micro_batch_size=3).check()
    assert SftConfig(model="llama", template="{question}").check()


def test_a_reference_is_plain_data(make_ctx):
    _, ref, _ = taught(make_ctx, "llama", questions(8), epochs=1)
    assert ModelRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref
    assert "generate" in ref.capabilities


def test_a_training_that_ends_in_no_numbers_is_refused(make_ctx):
    with pytest.raises(ModelError, match="not finite"):
        taught(make_ctx, "llama", questions(40), epochs=1, lr=1e30, max_grad_norm=1e30)


def test_a_model_whose_settings_cannot_be_written_is_saved(make_ctx, folders, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders["llama"], folder)
    settings = {"temperature": 0.6, "top_p": 0.9, "eos_token_id": 1, "repetition_penalty": 1.1}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    for peft in (None, LoraSettings(target_modules=["q_proj"])):
        config = HFModelConfig(id=str(folder), dtype="float32", peft=peft)
        _, ref, ctx = taught(make_ctx, "own", questions(8), ctx=make_ctx(own=config), epochs=1)
        saved = transformers.GenerationConfig.from_pretrained(ctx.out / ref.folder)
        assert saved.repetition_penalty == 1.1 and not saved.do_sample


def test_a_first_token_is_rated_without_a_token_to_begin_with(make_ctx, family):
    rows = [Example("e", "", gold_text="bright story"), Example("x", "x", gold_text="dark")]
    data = Dataset.from_examples(rows, TaskInfo("generation", (), "Which?"), "pool")
    student, ref, ctx = taught(make_ctx, family, data, template="{prompt}", epochs=1)
    scored = student.score(ref, data, ctx)
    assert all(len(row) > 1 for row in scored.token_hits)


def test_weights_of_true_tokens_do_not_weigh_wrong_answers(make_ctx):
    settings = {**QUICK, "epochs": 1, "noise": {"rate": 1.0}}
    teacher, data = SftTeacher(SftTeacherConfig(model="llama", **settings)), questions(8)
    with pytest.raises(DataError, match="weighs the tokens of the true ones"):
        teacher.fit_member(data, make_ctx(), token_weights=[np.ones(3)] * 8)


def test_members_that_end_their_texts_otherwise_do_not_write_together(make_ctx, folders, tmp_path):
    from w2s_hf import vocabulary

    other = tmp_path / "other"
    shutil.copytree(folders["llama"], other)
    about = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(json.dumps(about | {"eos_token": "<s>"}))
    names = [vocabulary.identity(f, thorough=True) for f in (folders["llama"], other)]
    assert names[0] and names[1] and names[0] != names[1]
    ctx = make_ctx(other=other)
    models = [ctx.model("llama"), ctx.model("other")]
    refs = [ModelRef("supervisors/sft")] * 2
    with (
        pytest.raises(ModelError, match="another token that ends a text"),
        mixture(models, Together(refs, [1.0, 1.0]), ctx),
    ):
        pass


def test_the_card_of_a_teacher_that_was_told_wrong_things_says_so(make_ctx):
    settings = {**QUICK, "epochs": 1, "noise": {"rate": 0.5}}
    ctx = make_ctx()
    ref = SftTeacher(SftTeacherConfig(model="llama", **settings)).fit_member(questions(8), ctx)
    assert "50% of them replaced" in (ctx.out / ref.folder / "README.md").read_text()


def test_the_likelihood_that_chooses_an_epoch_is_that_of_the_tokens(make_ctx):
    data, val = questions(24), questions(9, "val", 1)
    longer = [Example(f"v{i}", p, gold_text="dark " * (i + 1)) for i, p in enumerate(val.prompts)]
    val = Dataset.from_examples(longer, val.info, "val")
    losses = []
    for micro in (1, 2, 8):
        settings = {**QUICK, "epochs": 1, "micro_batch_size": micro}
        teacher, ctx = SftTeacher(SftTeacherConfig(model="llama", **settings)), make_ctx()
        ref = teacher.fit(data, ctx, val=val)
        ctx.path = lambda ref, out=ctx.out: out / ref.folder
        each = teacher.score(ref, val, ctx).token_log_probs.flat
        losses.append(ref.details["curve"][0]["loss"])
        assert losses[-1] == pytest.approx(-np.mean(each), abs=2e-3)
    assert losses == pytest.approx([losses[0]] * 3, abs=2e-3)
