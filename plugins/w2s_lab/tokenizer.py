"""The tokenizer that all models of the family share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from w2s_lab.chat import BEGIN, CLOSE_QUOTE, END, OPEN_QUOTE, PAD, SPECIAL, TEMPLATE
from w2s_lab.family import CONTEXT, VOCABULARY

SINGLE = ("yes", "no", "Yes", "No", "A", "B", "C", "D")
"""Answers that are one token each, with and without a blank before them; digits are too."""


def train(texts: Iterable[str]) -> Tokenizer:
    """Byte-level BPE over ``texts``: any text can be written, words of the corpus in few tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A digit is a token of its own, and so is the blank before a number.
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    marks = [
        AddedToken(mark, normalized=False, special=False) for mark in (OPEN_QUOTE, CLOSE_QUOTE)
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(marks),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_singles(texts), trainer)
    tokenizer.add_tokens(marks)
    return tokenizer


def _with_singles(texts: Iterable[str]) -> Iterator[str]:
    yield from (
        text.replace(OPEN_QUOTE, " ").replace(CLOSE_QUOTE, " ") for text in _unmarked(texts)
    )
    # Often enough that each is merged whatever else the corpus holds.
    for word in SINGLE:
        for _ in range(20_000):
            yield word
            yield f" {word}"


def _unmarked(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for token in SPECIAL:
            text = text.replace(token, "\n")
        yield from text.split("\n")


def fast(tokenizer: Tokenizer) -> Any:
    """The tokenizer as transformers uses it, with special tokens and the chat template."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        additional_special_tokens=[t for t in SPECIAL if t not in (BEGIN, END, PAD)],
    )
