"""Training and labelling with a classifier beside a plain loop: rows a second, peak memory.

The plain loop does what published weak-to-strong code does: float32, unfused Adam, batches of 32
in file order padded to the longest row, tensors built row by row. Ours is the very code behind
``use: classifier``. Both start from the same files, train the same epochs on the same rows and
label the same other rows; each measurement is a process of its own, begins with one small batch
that does not count, and the two take turns.

    python benchmarks/training.py [--model FOLDER] [--data FOLDER] [--rows 2000] [--rounds 3]

Without ``--model`` a 6-layer model of 10M weights is made on the spot. ``--data`` is a folder with
SciQ's train.jsonl. A time covers everything from texts to a saved classifier (labels): loading
weights, tokenising, computing, saving.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
SCIQ = ROOT.parent / "shared" / "data" / "sciq"
BATCH, LR = 32, 2e-4
CLASSES = ("singular", "plural")


def main() -> None:
    """Take the measurements in turns and print a table with ratios."""
    options = _options()
    if options.measure:
        print("RESULT " + json.dumps(_measure(options)))
        return
    if not (options.data / "train.jsonl").is_file():
        print(f"skipped: no train.jsonl in {options.data}; name SciQ's folder with --data")
        return
    from _machine import describe

    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(options.data, 2 * options.rows)
        (Path(folder) / "rows.json").write_text(json.dumps(rows))
        if options.model is None:
            options.model = _ten_million(Path(folder) / "model", [text for text, _ in rows])
        _compare(options, folder)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a transformers folder")
    parser.add_argument("--data", type=Path, default=SCIQ, help="folder with SciQ's train.jsonl")
    parser.add_argument("--rows", type=int, default=2000, help="rows to train on, and to label")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--measure", choices=["plain", "float32", "auto", "peak"])
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def _rows(folder: Path, number: int) -> list[tuple[str, int]]:
    """Questions in file order, as many of either class; the class is whether the answer is a plural.

    Something a small model can learn from the questions alone, so that accuracies mean something.
    """
    rows: list[tuple[str, int]] = []
    taken = [0, 0]
    with (folder / "train.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            word = record["correct_answer"].strip().lower()
            plural = int(word.endswith("s") and not word.endswith(("ss", "us", "is")))
            if plural or taken[0] <= taken[1]:
                taken[plural] += 1
                rows.append((record["question"], plural))
    return rows[:number]


def _ten_million(folder: Path, texts: list[str]) -> Path:
    from w2s_hf.tiny import make_tiny_model

    return make_tiny_model(folder, texts, hidden=288, layers=6, vocabulary=7000)


def _compare(options: Any, folder: str) -> None:
    peaks = _child(options, folder, "peak")
    kinds = ["plain", "float32"] + (["auto"] if peaks["best"] != "float32" else [])
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind in kinds:
            found[kind].append(_child(options, folder, kind))
    about = found["plain"][0]
    print(
        f"{about['weights'] / 1e6:.1f}M weights, {about['body'] / 1e6:.1f}M of them outside the "
        f"embeddings; {options.rows} rows to train on, {options.epochs} epochs, {options.rows} to "
        f"label, {about['tokens'] / options.rows / 2:.1f} tokens a row; {options.threads} threads; "
        f"medians of {options.rounds} rounds taken in turns"
    )
    for name in ("float32", "bfloat16"):
        if peaks[name]:
            print(f"matrix peak {name}: {peaks[name] / 1e9:.0f} GFLOP/s")
    if "auto" not in kinds:
        print("this processor has no fast bfloat16: best precision is float32 here")
    names = {"plain": "plain loop", "float32": "ours, float32", "auto": f"ours, {peaks['best']}"}
    print(f"\n{'':<16}{'train':>12}{'label':>12}{'peak memory':>14}{'accuracy':>10}{'of peak':>9}")
    for kind in kinds:
        train, label = (_median(found[kind], k) for k in ("train_s", "label_s"))
        done = options.rows * options.epochs / train
        peak = peaks["float32" if kind != "auto" else peaks["best"]]
        share = 6 * about["body"] * about["train_tokens"] * options.epochs / train / peak
        print(
            f"{names[kind]:<16}{done:>7.0f} r/s{options.rows / label:>8.0f} r/s"
            f"{_median(found[kind], 'peak_mb'):>11.0f} MB"
            f"{_median(found[kind], 'accuracy'):>10.3f}{share:>9.0%}"
        )
    for kind in kinds[1:]:
        pairs = list(zip(found["plain"], found[kind], strict=True))
        ratios = {k: [p[k] / o[k] for p, o in pairs] for k in ("train_s", "label_s")}
        print(
            f"{names[kind]} over the plain loop: training {_spread(ratios['train_s'])} times as "
            f"fast, labelling {_spread(ratios['label_s'])}"
        )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _median(found: list[dict[str, Any]], key: str) -> float:
    return statistics.median(one[key] for one in found)


def _child(options: Any, folder: str, kind: str) -> dict[str, Any]:
    threads = str(options.threads)
    command = [sys.executable, __file__, "--measure", kind, "--folder", folder]
    command += ["--model", str(options.model), "--epochs", str(options.epochs)]
    command += ["--threads", threads, "--rows", str(options.rows)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": threads}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    last = done.stdout.strip().splitlines()[-1]
    found: dict[str, Any] = json.loads(last.removeprefix("RESULT "))
    return found


# --- one measurement, in a process of its own ------------------------------------------------------


def _measure(options: Any) -> dict[str, Any]:
    import torch

    torch.set_num_threads(options.threads)
    if options.measure == "peak":
        return _peaks()
    rows = json.loads((options.folder / "rows.json").read_text())
    train, label = rows[: options.rows], rows[options.rows :]
    run = _plain if options.measure == "plain" else _ours
    run(options, train[:BATCH], label[:BATCH])  # imports and first calls
    found = run(options, train, label)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _peaks() -> dict[str, Any]:
    import torch

    from w2s_hf.hardware import resolve_dtype

    found: dict[str, Any] = {"best": resolve_dtype("auto", "cpu"), "bfloat16": 0.0}
    names = ["float32"] + (["bfloat16"] if found["best"] == "bfloat16" else [])
    for name in names:
        a, b = (torch.randn(2048, 2048).to(getattr(torch, name)) for _ in range(2))
        for _ in range(3):
            a @ b
        best = math.inf
        for _ in range(20):
            started = time.perf_counter()
            a @ b
            best = min(best, time.perf_counter() - started)
        found[name] = 2 * 2048**3 / best
    return found


def _ours(options: Any, train: list[Any], label: list[Any]) -> dict[str, Any]:
    from w2s_hf.config import ClassifierConfig, HFModelConfig
    from w2s_hf.fit import fit_classifier, label_with
    from w2s_hf.losses import Xent
    from w2s_hf.model import HFModel
    from w2s_toolkit.data import LabelSet
    from w2s_toolkit.stages.context import StageContext

    dtype = "float32" if options.measure == "float32" else "auto"
    model = HFModel(HFModelConfig(id=str(options.model), dtype=dtype, device="cpu"))
    config = ClassifierConfig(model="m", epochs=options.epochs, batch_size=BATCH, lr=LR)
    data, other = _dataset(train), _dataset(label)
    gold = np.eye(2)[[g for _, g in train]]
    labels = LabelSet(tuple(data.ids), gold, CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        out, scratch = Path(folder) / "out", Path(folder) / "scratch"
        ctx = StageContext(seed=1, out=out, scratch=scratch, threads=options.threads)
        started = time.perf_counter()
        ref = fit_classifier("students/classifier", model, config, data, labels, Xent(), ctx)
        trained = time.perf_counter()
        given = label_with("students/classifier", model, config, ref, other, ctx)
        labelled = time.perf_counter()
    right = given.predicted == np.array([g for _, g in label])
    return {
        "train_s": trained - started,
        "label_s": labelled - trained,
        "accuracy": float(right.mean()),
    }


def _dataset(rows: list[Any]) -> Any:
    from w2s_toolkit.data import Dataset, Example, TaskInfo

    examples = [Example(f"row-{i}", text, CLASSES, gold) for i, (text, gold) in enumerate(rows)]
    info = TaskInfo("classification", CLASSES)
    return Dataset.from_examples(examples, info, "sciq").blind()


def _plain(options: Any, train: list[Any], label: list[Any]) -> dict[str, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    started = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    body = AutoModel.from_pretrained(options.model, dtype=torch.float32).train()
    for module in body.modules():  # dropout off, as in ours
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    head = torch.nn.Linear(body.config.hidden_size, 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    ids = [tokenizer(text)["input_ids"] for text, _ in train]
    gold = [g for _, g in train]
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=LR)
    steps = options.epochs * -(-len(ids) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(options.epochs):
        for at in range(0, len(ids), BATCH):
            logits = _logits(body, head, ids[at : at + BATCH])
            rows = [torch.eye(2)[g] for g in gold[at : at + BATCH]]
            loss = torch.nn.functional.cross_entropy(logits, torch.stack(rows))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            float(loss.detach())
    trained = time.perf_counter()
    body.eval()
    other = [tokenizer(text)["input_ids"] for text, _ in label]
    parts = []
    with torch.no_grad():
        for at in range(0, len(other), BATCH):
            parts.append(_logits(body, head, other[at : at + BATCH]).softmax(-1))
    probs = torch.cat(parts).numpy()
    labelled = time.perf_counter()
    right = probs.argmax(1) == np.array([g for _, g in label])
    weights = sum(p.numel() for p in body.parameters())
    return {
        "train_s": trained - started,
        "label_s": labelled - trained,
        "accuracy": float(right.mean()),
        "weights": weights,
        "body": weights - body.get_input_embeddings().weight.numel(),
        "tokens": sum(map(len, ids)) + sum(map(len, other)),
        "train_tokens": sum(map(len, ids)),
    }


def _logits(body: Any, head: Any, rows: list[list[int]]) -> Any:
    import torch

    tensors = [torch.tensor(row) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(t) for t in tensors], batch_first=True)
    hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state
    last = torch.stack([hidden[i, len(row) - 1] for i, row in enumerate(rows)])
    return head(last)


if __name__ == "__main__":
    main()
