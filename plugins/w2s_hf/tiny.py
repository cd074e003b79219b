"""Makes a tiny untrained model with a tokenizer of its own: ``python -m w2s_hf.tiny FOLDER``.

Such a model knows nothing but what it is fine-tuned on. It serves as the weakest possible
teacher, and in tests as a real transformers model that loads in milliseconds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

Family = Literal["llama", "gpt2", "bert"]


def make_tiny_model(
    folder: Path,
    texts: Iterable[str],
    *,
    family: Family = "llama",
    hidden: int = 64,
    layers: int = 2,
    vocabulary: int = 1000,
    seed: int = 0,
) -> Path:
    """Save a tokenizer trained on ``texts`` and random weights as an ordinary hub folder.

    Args:
        folder: written anew.
        texts: what the tokenizer learns its words from.
        family: a decoder (``llama``, ``gpt2``) or an encoder (``bert``).
        hidden, layers: width and depth.
        vocabulary: at most so many tokens.
        seed: of the random weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    from w2s_hf.quiet import quiet

    tokenizer = _tokenizer(texts, vocabulary)
    config = _config(family, len(tokenizer), hidden, layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind = AutoModelForMaskedLM if family == "bert" else AutoModelForCausalLM
        model = kind.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<s>", "</s>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        mask_token="<mask>",
        model_max_length=512,
    )


def _config(family: Family, vocabulary: int, hidden: int, layers: int) -> Any:
    from transformers import BertConfig, GPT2Config, LlamaConfig

    heads = max(1, hidden // 32)
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if family == "gpt2":
        return GPT2Config(
            vocab_size=vocabulary, n_positions=512, n_embd=hidden, n_layer=layers, n_head=heads,
            **special,
        )  # fmt: skip
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": 512,
    }
    if family == "bert":
        return BertConfig(**sizes, pad_token_id=0)
    return LlamaConfig(**sizes, tie_word_embeddings=True, **special)


def _texts(path: Path) -> list[str]:
    """Every string in a file of JSON lines."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [value for row in rows for value in row.values() if isinstance(value, str)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a tiny untrained model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, required=True, help="JSON lines to learn words from")
    given = parser.parse_args()
    print(f"wrote {make_tiny_model(given.folder, _texts(given.texts))}")
