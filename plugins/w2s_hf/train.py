"""The training loop: one flat function, and all of its state in one object."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from w2s_hf.batches import epoch_batches, micro_batches, steps_per_epoch
from w2s_hf.checkpoint import Checkpoints, random_state, restore_random_state
from w2s_hf.config import TrainingConfig
from w2s_hf.losses import Loss
from w2s_hf.network import PooledClassifier, trained_parameters
from w2s_hf.schedule import lr_factor
from w2s_hf.team import Team
from w2s_hf.tokens import Tokens
from w2s_toolkit.contracts import Context
from w2s_toolkit.errors import ModelError

NOTE_EVERY = 10
"""Steps between two readings of the loss: each one waits for the device."""


@dataclass(frozen=True)
class TrainingRows:
    """What is trained on: tokens of n texts, soft labels (n, K) and a weight for each row (n,)."""

    tokens: Tokens
    labels: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


class Watcher(Protocol):
    """What happens between epochs; its state goes into checkpoints."""

    def after_step(self, step: int, total: int) -> None:
        """``step`` of ``total`` steps are finished."""

    def after_epoch(self, epoch: int) -> None:
        """``epoch`` epochs are finished."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain containers only."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""


@dataclass
class TrainState:
    """Everything the next step depends on besides data, config and seed.

    Batches are a function of seed and epoch and the learning rate is one of the step, so sampler
    and schedule are restored with the step alone.
    """

    network: PooledClassifier
    optimizer: Any
    loss: Loss
    watcher: Watcher | None
    device: torch.device
    step: int = 0
    epochs_watched: int = 0
    tokens: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain containers only; loads with ``weights_only=True``."""
        return {
            "network": {n: p.detach() for n, p in trained_parameters(self.network).items()},
            "optimizer": self.optimizer.state_dict(),
            "loss": self.loss.state_dict(),
            "watcher": self.watcher.state_dict() if self.watcher else {},
            "random": random_state(self.device),
            "counts": {name: getattr(self, name) for name in _COUNTS},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        with torch.no_grad():
            for name, parameter in trained_parameters(self.network).items():
                parameter.copy_(state["network"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.loss.load_state_dict(state["loss"])
        if self.watcher:
            self.watcher.load_state_dict(state["watcher"])
        restore_random_state(state["random"], self.device)
        for name in _COUNTS:
            setattr(self, name, int(state["counts"][name]))


_COUNTS = ("step", "epochs_watched", "tokens")


def train(
    network: PooledClassifier,
    rows: TrainingRows,
    config: TrainingConfig,
    loss: Loss,
    ctx: Context,
    team: Team,
    *,
    dtype: torch.dtype,
    watcher: Watcher | None = None,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Train ``network`` in place, from the latest checkpoint if there is one.

    The gradient of a step is that of Σ weight·loss over the batch divided by the number of its
    rows, whatever the micro-batches and the number of processes. The network stays in eval mode:
    there is no dropout to switch on.

    Args:
        network: on ``team.device``; what is trained of it is float32.
        dtype: bfloat16 runs the body under autocast; float32 does not.
        watcher: told after every step and epoch.
        checkpoints: where the state is kept; None keeps none.

    Raises:
        ModelError: the loss is not finite.
    """
    torch.set_num_threads(ctx.threads)
    lengths, classes = rows.tokens.lengths, rows.labels.argmax(axis=1)
    labels = torch.from_numpy(rows.labels).float().to(team.device)
    weights = torch.from_numpy(rows.weights).float().to(team.device)
    groups = parameter_groups(network, config)
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
    wrapped, prepared = team.prepare(network.eval(), optimizer)
    state = TrainState(network, optimizer, loss, watcher, team.device)
    each_epoch = steps_per_epoch(len(lengths), config.batch_size)
    total = each_epoch * config.epochs
    if checkpoints and (found := checkpoints.load()) is not None:
        state.load_state_dict(found)
        ctx.count("resumed_at_step", state.step)
        ctx.count("train_tokens", state.tokens)
    team.wait()

    with ctx.progress(total, "train") as bar:
        bar.advance(state.step)
        for epoch in range(state.epochs_watched, config.epochs):
            batches = epoch_batches(lengths, classes, config.batch_size, ctx.seed, epoch)
            for batch in batches[state.step - epoch * each_epoch :]:
                mine, counted = team.share(batch)
                row_weights = weights[mine] * torch.from_numpy(counted).to(team.device)
                parts = micro_batches(lengths[mine], config.micro_batch_size)

                preview = None
                if loss.wants_preview and len(parts) > 1:
                    preview = _log_probs(wrapped, rows.tokens, mine, parts, team.device, dtype)
                batch_loss = torch.zeros((), device=team.device)
                seen = []
                for part in parts:
                    done = part.stop >= len(mine)
                    with nullcontext() if done else team.no_sync(wrapped):
                        with autocast(team.device, dtype):
                            logits = wrapped(**rows.tokens.batch(mine[part], team.device))
                        if part.start == 0:
                            if loss.wants_preview and preview is None:  # one part is all of it
                                preview = torch.log_softmax(logits.detach(), dim=-1)
                            whole = None if preview is None else team.gather(preview, len(batch))
                            loss.begin_step(state.step / total, whole, labels[batch])
                        each = loss.rows(logits, labels[mine[part]]) * row_weights[part]
                        part_loss = each.sum() / len(batch)
                        team.backward(part_loss)
                    batch_loss += part_loss.detach()
                    if loss.wants_history:
                        seen.append(torch.log_softmax(logits.detach(), dim=-1))

                clip_in_step(optimizer, config.max_grad_norm)
                factor = lr_factor(state.step, total, config.warmup, config.schedule)
                for group in optimizer.param_groups:
                    group["lr"] = group["highest_lr"] * factor
                prepared.step()
                prepared.zero_grad(set_to_none=True)
                if loss.wants_history:
                    loss.end_step(team.gather(torch.cat(seen), len(batch)), labels[batch])

                state.step += 1
                step_tokens = int(lengths[batch].sum())
                state.tokens += step_tokens
                ctx.count("train_tokens", step_tokens)
                if watcher is not None:
                    watcher.after_step(state.step, total)
                read = state.step % NOTE_EVERY == 0 or state.step == total
                bar.advance(1, note=_note(batch_loss, state.step) if read else "")
                if checkpoints and team.is_main and checkpoints.due():
                    checkpoints.save(state.state_dict())
            if watcher is not None:
                watcher.after_epoch(epoch + 1)
            state.epochs_watched = epoch + 1
            more = epoch + 1 < config.epochs
            if more and checkpoints and team.is_main and checkpoints.due(epoch_ended=True):
                checkpoints.save(state.state_dict())


def clip_in_step(optimizer: torch.optim.Optimizer, norm: float) -> None:
    """Let the optimizer's next step see gradients cut to ``norm``.

    The fused kernel divides by a scale while it reads the gradients; multiplying them beforehand,
    as ``clip_grad_norm_`` does, is one more walk through memory.
    """
    gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
    length = torch.nn.utils.get_total_norm(gradients)
    if length.device.type not in ("cpu", "cuda"):  # kernels that ignore a scale
        torch.nn.utils.clip_grads_with_norm_(
            (p for g in optimizer.param_groups for p in g["params"]), norm, length
        )
        return
    optimizer.grad_scale = torch.clamp((length + 1e-6) / norm, min=1.0)  # type: ignore[attr-defined]


def parameter_groups(network: PooledClassifier, config: TrainingConfig) -> list[dict[str, Any]]:
    """What is trained, in groups with their highest learning rate."""
    body = [p for p in network.body.parameters() if p.requires_grad]
    head = list(network.head.parameters())
    groups = [(head, config.lr * config.head_lr_scale), (body, config.lr)]
    return [{"params": p, "lr": lr, "highest_lr": lr} for p, lr in groups if p]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Mixed precision for 16-bit formats; nothing for float32."""
    if dtype is torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


@torch.no_grad()
def _log_probs(
    network: torch.nn.Module,
    tokens: Tokens,
    rows: npt.NDArray[np.int64],
    parts: list[slice],
    device: torch.device,
    dtype: torch.dtype,
) -> torch.Tensor:
    out = []
    for part in parts:
        with autocast(device, dtype):
            logits = network(**tokens.batch(rows[part], device))
        out.append(torch.log_softmax(logits, dim=-1))
    return torch.cat(out)


def _note(batch_loss: torch.Tensor, step: int) -> str:
    value = float(batch_loss)
    if value != value or value in (float("inf"), float("-inf")):
        raise ModelError(
            f"the training loss is {value} at step {step}",
            next_step="lower lr, or set dtype: float32 in the model's entry",
        )
    return f"loss {value:.3f}"
