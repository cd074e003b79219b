"""From data and soft labels to a saved classifier, and from a saved classifier to labels.

Shared by the supervisor ``finetuned`` and the student ``classifier``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from w2s_hf import network as net
from w2s_hf import pooling
from w2s_hf.adapters import (
    add_lora,
    are_in,
    lent_adapters,
    lent_lora,
    merge_lora,
)
from w2s_hf.checkpoint import Checkpoints
from w2s_hf.compact import compact, restore
from w2s_hf.config import TrainingConfig
from w2s_hf.losses import Loss
from w2s_hf.member import AS_IT_IS, Variation, cut_layers, hide_features
from w2s_hf.memory import out_of_memory
from w2s_hf.model import HFModel, weight_bytes
from w2s_hf.network import PooledClassifier
from w2s_hf.predict import predict_logits, softmax
from w2s_hf.team import Team
from w2s_hf.tokens import Tokens, require_vocabulary, texts_of, tokenise
from w2s_hf.train import TrainingRows, train
from w2s_hf.watching import Looker
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError, ModelError

VERSION = "3"


def fit_classifier(
    component: str,
    model: HFModel,
    config: TrainingConfig,
    data: Dataset,
    labels: LabelSet,
    loss: Loss,
    ctx: Context,
    *,
    val: Dataset | None = None,
    init: Path | None = None,
    targets: npt.NDArray[np.float64] | None = None,
    variation: Variation = AS_IT_IS,
    lend: bool = False,
) -> ModelRef:
    """Train on the soft labels of ``data`` and save below ``ctx.out``.

    Args:
        labels: of exactly the rows of ``data``; rows that abstain or weigh nothing are left out.
        val: data with gold that chooses the epoch; None keeps the last.
        init: folder of an earlier classifier to start from.
        targets: (n, K) what ``loss`` is given in place of the labels' probabilities.
        variation: how a member of an ensemble differs from the others.
        lend: keep adapters apart from the weights they belong to, which are then one copy for all
            stages of a process. Nothing else is different; without adapters it does nothing.

    Raises:
        DataError: the data cannot be classified, or no labelled row is left.
        ModelError: the model cannot be loaded or trained.
    """
    require_classes(data)
    model.require_trainable()
    rows = _training_rows(data, labels.align(data), targets, model, config, ctx)
    # A network that ends at a lower layer, or has other weights, is no copy of the shared one.
    apart = lend and model.config.peft is not None and init is None and variation.layer is None
    classes = len(data.info.classes)
    opened = (
        _lent_network(model, config, classes, ctx, variation)
        if apart
        else nullcontext(_new_network(model, config, classes, ctx.seed, init, variation))
    )
    with opened as network:
        chooser, about = _train(network, model, config, rows, loss, ctx, val)
        curve = chooser.restore_best() if chooser else []
        restore(network.body)
        network.seen = None
        if model.config.peft is not None and not apart:
            network.body = merge_lora(network.body)
        network.requires_grad_(False)
        folder = ctx.out / net.FOLDER
        team = Team(model.device)
        if team.is_main:
            base = model.name if apart else None
            net.save(network, folder, model.tokenizer(ctx), data.info.classes, about, base)
        team.wait()
    details: dict[str, Any] = {
        "weights": net.weights_digest(folder),
        "pooling": network.pooling,
        "rows": len(rows.tokens),
        "model": model.fingerprint,
    }
    if curve:
        details |= {"curve": curve, "epoch": chooser.best_epoch if chooser else None}
    if not apart:
        # Kept for the label stages of this process, which so need not read it from disk again.
        key = _shared_key(details["weights"], model)
        net.round_weights(network, model.dtype)
        ctx.shared(key, lambda: network, nbytes=weight_bytes(folder), needs=[ctx.key])
    return ModelRef(
        component,
        folder=net.FOLDER,
        capabilities=("train",),
        classes=data.info.classes,
        details=details,
    )


def _train(
    network: PooledClassifier,
    model: HFModel,
    config: TrainingConfig,
    rows: TrainingRows,
    loss: Loss,
    ctx: Context,
    val: Dataset | None,
) -> tuple[_Chooser | None, dict[str, Any]]:
    """Train ``network`` in place; give who chose the epoch, and what is to be saved beside it."""
    require_vocabulary(rows.tokens, _vocabulary(network), model)
    team = Team(model.device)
    chooser = _Chooser(network, model, config, val, ctx) if val is not None else None
    looker = Looker(network, model, config, ctx, team) if ctx.watch and not chooser else None
    watcher = chooser or looker
    occurring = _occurring(network, rows.tokens, watcher.tokens if watcher else None)
    compact(network.body, network.body.get_input_embeddings(), occurring, config.weight_decay)
    with out_of_memory(model.name, "the model's size"):
        network.to(team.device)

    about = {"max_length": rows.tokens.limit, "model": model.fingerprint}
    checkpoints = Checkpoints(
        ctx.scratch,
        {**about, **_identity(rows, config, model, ctx)},
        every=config.checkpoint_seconds,
        note=ctx.note,
    )
    forked = [team.device] if team.device.type == "cuda" else []
    with out_of_memory(model.name, "micro_batch_size"), torch.random.fork_rng(devices=forked):
        torch.manual_seed(ctx.seed % 2**63)  # for networks that draw numbers of their own
        train(
            network,
            rows,
            config,
            loss,
            ctx,
            team,
            dtype=model.dtype,
            watcher=watcher,
            checkpoints=checkpoints,
        )
    return chooser, about


def label_with(
    component: str,
    model: HFModel,
    config: TrainingConfig,
    ref: ModelRef,
    data: Dataset,
    ctx: Context,
) -> LabelSet:
    """Soft labels of every row of ``data`` from a classifier that :func:`fit_classifier` saved.

    Raises:
        DataError: the data has other classes than the classifier.
    """
    require_classes(data)
    if sorted(ref.classes) != sorted(data.info.classes):
        raise DataError(
            f"the classifier knows classes {list(ref.classes)}, the data has "
            f"{list(data.info.classes)}",
            where=data.name,
        )
    tokens = tokenise(data, model, ctx, config.max_length)
    with _opened(model, config, ref, ctx) as network, out_of_memory(model.name, "label_tokens"):
        logits = predict_logits(network, tokens, ctx, dtype=model.dtype, budget=config.label_tokens)
    probs = softmax(logits)[:, [ref.classes.index(c) for c in data.info.classes]]
    ctx.count("rows", len(data))
    ctx.count("prompt_tokens", int(tokens.lengths.sum()))
    return LabelSet(
        ids=data.ids,
        probs=probs,
        classes=data.info.classes,
        data_digest=data.digest,
        provenance={
            "component": component,
            "version": VERSION,
            "model": model.fingerprint,
            "weights": ref.details["weights"],
        },
    )


@contextmanager
def _opened(
    model: HFModel, config: TrainingConfig, ref: ModelRef, ctx: Context
) -> Iterator[PooledClassifier]:
    """What a reference holds, ready to predict, on its device."""
    folder = ctx.path(ref)
    if are_in(folder):
        base = model.base_body(ctx, config.pooling)
        with lent_adapters(base, [folder]) as (body,):
            yield net.with_head(body, folder).requires_grad_(False).to(model.device)
        return

    def build() -> PooledClassifier:
        dtype = model.dtype if model.config.peft is not None else torch.float32
        network = net.load(folder, model, dtype)
        return net.round_weights(network.requires_grad_(False), model.dtype).to(model.device)

    key = _shared_key(str(ref.details["weights"]), model)
    yield ctx.shared(key, build, nbytes=weight_bytes(folder), needs=[ref.key])


def require_classes(data: Dataset) -> None:
    """Refuse data a classifier over fixed classes cannot read.

    Raises:
        DataError: it is no classification task with named classes, or it is empty.
    """
    if data.info.kind != "classification" or not data.info.classes:
        raise DataError(
            "a classifier needs a classification task whose rows share their classes; this one is "
            f"{data.info.kind} with {len(data.info.classes)} classes",
            where=data.name,
            next_step="use the task's binary form (one candidate a row, true or false)",
        )
    if len(data) == 0:
        raise DataError("there are no rows", where=data.name, next_step="check task.splits")


class _Chooser:
    """Measures every epoch on gold and keeps the best one's trained weights."""

    def __init__(
        self,
        network: PooledClassifier,
        model: HFModel,
        config: TrainingConfig,
        val: Dataset,
        ctx: Context,
    ) -> None:
        require_classes(val)
        self._network, self._model, self._config, self._ctx = network, model, config, ctx
        self.tokens = tokenise(val, model, ctx, config.max_length)
        self._gold = val.gold
        self._best = (-1.0, 0.0)
        self._weights: dict[str, torch.Tensor] = {}
        self.best_epoch = 0
        self.curve: list[dict[str, float | int]] = []

    def after_step(self, step: int, total: int) -> None:
        """Epochs are chosen from, not steps."""

    def after_epoch(self, epoch: int) -> None:
        """Accuracy and cross-entropy on gold; higher accuracy wins, then lower cross-entropy."""
        logits = predict_logits(
            self._network,
            self.tokens,
            self._ctx,
            dtype=self._model.dtype,
            budget=self._config.label_tokens,
            label="choose",
        )
        probs = softmax(logits)
        accuracy = float((probs.argmax(1) == self._gold).mean())
        picked = probs[np.arange(len(probs)), self._gold]
        xent = float(-np.log(np.maximum(picked, 1e-300)).mean())
        self.curve.append({"epoch": epoch, "accuracy": accuracy, "loss": xent})
        if (accuracy, -xent) > self._best:
            self._best, self.best_epoch = (accuracy, -xent), epoch
            last = epoch == self._config.epochs  # it is in the network already
            self._weights = (
                {}
                if last
                else {
                    n: p.detach().cpu().clone()
                    for n, p in net.trained_parameters(self._network).items()
                }
            )

    def restore_best(self) -> list[dict[str, float | int]]:
        """Put the best weights back and return the curve."""
        if self._weights:
            with torch.no_grad():
                for name, parameter in net.trained_parameters(self._network).items():
                    parameter.copy_(self._weights[name])
        self._weights = {}
        return self.curve

    def state_dict(self) -> dict[str, Any]:
        """Curve, best epoch and its weights."""
        return {
            "best": list(self._best),
            "best_epoch": self.best_epoch,
            "curve": [dict(point) for point in self.curve],
            "weights": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        accuracy, minus_xent = state["best"]
        self._best = (accuracy, minus_xent)
        self.best_epoch, self.curve = int(state["best_epoch"]), list(state["curve"])
        self._weights = dict(state["weights"])


def _occurring(network: PooledClassifier, *tokens: Tokens | None) -> npt.NDArray[np.bool_]:
    occurring = np.zeros(_vocabulary(network), dtype=np.bool_)
    for each in tokens:
        if each is not None:
            occurring[each.flat] = True
    return occurring


def _identity(
    rows: TrainingRows, config: TrainingConfig, model: HFModel, ctx: Context
) -> dict[str, Any]:
    """What a checkpoint must have been made from to be of use here."""
    h = hashlib.sha256()
    for array in (rows.tokens.flat, rows.tokens.offsets, rows.labels, rows.weights):
        h.update(np.ascontiguousarray(array).data)
    return {
        "data": h.hexdigest(),
        "config": config.model_dump(mode="json"),
        "model": model.config.model_dump(mode="json"),
        "dtype": str(model.dtype),
        "seed": ctx.seed,
    }


def _new_network(
    model: HFModel,
    config: TrainingConfig,
    classes: int,
    seed: int,
    init: Path | None,
    variation: Variation,
) -> PooledClassifier:
    # Weights that are trained stay float32 under autocast; weights frozen beside adapters can be
    # kept in the smaller format.
    dtype = model.dtype if model.config.peft is not None else torch.float32
    if init is not None:
        network = net.load(init, model, dtype)
        if network.head.out_features != classes:
            raise ModelError(
                f"the model to start from has {network.head.out_features} classes, the data {classes}"
            )
    else:
        body: Any = model.new_body(dtype)
        if variation.layer is not None:
            cut_layers(body, variation.layer, model.name)
        how = pooling.choose(config.pooling, body, body.config, model.folder, model.name)
        network = PooledClassifier(body, classes, how)
    if model.config.peft is not None:
        network.body = add_lora(network.body, model.config.peft, seed)
    if variation.features is not None:
        hide_features(network, variation.features, seed)
    return network


@contextmanager
def _lent_network(
    model: HFModel, config: TrainingConfig, classes: int, ctx: Context, variation: Variation
) -> Iterator[PooledClassifier]:
    """New adapters in the base that all stages of the process share, with a head of its own."""
    assert model.config.peft is not None
    base = model.base_body(ctx, config.pooling)
    how = pooling.choose(config.pooling, base, base.config, model.folder, model.name)
    network = PooledClassifier(base, classes, how)
    with lent_lora(base, model.config.peft, ctx.seed) as body:
        network.body = body
        if variation.features is not None:
            hide_features(network, variation.features, ctx.seed)
        yield network


def _training_rows(
    data: Dataset,
    labels: LabelSet,
    targets: npt.NDArray[np.float64] | None,
    model: HFModel,
    config: TrainingConfig,
    ctx: Context,
) -> TrainingRows:
    keep = np.flatnonzero(~labels.abstain & (labels.weight > 0))
    if not len(keep):
        raise DataError(
            "no row has a label to train on",
            where=data.name,
            next_step="check the supervisor's labels and the refiners",
        )
    if len(keep) < len(data):
        ctx.count("left_out", len(data) - len(keep))
    tokens = tokenise(data, model, ctx, config.max_length)
    # Rows are put into an order of their own, so that the order of a file changes nothing.
    texts, ids = texts_of(data), list(data.ids)
    keep = np.asarray(sorted(keep, key=lambda r: (texts[r], ids[r])), dtype=np.int64)
    ctx.count("rows", len(keep))
    wanted = labels.probs if targets is None else targets
    return TrainingRows(_subset(tokens, keep), wanted[keep], labels.weight[keep])


def _subset(tokens: Tokens, rows: Any) -> Tokens:
    taken = tokens.take(rows)
    return Tokens(taken.flat, taken.offsets, limit=tokens.limit)


def _vocabulary(network: PooledClassifier) -> int:
    body: Any = network.body
    return int(body.get_input_embeddings().weight.shape[0])


def _shared_key(weights: str, model: HFModel) -> str:
    return f"hf-classifier:{weights}:{model.dtype}:{model.attention}:{model.device}"
