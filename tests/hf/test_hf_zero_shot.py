"""Likelihoods of answers against a computation one sequence at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from w2s_hf.config import HFModelConfig, ZeroShotConfig
from w2s_hf.zero_shot import ZeroShot, render
from w2s_toolkit.data import Dataset, Example, TaskInfo
from w2s_toolkit.errors import DataError, ModelError

CHOICES = ("good", "awful and very sad", "it")


def data_of(prompts, choices=CHOICES, evidence=None):
    info = TaskInfo("classification", choices, "Which?")
    rows = [Example(str(i), p, choices, evidence=evidence) for i, p in enumerate(prompts)]
    return Dataset.from_examples(rows, info, "pool")


def naive(folder, text, answer, start):
    """Log-probabilities of ``text + ' ' + answer`` from token ``start`` on, one pass a sequence."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(f"{text} {answer}", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        log_probs = torch.log_softmax(model(ids).logits[0], -1)
    return np.array([float(log_probs[i - 1, ids[0, i]]) for i in range(start, ids.shape[1])])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("mean", [False, True])
def test_batched_scores_equal_one_at_a_time(family, mean, make_ctx, folders):
    data = data_of(["the film was", "a plot", "the story of the film with very seemed end was"])
    config = ZeroShotConfig(
        model=family, template="{prompt}\n{question}\nAnswer:", length_normalise=mean
    )
    ours = ZeroShot(config).label(None, data, make_ctx())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[family])
    for row, prompt in enumerate(data.prompts):
        text = f"{prompt}\nWhich?\nAnswer:"
        start = len(tokenizer(text)["input_ids"])
        parts = [naive(folders[family], text, c, start) for c in CHOICES]
        scores = np.array([p.mean() if mean else p.sum() for p in parts])
        expected = np.exp(scores) / np.exp(scores).sum()
        assert np.abs(ours.probs[row] - expected).max() < 1e-5
    assert ours.classes == CHOICES
    small = ZeroShot(config.model_copy(update={"label_tokens": 1})).label(None, data, make_ctx())
    assert np.abs(small.probs - ours.probs).max() < 1e-5


def test_tiny_stories_begins_every_prompt_with_its_own_token(tiny_stories, make_ctx):
    data = data_of(["Once upon a time there was a"], ("cat", "galaxy"))
    config = ZeroShotConfig(model="stories", template="{prompt}")
    ours = ZeroShot(config).label(None, data, make_ctx(stories=tiny_stories))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_stories)
    ids = [tokenizer(f"{data.prompts[0]} {c}")["input_ids"] for c in ("cat", "galaxy")]
    assert ids[0][0] == tokenizer.bos_token_id
    start = next(i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b)
    start = min(start, len(tokenizer(data.prompts[0])["input_ids"]))
    scores = np.array(
        [naive(tiny_stories, data.prompts[0], c, start).sum() for c in data.info.classes]
    )
    expected = np.exp(scores) / np.exp(scores).sum()
    assert np.abs(ours.probs[0] - expected).max() < 1e-5
    assert ours.probs[0, 0] > 0.5


def test_inserted_text_is_never_expanded_again():
    text = render(
        "{prompt}|{question}|{other}", prompt="{question} {evidence}", question="{prompt}"
    )
    assert text == "{question} {evidence}|{prompt}|{other}"
    assert render("{prompt}", prompt="p", question="", evidence="{prompt}") == "{prompt}\n\np"
    assert render("{evidence}:{prompt}", prompt="p", question="", evidence="e") == "e:p"


def test_long_prompts_are_cut_at_the_front_and_counted(make_ctx):
    ctx = make_ctx()
    long = "the film was very " * 60
    data = data_of([long + "good story", "the film"])
    labels = ZeroShot(ZeroShotConfig(model="gpt2")).label(None, data, ctx)
    assert ctx.counters["truncated"] == 1
    assert np.all(np.isfinite(labels.probs))
    same_end = data_of(["was very was very " + long + "good story"])
    other = ZeroShot(ZeroShotConfig(model="gpt2")).label(None, same_end, make_ctx())
    assert np.abs(other.probs[0] - labels.probs[0]).max() < 1e-5


def test_answers_that_cannot_be_scored_are_errors(make_ctx, folders):
    config = ZeroShotConfig(model="gpt2")
    with pytest.raises(DataError, match="choices"):
        ZeroShot(config).label(None, data_of(["a"], ("only",)), make_ctx())
    short = HFModelConfig(id=str(folders["gpt2"]), dtype="float32", max_length=8)
    with pytest.raises(ModelError, match="does not fit"):
        ZeroShot(config).label(
            None, data_of(["a"], ("it " * 30, "was " * 30)), make_ctx(gpt2=short)
        )


def test_a_template_without_the_prompt_is_a_problem():
    assert "{prompt}" in ZeroShotConfig(model="m", template="Answer:").check()[0]
    assert ZeroShotConfig(model="m", train_on="weak_train").check()
    assert ZeroShotConfig(model="m").check() == []
