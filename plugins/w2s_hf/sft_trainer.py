"""TRL's ``SFTTrainer`` with a weight for every answer token, and the toolkit's way to be interrupted.

Packing, the trainer's own preparation of rows, its signature columns and its collator would each
drop the weights (trl 1.16), so rows come prepared, the collator is ours, and the loss is computed
from the trainer's fused log-probabilities.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
import trl

from w2s_hf.batches import MICRO_TOKENS
from w2s_hf.completions import IGNORED, Completions, right_padded
from w2s_hf.quiet import quiet
from w2s_hf.sft_config import WritingConfig
from w2s_toolkit.contracts import Context, Progress
from w2s_toolkit.errors import ModelError
from w2s_toolkit.jagged import Jagged

_ORDER = "order.json"
"""File of a checkpoint inside an epoch: the order in which that epoch reads the rows."""
_COMPLETE = "complete"
"""File that is written into a checkpoint's folder last: one without it was cut off while writing."""


def as_rows(pairs: Completions, weights: Jagged | None) -> datasets.Dataset:
    """Rows as the trainer takes them: ids, labels, a weight for each label, and the length.

    Args:
        weights: one for each answer token; None weighs all alike.
    """
    columns: dict[str, list[Any]] = {"input_ids": [], "labels": [], "weights": [], "length": []}
    for number, (prompt, answer) in enumerate(zip(pairs.prompts, pairs.answers, strict=True)):
        own = [1.0] * len(answer) if weights is None else weights[number].tolist()
        assert len(own) == len(answer), "one weight an answer token"
        columns["input_ids"].append(prompt + answer)
        columns["labels"].append([IGNORED] * len(prompt) + answer)
        columns["weights"].append([0.0] * len(prompt) + own)
        columns["length"].append(len(prompt) + len(answer))
    return datasets.Dataset.from_dict(columns)


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Rows of :func:`as_rows` as tensors (b, longest), padded on the right."""
    cpu = torch.device("cpu")
    ids, mask = right_padded([row["input_ids"] for row in rows], cpu)
    labels, _ = right_padded([row["labels"] for row in rows], cpu, IGNORED)
    weights = torch.zeros(ids.shape)
    for number, row in enumerate(rows):
        weights[number, : len(row["weights"])] = torch.tensor(row["weights"])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "weights": weights}


class _EpochOrder:
    """The rows of the running epoch in their order, which a checkpoint keeps.

    The trainer draws an epoch's order from the global generator, and draws anew where it goes on in the
    middle of one: rows would be read twice, and others not at all.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        file = checkpoint / _ORDER if checkpoint else None
        self._first: list[int] | None = (
            json.loads(file.read_text()) if file and file.exists() else None
        )
        self.rows: list[int] = []

    def begin(self, drawn: Sequence[int]) -> list[int]:
        """The order of an epoch that begins, or is entered again."""
        self.rows, self._first = self._first or list(drawn), None
        return self.rows


class _Ordered(torch.utils.data.Sampler[int]):
    """Another sampler, whose draws are remembered."""

    def __init__(self, drawn: Any, order: _EpochOrder) -> None:
        self._drawn, self._order = drawn, order

    def __len__(self) -> int:
        return len(self._drawn)

    def __iter__(self) -> Iterator[int]:
        return iter(self._order.begin(list(self._drawn)))


class WeightedSFTTrainer(trl.SFTTrainer):  # type: ignore[misc]
    """Σ weight·loss over the answer tokens of a batch, divided by their number."""

    order: _EpochOrder
    rows_a_token = 1.0

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return _Ordered(super()._get_train_sampler(train_dataset), self.order)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels", "weights", "length"]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The weighted loss; whatever the micro-batches, that of the whole optimizer batch."""
        weights = inputs.pop("weights")
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        each = -outputs.log_probs * weights[:, 1:].to(outputs.log_probs.dtype)
        many = outputs.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
        loss = each.sum() / torch.as_tensor(many, device=each.device).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        self._metrics["train" if model.training else "eval"]["num_tokens"] = [0]
        return (loss, outputs) if return_outputs else loss

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """The loss alone: nothing here reads logits of an evaluation.

        The trainer takes the mean over rows. What it is given here makes that the mean over all tokens,
        however rows were put into batches.
        """
        inputs = self._prepare_inputs(inputs)
        rows = len(inputs["input_ids"])
        with torch.no_grad():
            total = self.compute_loss(model, inputs, num_items_in_batch=1)
        return total / rows * self.rows_a_token, None, None


class _Watch(transformers.TrainerCallback):  # type: ignore[misc]
    """Shows progress, refuses a loss that is not finite, and asks for checkpoints by the clock."""

    def __init__(self, bar: Progress, every: float, order: _EpochOrder) -> None:
        self._bar, self._every, self._last = bar, every, time.monotonic()
        self._order = order
        self._shown = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Steps done before an interruption are done."""
        self._advance(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """One optimizer step."""
        self._advance(state)
        if time.monotonic() - self._last >= self._every and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Mark what was written as whole."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.global_step % (state.max_steps // int(args.num_train_epochs)):
            (folder / _ORDER).write_text(json.dumps(self._order.rows), encoding="utf-8")
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        (folder / _COMPLETE).touch()
        self._last = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """The loss of the last steps."""
        loss = (rest.get("logs") or {}).get("loss")
        if loss is not None and not float("-inf") < float(loss) < float("inf"):
            raise ModelError(
                f"the training loss is {loss} at step {state.global_step}",
                next_step="lower lr, or set dtype: float32 in the model's entry",
            )

    def _advance(self, state: Any) -> None:
        self._bar.advance(state.global_step - self._shown)
        self._shown = state.global_step


def train_to_write(
    network: Any,
    tokenizer: Any,
    rows: Completions,
    config: WritingConfig,
    ctx: Context,
    *,
    weights: Jagged | None = None,
    val: Completions | None = None,
    half: bool = False,
) -> tuple[Any, list[dict[str, float | int]]]:
    """Train ``network`` in place to write the answers of ``rows`` after their prompts.

    Goes on from the last whole checkpoint in ``ctx.scratch`` if there is one.

    Args:
        network: a float32 language model on its device, without dropout; with adapters around it,
            they alone are trained.
        weights: one for each answer token.
        val: rows whose likelihood chooses the epoch; None keeps the last.
        half: compute in bfloat16.

    Returns:
        The network, and the loss on ``val`` by epoch.

    Raises:
        ModelError: the loss is not finite.
    """
    folder = ctx.scratch / "trainer"
    torch.set_num_threads(ctx.threads)
    micro = config.micro_batch_size or _micro(config.batch_size, max(rows.lengths))
    choose = "epoch" if val is not None else "no"
    steps = -(-len(rows) // config.batch_size) * config.epochs
    args = trl.SFTConfig(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=config.batch_size // micro,
        learning_rate=config.lr,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused",
        seed=ctx.seed % 2**32,
        data_seed=ctx.seed % 2**32,
        use_cpu=network.device.type == "cpu",
        bf16=half,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        activation_checkpointing=False,
        eval_strategy=choose,
        save_strategy=choose,
        # One more than is needed: the trainer removes old ones before the new one is on the disk.
        save_total_limit=3 if val is not None else 2,
        load_best_model_at_end=val is not None,
        metric_for_best_model="eval_loss" if val is not None else None,
        logging_steps=10,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    forked = [network.device] if network.device.type == "cuda" else []
    # quiet: the trainer reports about tokens of which it and we agree.
    last = _checkpoint(folder)
    order = _EpochOrder(last)
    with quiet(), _own_numbers(forked), ctx.progress(steps, "train") as bar:
        trainer = WeightedSFTTrainer(
            model=network,
            args=args,
            data_collator=collate,
            train_dataset=as_rows(rows, weights),
            eval_dataset=None if val is None else as_rows(val, None),
            processing_class=tokenizer,
            callbacks=[_Watch(bar, config.checkpoint_seconds, order)],
        )
        trainer.order = order
        if val is not None:
            trainer.rows_a_token = len(val) / max(1, sum(map(len, val.answers)))
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if not all(bool(p.isfinite().all()) for p in trainer.model.parameters() if p.requires_grad):
        raise ModelError(
            "the training ended in weights that are not finite",
            where=ctx.stage,
            next_step="lower lr, or set dtype: float32 in the model's entry",
        )
    curve = [
        {"epoch": round(entry["epoch"]), "loss": float(entry["eval_loss"])}
        for entry in trainer.state.log_history
        if "eval_loss" in entry
    ]
    shutil.rmtree(folder, ignore_errors=True)
    ctx.count("train_tokens", sum(rows.lengths) * config.epochs)
    return trainer.model, curve


@contextmanager
def _own_numbers(devices: Sequence[torch.device]) -> Iterator[None]:
    """Put the global generators back afterwards: the trainer seeds all of them."""
    plain, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)


def _micro(batch_size: int, longest: int) -> int:
    """The largest divisor of a batch whose rows fit into :data:`MICRO_TOKENS` tokens."""
    fits = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
    return max([n for n in fits if n * longest <= MICRO_TOKENS] or [1])


def _checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint; what was cut off while it was written is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    for path in found:
        if not (path / _COMPLETE).exists():
            shutil.rmtree(path, ignore_errors=True)
    whole = [path for path in found if path.exists()]
    return whole[-1] if whole else None
