"""Texts as token ids: once per text, in one flat array, with what was lost on the way counted."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from w2s_hf.model import HFModel
from w2s_hf.quiet import quiet
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset
from w2s_toolkit.errors import ModelError
from w2s_toolkit.evidence import evidence_text

_CHECKED_TEXTS = 512


@dataclass(frozen=True)
class Tokens:
    """Token ids of n texts.

    Attributes:
        flat: all ids, one text after the other.
        offsets: (n + 1,) where each text begins.
        truncated: number of texts that were cut.
        limit: tokens after which they were cut; None where there is no limit.
        lost: characters that the tokenizer drops.
        lost_from: a piece of a text that holds one of them.
    """

    flat: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    truncated: int = 0
    limit: int | None = None
    lost: str = ""
    lost_from: str = ""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, shape (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[Any]) -> Tokens:
        """The texts at these positions, in this order."""
        pieces = [self.flat[self.offsets[r] : self.offsets[r + 1]] for r in rows]
        return from_lists(pieces)

    def batch(self, rows: npt.NDArray[Any], device: torch.device) -> dict[str, torch.Tensor]:
        """``input_ids`` and ``attention_mask``, each (len(rows), longest), padded on the right.

        Padding is id 0 whatever the tokenizer says: nothing reads it, since both attention and
        pooling go by the mask.
        """
        lengths = self.lengths[rows]
        ids = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        ids[mask] = np.concatenate([self.flat[self.offsets[r] : self.offsets[r + 1]] for r in rows])
        return {
            "input_ids": torch.from_numpy(ids).to(device, non_blocking=True),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)).to(device, non_blocking=True),
        }


def from_lists(lists: Sequence[Any], **details: Any) -> Tokens:
    """Tokens from one sequence of ids a text."""
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(ids) for ids in lists], out=offsets[1:])
    flat = np.fromiter(chain.from_iterable(lists), np.int32, int(offsets[-1]))
    return Tokens(flat, offsets, **details)


def texts_of(data: Dataset) -> list[str]:
    """What a classifier reads of each row: the prompt, after the evidence if there is any."""
    return [text for batch in data.batches() for text, _ in _texts(batch)]


def _texts(batch: Dataset) -> Iterator[tuple[str, bool]]:
    """Each row's text, and whether evidence is part of it."""
    evidence = batch.column("evidence").to_pylist()
    for text, prompt in zip(evidence, batch.prompts, strict=True):
        before = evidence_text(text)
        yield (f"{before}\n\n{prompt}", True) if before else (prompt, False)


def tokenise(data: Dataset, model: HFModel, ctx: Context, limit: int | None) -> Tokens:
    """Tokens of :func:`texts_of`, shared between stages; warns of what was cut or lost.

    Texts with evidence are cut at the front, so that the prompt stays; others at the end. Goes
    through the rows twice and piece by piece: a large pool is never all in Python objects.
    """
    tokenizer = model.tokenizer(ctx)
    limit = length_limit(tokenizer, model.transformers_config(ctx), limit, model.config.max_length)
    name = f"hf-tokens:{model.fingerprint}:{_hash(data)}:{limit}"
    tokens = ctx.shared(name, lambda: _tokenise(tokenizer, data, limit), needs=[model.fingerprint])
    _report(tokens, model, ctx)
    return tokens


def length_limit(tokenizer: Any, config: Any, *wanted: int | None) -> int | None:
    """The smallest of the lengths wanted, the model's positions and the tokenizer's limit."""
    config = config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None)
    if positions and getattr(config, "model_type", "") in _OFFSET_POSITIONS:
        # RoBERTa and its kin count positions from pad_token_id + 1.
        positions -= (getattr(config, "pad_token_id", None) or 0) + 1
    stated = getattr(tokenizer, "model_max_length", None)
    limits = [*wanted, positions, stated if stated and stated < 10**9 else None]
    return min((int(n) for n in limits if n and n > 0), default=None)


_OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer", "roberta-prelayernorm"}
)


def _tokenise(tokenizer: Any, data: Dataset, limit: int | None) -> Tokens:
    parts, over = [from_lists([])], 0
    sample = _Sample()
    for batch in data.batches():
        texts, with_evidence = zip(*_texts(batch), strict=True)
        with quiet():
            ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=True)["input_ids"]
            long = [r for r, row in enumerate(ids) if limit is not None and len(row) > limit]
            for side in ("right", "left"):
                rows = [r for r in long if with_evidence[r] == (side == "left")]
                if rows:
                    cut = _cut(tokenizer, [texts[r] for r in rows], limit, side)
                    for row, short in zip(rows, cut, strict=True):
                        ids[row] = short
        over += len(long)
        sample.look_at(texts)
        # A text that gives no token at all still needs one place for the head to read.
        parts.append(from_lists([row or [_some_id(tokenizer)] for row in ids]))
    lost, where = lost_characters(tokenizer, sample.texts)
    lengths = np.concatenate([part.lengths for part in parts])
    return Tokens(
        np.concatenate([part.flat for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]),
        truncated=over,
        limit=limit,
        lost=lost,
        lost_from=where,
    )


class _Sample:
    """Texts that together hold every character of the data, as far as :data:`_CHECKED_TEXTS` go."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.texts: list[str] = []

    def look_at(self, texts: Sequence[str]) -> None:
        """Keep those that bring a character not seen before."""
        for text in texts:
            new = set(text) - self._seen
            if new and len(self.texts) < _CHECKED_TEXTS:
                self._seen |= new
                self.texts.append(text)


def _cut(tokenizer: Any, texts: list[str], limit: int | None, side: str) -> list[list[int]]:
    before = tokenizer.truncation_side
    tokenizer.truncation_side = side
    try:
        cut: list[list[int]] = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
    finally:
        tokenizer.truncation_side = before
    return cut


def _some_id(tokenizer: Any) -> int:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    return 0


def lost_characters(tokenizer: Any, texts: Sequence[str]) -> tuple[str, str]:
    """Characters of ``texts`` that do not come back from the tokenizer, sorted, and an example.

    Case, accents and white space are not counted: many tokenizers fold them on purpose.
    """
    with quiet():
        ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        back = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    lost: set[str] = set()
    example = ""
    for text, decoded in zip(texts, back, strict=True):
        gone = _folded(text) - _folded(decoded)
        if gone and not example:
            at = next((i for i, c in enumerate(text) if _folded(c) & gone), 0)
            example = text[max(0, at - 20) : at + 20].strip()
        lost |= gone
    return "".join(sorted(lost)), example


def _folded(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return {c for c in plain if not unicodedata.combining(c) and not c.isspace()}


def _report(tokens: Tokens, model: HFModel, ctx: Context) -> None:
    if tokens.truncated:
        ctx.count("truncated", tokens.truncated)
        ctx.warn(
            "truncated",
            f"{tokens.truncated} of {len(tokens)} texts were cut to {tokens.limit} tokens",
        )
    if tokens.lost:
        ctx.warn(
            "tokenizer_loses_characters",
            f"the tokenizer of {model.name} does not give back these characters: {tokens.lost[:40]} "
            f"(for example in {tokens.lost_from!r})",
        )


def _hash(data: Dataset) -> str:
    # Ids may come with the data rather than from the content, so the texts themselves count.
    h = hashlib.sha256()
    for batch in data.batches():
        for text, flag in _texts(batch):
            raw = text.encode("utf-8", "surrogatepass")
            h.update(f"{len(raw)}:{int(flag)}:".encode())
            h.update(raw)
    return h.hexdigest()


def require_vocabulary(tokens: Tokens, vocabulary: int, model: HFModel) -> None:
    """Refuse ids the embedding has no row for, before they become an index error in a kernel.

    Raises:
        ModelError: tokenizer and weights do not belong together.
    """
    largest = int(tokens.flat.max()) if len(tokens.flat) else 0
    if largest >= vocabulary:
        raise ModelError(
            f"the tokenizer of {model.name!r} gives id {largest}, but the model has "
            f"{vocabulary} embeddings",
            where=str(model.folder),
            next_step="copy the tokenizer files from where the weights come from",
        )
