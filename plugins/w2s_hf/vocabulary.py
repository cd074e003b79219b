"""The tokens of a model, from its files: whether two models can write one text together.

Imports neither torch nor transformers, unless files are of a kind that transformers alone reads.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from w2s_toolkit.digest import hash_of

FILES = (
    *("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*"),
    *("merges.txt", "spiece.model", "sentencepiece*.model", "*.tiktoken"),
)
"""What tells the tokens of a model."""

_SPECIAL = tuple(f"{use}_token" for use in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))


def identity(folder: Path, *, thorough: bool, code: bool = False) -> str:
    """Hash of all tokens with their numbers, of which one ends a text, and of how many the network knows.

    Args:
        folder: of a model.
        thorough: open the tokenizer where its files alone do not tell; otherwise that gives "".
        code: whether Python code that comes with the model may run.

    Raises:
        ModelError: with ``thorough``, the tokenizer cannot be opened.
    """
    try:
        stat = (folder / "tokenizer.json").stat()
        found = _from_files(folder, stat.st_mtime_ns, stat.st_size)
    except OSError:
        found = ""
    return found or (_opened(folder, code) if thorough else "")


@lru_cache(maxsize=64)
def _from_files(folder: Path, _modified: int, _size: int) -> str:
    """The identity, of a tokenizer.json that was not changed since; "" where it does not tell."""
    try:
        raw = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        tokens = _listed(raw["model"]["vocab"])
        tokens |= {str(one["content"]): int(one["id"]) for one in raw.get("added_tokens") or ()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    settings = _read(folder / "tokenizer_config.json")
    special = [settings.get(name) for name in _SPECIAL]
    named = [one.get("content") if isinstance(one, dict) else one for one in special]
    if any(one is not None and one not in tokens for one in named):
        return ""  # it is given a number when the tokenizer is opened
    end = named[_SPECIAL.index("eos_token")]
    if end is None:
        return ""  # it may be named elsewhere
    return _hash(folder, tokens, tokens[str(end)])


def _listed(vocabulary: Any) -> dict[str, int]:
    if isinstance(vocabulary, dict):
        return {str(token): int(number) for token, number in vocabulary.items()}
    return {str(token): number for number, (token, _) in enumerate(vocabulary)}


def _opened(folder: Path, code: bool) -> str:
    from w2s_hf.loading import load_tokenizer

    tokenizer = load_tokenizer(folder, folder.name, code=code)
    return _hash(folder, tokenizer.get_vocab(), tokenizer.eos_token_id)


def _hash(folder: Path, tokens: dict[str, int], end: int | None) -> str:
    config = _read(folder / "config.json")
    text = config.get("text_config")
    size = (text if isinstance(text, dict) else config).get("vocab_size")
    return hash_of({"tokens": tokens, "size": size, "end": end})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
