"""Local chat models: batched, with shared beginnings read once, beside a loop over one example at a time.

Two pieces of work, both with lab-l on rows of lab_claims. *Choices*: the log-likelihood of both answers to a
judge's question that begins with a text and what was said about it. *Debate*: both sides' argument about each text,
greedily. The loop does what a plain script does: one prompt through ``model.generate`` (with its KV cache), and one
pass for each choice. Both take turns in every round; the texts and scores of both are compared.

    python benchmarks/local_chat.py [--rows 64] [--tokens 60] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from _machine import describe

from w2s_hf.chat_text import ChatText
from w2s_hf.quiet import quiet
from w2s_lab.config import LabClaimsConfig, LabModelConfig
from w2s_lab.model import LabModel
from w2s_lab.tasks import LabClaims
from w2s_toolkit.contracts import ChatRequest, Message
from w2s_toolkit.testing import tiny_context

SIDES = ("Argue that the writer was unhappy.", "Argue that the writer was pleased.")
CHOICES = ("no", "yes")
GOALS = {"choices": 2.0, "debate": 1.5}


def main() -> None:
    """Take the times in turns and print them with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=60, help="tokens of an argument at most")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    texts = _texts(options.rows)
    arguing = [
        ChatRequest((Message("user", f"{text} {side}"),), options.tokens)
        for text in texts
        for side in SIDES
    ]
    judging = [
        ChatRequest((Message("user", f"{text} {' '.join(SIDES)} Was the writer {word}?"),), 1)
        for text in texts
        for word in ("pleased", "unhappy")
    ]
    with tempfile.TemporaryDirectory() as folder:
        context = tiny_context(Path(folder))
        context.threads = torch.get_num_threads()
        model = LabModel(LabModelConfig(id="lab-l", dtype="float32", device="cpu"))
        loop = Loop(model, context)
        work: dict[str, tuple[int, Callable[[], Any], Callable[[], Any]]] = {
            "choices": (
                len(judging),
                lambda: asyncio.run(
                    model.chat(context).score_many(judging, [CHOICES] * len(judging))
                ),
                lambda: [loop.scores(request) for request in judging],
            ),
            "debate": (
                len(arguing),
                lambda: asyncio.run(model.chat(context).generate_many(arguing)),
                lambda: [loop.text(request) for request in arguing],
            ),
        }
        print(
            f"{options.rows} texts, {torch.get_num_threads()} threads, {options.rounds} rounds in turns\n"
        )
        print("| | loop | batched | ratio, lowest to highest | goal | same |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, (many, batched, alone) in work.items():
            _measure(name, many, batched, alone, options.rounds)


def _measure(
    name: str, many: int, batched: Callable[[], Any], alone: Callable[[], Any], rounds: int
) -> None:
    times: dict[str, list[float]] = {"loop": [], "batched": []}
    for number in range(rounds + 1):
        found = {}
        for way, run in (("loop", alone), ("batched", batched)):
            started = time.perf_counter()
            found[way] = run()
            if number:  # the first round warms up
                times[way].append(time.perf_counter() - started)
    ratios = [a / b for a, b in zip(times["loop"], times["batched"], strict=True)]
    same = sum(_alike(a, b) for a, b in zip(found["loop"], found["batched"], strict=True)) / many
    rates = [many / statistics.median(times[way]) for way in ("loop", "batched")]
    print(
        f"| {name} | {rates[0]:.1f}/s | {rates[1]:.1f}/s | {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}) | {GOALS[name]} | {same:.0%} |"
    )


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str):
        return bool(one == other.text)
    return all(abs(a - b) < 1e-3 for a, b in zip(one, other.log_probs, strict=True))


def _texts(rows: int) -> list[str]:
    task = LabClaims(LabClaimsConfig(difficulty=[4], rows_seed=1000))
    made = [row.prompt for number in range(rows) for row in task.group(number, 4)][:rows]
    return [prompt.partition("\n")[0].removeprefix("Text: ") for prompt in made]


class Loop:
    """One example at a time, the plain way."""

    def __init__(self, model: LabModel, context: Any) -> None:
        self._network = model.language_model(context)
        self._tokenizer = model.tokenizer(context)
        self._text = ChatText(self._tokenizer, model.name)

    def text(self, request: ChatRequest) -> str:
        """A greedy answer."""
        prompt = torch.tensor([self._text.prompt(request.messages).ids])
        with torch.inference_mode(), quiet():
            out = self._network.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=request.max_tokens,
                do_sample=False,
            )
        written = out[0, prompt.shape[1] :]
        return str(self._tokenizer.decode(written, skip_special_tokens=True)).strip()

    def scores(self, request: ChatRequest, choices: Sequence[str] = CHOICES) -> list[float]:
        """Log-likelihood of each choice."""
        prompt = self._text.prompt(request.messages).ids
        found = []
        for choice in choices:
            ids = self._text.answer(choice)
            with torch.inference_mode():
                logits = self._network(input_ids=torch.tensor([prompt + ids])).logits[0]
            log_probs = torch.log_softmax(logits.float(), dim=-1)
            found.append(sum(log_probs[len(prompt) + i - 1, t].item() for i, t in enumerate(ids)))
        return found


if __name__ == "__main__":
    main()
