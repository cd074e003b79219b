"""Makes the family from nothing: ``python -m w2s_lab.pretrain``.

Writes one folder a model under ``--out``, with its card. Interrupted, it goes on where the last
checkpoint was written. Reads nothing but the seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from w2s_toolkit.threads import calm_openmp

os.environ.update(calm_openmp(os.environ))  # read when torch loads OpenMP
import numpy as np
import numpy.typing as npt
import torch

from w2s_hf.checkpoint import Checkpoints
from w2s_lab import tokenizer as tokenizers
from w2s_lab.beginning import begin
from w2s_lab.card import write_card
from w2s_lab.chat import ASSISTANT, SYSTEM, USER
from w2s_lab.corpus import COURSES, documents
from w2s_lab.family import MEMBERS, Member
from w2s_lab.muon import Muon
from w2s_lab.probes import examine
from w2s_lab.reading import Library, cuts, library, padded, replies
from w2s_lab.world import SEED, the_world

BATCH_TOKENS = 2048
"""Tokens of a step, padding included."""

WARMUP = 0.02

TOKENIZER_DOCUMENTS = 30_000


def main(argv: list[str] | None = None) -> None:
    """Make the models that are asked for, from the smallest to the largest."""
    parser = argparse.ArgumentParser(prog="python -m w2s_lab.pretrain", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("lab"), help="where the folders go")
    parser.add_argument("--models", nargs="+", choices=MEMBERS, default=list(MEMBERS))
    parser.add_argument("--seed", type=int, default=SEED, help="of the world and the weights")
    parser.add_argument("--tokens", type=int, help="read this many instead of each model's own")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of the processor; all by default")
    parser.add_argument("--no-probes", action="store_true", help="leave probes and cards out")
    parser.add_argument("--save-every", type=float, default=60, help="seconds between checkpoints")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = the_tokenizer(args.out, args.seed)
    members = [MEMBERS[name] for name in MEMBERS if name in args.models]
    if args.tokens:
        members = [replace(member, tokens=args.tokens) for member in members]
    version = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:16]
    for member in members:
        shelves = {
            name: library(
                args.out, tokenizer, int(member.tokens * course.tokens), args.seed, version, name
            )
            for name, course in COURSES.items()
        }
        out = args.out / member.name
        made = pretrain(member, shelves, tokenizer, out, args.seed, args.device, args.save_every)
        known_world = args.seed == SEED  # the probes ask about the world of the shipped models
        if known_world and not args.no_probes and not (out / "card.json").is_file():
            print(f"{member.name}  probes", flush=True)
            write_card(out, member, made, examine(out))
        print(f"{member.name}  is in {out}", flush=True)


def the_tokenizer(out: Path, seed: int) -> Any:
    """Train the tokenizer on the beginning of the corpus, or read it if that was done."""
    from transformers import PreTrainedTokenizerFast

    folder = out / "tokenizer"
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    made = tokenizers.fast(tokenizers.train(islice(documents("corpus", seed), TOKENIZER_DOCUMENTS)))
    made.save_pretrained(folder)
    return made


def pretrain(
    member: Member,
    shelves: Mapping[str, Library],
    tokenizer: Any,
    folder: Path,
    seed: int,
    device: str,
    save_every: float,
) -> dict[str, Any]:
    """Let one model read all courses; save it as half-precision safetensors.

    Each course begins with what the one before saved, and leaves a folder of its own.

    Args:
        shelves: courses in their order, and what is read in each.

    Returns:
        ``world``, ``tokenizer`` (digests), ``parameters``, and by course what :func:`study` gave.
        ``loss.json`` holds the same.
    """
    done = folder / "loss.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    start: Path | None = None
    courses = {}
    for name, books in shelves.items():
        courses[name] = study(
            member, name, books, tokenizer, start, folder / name, seed, device, save_every
        )
        start = folder / name
    assert start is not None, "there is something to read"
    parameters = max(course.pop("parameters") for course in courses.values())
    for path in start.iterdir():
        if path.name != done.name:
            shutil.copy2(path, folder / path.name)
    result = {
        "world": the_world(seed).digest(),
        "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        "parameters": parameters,
        "courses": courses,
    }
    done.write_text(json.dumps(result) + "\n")
    return result


def study(
    member: Member,
    name: str,
    books: Library,
    tokenizer: Any,
    start: Path | None,
    folder: Path,
    seed: int,
    device: str,
    save_every: float,
) -> dict[str, Any]:
    """One course: every document of ``books`` once.

    Args:
        start: folder of the model as the course before left it; None begins with random weights.
        folder: where the model is saved.

    Returns:
        ``digest`` (SHA-256 of the tokens as 16-bit numbers), ``documents``, ``tokens``, ``steps``,
        ``losses`` by steps in nats a token.
    """
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    done = folder / "loss.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    torch.manual_seed(seed)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model: Any = (
        LlamaForCausalLM(LlamaConfig(**member.config(), **special))
        if start is None
        else LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
    )
    if start is None:
        begin(model)
    model.to(device)
    optimizers = _optimizers(model, member.lr * COURSES[name].lr)
    pad = tokenizer.pad_token_id
    order, starts = cuts(books.lengths, BATCH_TOKENS, seed), books.starts()
    steps = len(order)
    counts = _counted(name, tokenizer)
    step, losses = 0, list[tuple[int, float]]()
    identity = {"member": asdict(member), "seed": seed, "documents": len(books.lengths)}
    checkpoints = Checkpoints(folder, {**identity, "course": name}, every=save_every, note=print)
    if (state := checkpoints.load()) is not None:
        model.load_state_dict(state["model"])
        for optimizer, its in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its)
        step, losses = state["step"], [tuple(pair) for pair in state["losses"]]
        print(f"{member.name}  {name}  goes on at step {step}", flush=True)
    half = device != "cpu" or _fast_bfloat16()
    began, first = time.monotonic(), step
    recent = torch.zeros((), device=device)
    for rows in order[step:]:
        tokens = padded(books, starts, rows, pad)
        batch = torch.from_numpy(tokens).to(device)
        wanted = torch.from_numpy(np.where(counts(tokens), tokens, pad)).to(device)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
            logits = model(input_ids=batch, use_cache=False).logits
        # Padding stands at the end of a row, where nothing that counts can see it.
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=pad
        )
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["highest_lr"] * _factor(step, steps)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent += loss.detach()
        step += 1
        if step % 20 == 0 or step == steps:
            losses.append((step, round(recent.item() / ((step - 1) % 20 + 1), 4)))
            recent.zero_()
            each = (time.monotonic() - began) / (step - first)
            print(
                f"{member.name}  {name}  {step}/{steps} steps  loss {losses[-1][1]:.3f}  "
                f"{len(books.flat) / steps / each:,.0f} tokens/s  {(steps - step) * each:.0f} s left",
                flush=True,
            )
            if step < steps and checkpoints.due():
                checkpoints.save(
                    {
                        "model": model.state_dict(),
                        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                        "step": step,
                        "losses": losses,
                    }
                )
    model.generation_config = GenerationConfig(max_new_tokens=64, do_sample=False, **special)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    result = {
        "digest": hashlib.sha256(books.flat.astype("<u2").tobytes()).hexdigest(),
        "documents": len(books.lengths),
        "tokens": len(books.flat),
        "steps": steps,
        "parameters": sum(p.numel() for p in model.parameters()),
        "losses": losses,
    }
    done.write_text(json.dumps(result) + "\n")
    checkpoints.discard()
    return result


def _optimizers(model: Any, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks; AdamW for embeddings and norms."""
    inner = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    ids = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in ids]
    made: list[torch.optim.Optimizer] = [
        Muon(inner, lr=lr),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    for optimizer in made:
        for group in optimizer.param_groups:
            group["highest_lr"] = group["lr"]
    return made


def _counted(
    course: str, tokenizer: Any
) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:
    """Which tokens of a batch count in the loss of a course."""
    if not COURSES[course].replies:
        return lambda tokens: np.ones(tokens.shape, dtype=np.bool_)
    turns = tokenizer.convert_tokens_to_ids([SYSTEM, USER, ASSISTANT])
    return lambda tokens: replies(tokens, turns[-1], turns)


def _factor(step: int, steps: int) -> float:
    """Warm-up, then a cosine down to a twentieth."""
    warm = max(1, int(steps * WARMUP))
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _fast_bfloat16() -> bool:
    from w2s_hf.hardware import resolve_dtype

    return resolve_dtype("auto", "cpu") == "bfloat16"


if __name__ == "__main__":
    main()
