"""Tokenizer and pretraining: from nothing, with interruptions, to folders that anybody can open."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from w2s_lab import tokenizer as tokenizers
from w2s_lab.beginning import begin
from w2s_lab.chat import SPECIAL, conversation
from w2s_lab.corpus import documents
from w2s_lab.family import MEMBERS, VOCABULARY
from w2s_lab.reading import Library, cuts, library, padded, replies


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tokenizers.fast(tokenizers.train(islice(documents("corpus"), 2000)))


def test_in_conversations_only_replies_count() -> None:
    user, assistant, end = 7, 8, 9
    batch = np.array(
        [
            [1, user, 20, 21, assistant, 30, 31, end],
            [1, assistant, 30, end, user, 20, end, 0],
            [1, 20, 21, 22, end, 0, 0, 0],
        ]
    )
    counted = replies(batch, assistant, [user, assistant])
    assert counted[0].tolist() == [False] * 5 + [True] * 3
    assert counted[1].tolist() == [False, False, True, True, True, False, False, False]
    assert counted[2].all(), "no conversation: all of it counts"


def test_answers_and_digits_are_single_tokens(tokenizer: Any) -> None:
    assert len(tokenizer) == VOCABULARY
    for word in ("yes", "no", "Yes", "No", "A", "B", "C", "D"):
        assert len(tokenizer.tokenize(word)) == len(tokenizer.tokenize(f" {word}")) == 1, word
    assert tokenizer.tokenize("1234567890") == list("1234567890")
    for mark in ("<quote>", "</quote>", *SPECIAL):
        assert tokenizer.tokenize(mark) == [mark]


def test_any_text_comes_back_as_it_was(tokenizer: Any) -> None:
    texts = [
        *islice(documents("corpus", start=9_000), 300),
        "Ünïcode 漢字 🙂\n\ttabs  and  blanks 12.50",
    ]
    for text in texts:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_quotes_survive_where_special_tokens_are_skipped(tokenizer: Any) -> None:
    ids = tokenizer("<|assistant|><quote>It was fine.</quote> So.<|end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<quote>It was fine.</quote> So."


def test_the_chat_template_writes_what_the_corpus_holds(tokenizer: Any) -> None:
    turns = ["What is it?", "A fish.", "And why?"]
    messages = [
        {"role": "system", "content": "Say what you know."},
        *({"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(turns)),
    ]
    made = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert made == f"<|begin|>{conversation(turns, 'Say what you know.')}<|assistant|>"


def test_batches_hold_every_document_once_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 5000).astype(np.uint16)
    flat = np.repeat(np.arange(5000) % 900 + 1, lengths).astype(np.uint16)
    books = Library(flat, lengths)
    found = [padded(books, books.starts(), rows, 0) for rows in cuts(lengths, 512, 1)]
    rows = [tuple(row[row > 0]) for batch in found for row in batch]
    wanted = [(i % 900 + 1,) * int(n) for i, n in enumerate(lengths)]
    assert sorted(rows) == sorted(wanted)
    assert all(batch.size <= 512 for batch in found)
    assert all((np.diff((row > 0).astype(int)) <= 0).all() for batch in found for row in batch)
    assert sum(batch.size for batch in found) < 1.1 * lengths.sum()


def test_the_library_is_the_same_however_often_it_was_interrupted(
    tokenizer: Any, tmp_path: Path
) -> None:
    whole = library(tmp_path, tokenizer, 400_000, 1, "v", "corpus")
    (tmp_path / "b").mkdir()
    library(tmp_path / "b", tokenizer, 1000, 1, "v", "corpus")
    # What was written after the last note of how far it went.
    with (tmp_path / "b" / "corpus.ids").open("ab") as file:
        file.write(b"rubbish")
    again = library(tmp_path / "b", tokenizer, 400_000, 1, "v", "corpus")
    assert np.array_equal(whole.flat, again.flat)
    assert np.array_equal(whole.lengths, again.lengths)
    assert len(whole.flat) <= 400_000 < len(whole.flat) + 2000
    assert whole.lengths.sum() == len(whole.flat)


def test_one_head_of_a_new_model_looks_at_the_token_before() -> None:
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    for member in MEMBERS.values():
        config = transformers.LlamaConfig(**member.config(), **special)
        config._attn_implementation = "eager"
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(config).eval()
        begin(model)
        ids = torch.randint(3, VOCABULARY, (4, 200))
        with torch.no_grad():
            seen = model(ids, output_attentions=True).attentions[0]
        before = seen.diagonal(-1, 2, 3).mean((0, 2))
        assert before[0] > 0.8
        assert (before[1:] < 0.1).all()


def _pretrain(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "w2s_lab.pretrain", "--out", str(out), "--models", "lab-xs"]
    return subprocess.Popen(
        [*command, "--tokens", "160000", "--threads", "1", "--save-every", "0", "--no-probes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow(seconds=30)
def test_pretraining_goes_on_after_a_kill_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    undisturbed = _pretrain(tmp_path / "a")
    out, _ = undisturbed.communicate(timeout=200)
    assert undisturbed.returncode == 0, out
    killed = _pretrain(tmp_path / "b")
    checkpoint = tmp_path / "b" / "lab-xs" / "lessons" / "checkpoint.pt"
    until = time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "b" / "lab-xs" / "model.safetensors").exists()
    again = _pretrain(tmp_path / "b")
    out, _ = again.communicate(timeout=200)
    assert again.returncode == 0, out
    assert "goes on at step" in out
    assert not checkpoint.exists()
    weights = [
        hashlib.sha256((tmp_path / n / "lab-xs" / "model.safetensors").read_bytes()).hexdigest()
        for n in "ab"
    ]
    assert weights[0] == weights[1]
    courses = json.loads((tmp_path / "b" / "lab-xs" / "loss.json").read_text())["courses"]
    assert list(courses) == ["texts", "lessons", "corpus", "exercises", "drills"]
    first, last = (courses[name]["losses"] for name in ("texts", "drills"))
    assert first[0][1] > last[-1][1] + 1
    assert 17_000 < courses["exercises"]["tokens"] <= 19_200
    opened = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "a" / "lab-xs")
    assert opened.num_parameters() < 100_000
