"""The corpus as tokens on disk, made once and read by every model, document by document."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_hf.batches import by_tokens
from w2s_lab.corpus import documents

Ids = npt.NDArray[np.uint16]

CHUNK = 5_000
"""Documents tokenised at a time."""

SHELF = 2_048
"""Documents that are sorted by length together."""


class Library(NamedTuple):
    """Tokens of documents one after the other, and the length of each."""

    flat: Ids
    lengths: Ids

    def starts(self) -> npt.NDArray[np.int64]:
        """Where each document begins."""
        return np.cumsum(self.lengths, dtype=np.int64) - self.lengths


def library(
    folder: Path, tokenizer: Any, wanted: int, seed: int, version: str, course: str
) -> Library:
    """The beginning of a course, ``wanted`` tokens of it, each document between begin and end.

    It is kept in ``folder`` and made longer when more is asked for; what was cut short is continued
    where it ends.

    Args:
        folder: where it is kept.
        tokenizer: of the family.
        wanted: how many tokens.
        seed: of the world.
        version: identifies tokenizer and corpus; tokens of another version are made anew.
        course: one of :data:`w2s_lab.corpus.COURSES`.
    """
    paths = folder / f"{course}.ids", folder / f"{course}.lengths"
    state_file = folder / f"{course}.json"
    state: dict[str, Any] = {"version": version, "documents": 0, "tokens": 0}
    if state_file.is_file():
        found = json.loads(state_file.read_text())
        if found["version"] == version and all(path.is_file() for path in paths):
            state = found
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    stream = documents(course, seed, state["documents"])
    for path, size in zip(paths, (state["tokens"], state["documents"]), strict=True):
        path.touch()
        os.truncate(path, size * 2)
    while state["tokens"] < wanted:
        texts = [next(stream) for _ in range(CHUNK)]
        found = tokenizer(texts, add_special_tokens=False)["input_ids"]
        ids = [[begin, *one] if one[-1] == end else [begin, *one, end] for one in found]
        _append(paths[0], np.concatenate([np.asarray(one, dtype=np.uint16) for one in ids]))
        _append(paths[1], np.asarray([len(one) for one in ids], dtype=np.uint16))
        state["documents"] = state["documents"] + len(ids)
        state["tokens"] = state["tokens"] + sum(map(len, ids))
        beside = state_file.with_suffix(".new")
        beside.write_text(json.dumps(state))
        beside.replace(state_file)
    flat, lengths = (np.fromfile(path, dtype=np.uint16) for path in paths)
    many = int(np.searchsorted(np.cumsum(lengths, dtype=np.int64), wanted, side="right"))
    return Library(flat[: int(lengths[:many].sum(dtype=np.int64))], lengths[:many])


def _append(path: Path, values: Ids) -> None:
    with path.open("ab") as file:
        file.write(values.tobytes())
        file.flush()
        os.fsync(file.fileno())


def cuts(lengths: Ids, budget: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Every document once, in batches of at most ``budget`` padded tokens.

    Documents of about one length go together. They never share a row: what a question refers to is
    then always what stands before it, and positions begin where they do in use.

    Returns:
        Numbers of documents, a batch each.
    """
    out = list[npt.NDArray[np.int64]]()
    for shelf in range(0, len(lengths), SHELF):
        cut = list(by_tokens(lengths[shelf : shelf + SHELF].astype(np.int64), budget))
        order = np.random.default_rng([seed, shelf]).permutation(len(cut))
        out += [cut[number] + shelf for number in order]
    return out


def replies(
    batch: npt.NDArray[np.int64], assistant: int, turns: Collection[int]
) -> npt.NDArray[np.bool_]:
    """Which tokens of a batch (rows, tokens) an assistant says; in rows without one, all.

    A token belongs to the turn that the last mark before it began. ``turns`` are the marks of all turns,
    ``assistant`` among them.
    """
    places = np.where(np.isin(batch, list(turns)), np.arange(batch.shape[1]), -1)
    last = np.maximum.accumulate(places, axis=1)
    begun = np.take_along_axis(batch, np.maximum(last, 0), axis=1)
    said = np.zeros(batch.shape, dtype=np.bool_)
    said[:, 1:] = ((begun == assistant) & (last >= 0))[:, :-1]
    alone = ~(batch == assistant).any(axis=1)
    return np.asarray(said | alone[:, None])


def padded(
    books: Library, starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], pad: int
) -> npt.NDArray[np.int64]:
    """Tokens of some documents (rows, tokens), filled up at the end.

    ``starts`` is where each document of ``books`` begins.
    """
    batch = np.full((len(rows), int(books.lengths[rows].max())), pad, dtype=np.int64)
    for row, document in zip(batch, rows, strict=True):
        length, begin = books.lengths[document], starts[document]
        row[:length] = books.flat[begin : begin + length]
    return batch
