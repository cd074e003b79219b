"""Writing with one model and with four that write together: milliseconds a token.

Four untrained language models of 10M weights and one vocabulary write the same number of tokens after
the same prompts, greedily and with KV caches, once alone and once mixed token by token. Both take
turns; each time is the mean over all tokens of a batch, the prompt's one pass included.

    python benchmarks/decoding.py [--members 4] [--rows 16] [--tokens 64] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
import transformers
from _machine import describe

from w2s_hf.mixture import Mixture
from w2s_hf.quiet import quiet

PROMPT, VOCABULARY = 64, 8192


def main() -> None:
    """Take the times in turns and print them with their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--rows", type=int, default=16, help="texts that are written at a time")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe())
    members = [_model(seed) for seed in range(options.members)]
    weights = sum(p.numel() for p in members[0].parameters())
    print(
        f"{weights / 1e6:.1f}M weights, {options.rows} prompts of {PROMPT} tokens, {options.tokens} "
        f"new tokens each, {torch.get_num_threads()} threads, {options.rounds} rounds"
    )
    both: dict[str, Any] = {
        "one": members[0],
        **{
            f"{options.members}, {rule}": Mixture(members, [1.0] * len(members), rule)
            for rule in ("mean", "product")
        },
    }
    times: dict[str, list[float]] = {name: [] for name in both}
    for number in range(options.rounds + 1):
        for name, model in both.items():
            taken = _write(model, options.rows, options.tokens)
            if number:  # the first round warms up
                times[name].append(1000 * taken / options.tokens)
    one = statistics.median(times["one"])
    print(f"{'members':<14}{'ms a token':>12}{'of one':>10}   (range over rounds)")
    for name, values in times.items():
        ratios = [a / b for a, b in zip(values, times["one"], strict=True)]
        print(
            f"{name:<14}{statistics.median(values):>12.1f}{statistics.median(values) / one:>10.2f}"
            f"   ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def _model(seed: int) -> Any:
    """A Llama of six layers with random weights."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=320,
        intermediate_size=880,
        num_hidden_layers=6,
        num_attention_heads=5,
        tie_word_embeddings=True,
        max_position_embeddings=512,
    )
    return transformers.LlamaForCausalLM(config).eval()


def _write(model: Any, rows: int, tokens: int) -> float:
    """Seconds for all tokens of one batch."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, VOCABULARY, (rows, PROMPT), generator=generator)
    started = time.perf_counter()
    with torch.inference_mode(), quiet():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=2,
        )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
