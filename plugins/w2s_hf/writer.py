"""From prompts and answers to a saved language model, and from that to answers and their scores.

Shared by the supervisor and the student ``sft``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2s_hf.adapters import (
    add_lora,
    are_in,
    lent_adapters,
    lent_lora,
    merge_lora,
    save_adapters,
)
from w2s_hf.answer_scores import score_answers
from w2s_hf.completions import (
    Completions,
    require_generation,
    tokenise_pairs,
    tokenise_prompts,
)
from w2s_hf.generation_settings import writable_settings
from w2s_hf.memory import out_of_memory
from w2s_hf.model import HFModel, files_digest, weight_bytes
from w2s_hf.model_card import model_card, supervision
from w2s_hf.quiet import quiet
from w2s_hf.sft_config import WritingConfig
from w2s_hf.train import autocast
from w2s_hf.writing import readers_of, write_answers, writing_budget
from w2s_toolkit.contracts import Context, Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError, ModelError
from w2s_toolkit.jagged import Jagged

FOLDER = "model"
"""Folder of a trained model inside its artefact."""

VERSION = "1"


def fit_writer(
    component: str,
    model: HFModel,
    config: WritingConfig,
    data: Dataset,
    answers: LabelSet,
    ctx: Context,
    *,
    val: Dataset | None = None,
    init: Path | None = None,
    token_weights: Sequence[np.ndarray[Any, Any]] | None = None,
    lend: bool = False,
) -> ModelRef:
    """Train on the texts of ``answers`` and save an ordinary folder of transformers in ``ctx.out``.

    Args:
        answers: texts for exactly the rows of ``data``; rows that abstain or weigh nothing are left
            out, other weights multiply the loss of the row's tokens.
        val: data with gold whose likelihood chooses the epoch; None keeps the last.
        init: folder of an earlier model to start from.
        token_weights: for each row one weight a token of its answer, the one that ends it included.
        lend: keep adapters apart, see :func:`w2s_hf.fit.fit_classifier`; the folder holds them alone.

    Raises:
        DataError: the data has no answers to be written, or weights do not fit.
        ModelError: the model cannot be loaded or trained.
    """
    from w2s_hf.sft_trainer import train_to_write

    require_generation(data)
    model.require_trainable()
    answers = answers.align(data)
    if answers.texts is None:
        raise DataError(
            "there are no texts to learn to write",
            where=ctx.stage,
            next_step="use a supervisor that writes answers, such as sft",
        )
    rows = np.flatnonzero(~answers.abstain & (answers.weight > 0))
    kept, texts = data.take(rows), answers.take(rows).texts
    assert texts is not None
    pairs = tokenise_pairs(model, config, kept, list(texts), ctx)
    weights = _weights(pairs, answers.weight[rows], token_weights, rows, ctx)
    chosen = None
    if val is not None:
        require_generation(val)
        chosen = tokenise_pairs(model, config, val, list(val.gold_texts), ctx)
    tokenizer = model.tokenizer(ctx)
    folder = ctx.out / FOLDER
    apart = lend and model.config.peft is not None and init is None
    opened = (
        lent_lora(model.language_model(ctx), model.config.peft, ctx.seed, "CAUSAL_LM")
        if apart and model.config.peft is not None
        else nullcontext(_network(model, init, ctx.seed))
    )
    with opened as fresh, out_of_memory(model.name, "micro_batch_size"):
        network, curve = train_to_write(
            fresh,
            tokenizer,
            pairs,
            config,
            ctx,
            weights=weights,
            val=chosen,
            half=model.dtype is torch.bfloat16,
        )
        if apart:
            save_adapters(network, folder, model.name)
        else:
            with quiet():
                plain = _plain(network)
                writable_settings(plain.generation_config)
                plain.save_pretrained(folder)
    with quiet():
        tokenizer.save_pretrained(folder)
    digest = files_digest(folder.glob("*.safetensors"))
    tokens = int(sum(pairs.lengths))
    taught = supervision(answers.provenance)
    card = model_card(
        model, config, taught, len(pairs), tokens, apart=apart, goes_on=init is not None
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    details: dict[str, Any] = {"weights": digest, "rows": len(pairs), "model": model.fingerprint}
    if curve:
        details |= {"curve": curve, "epoch": min(curve, key=lambda point: point["loss"])["epoch"]}
    capabilities = ("generate", "choice_probs", "train")
    return ModelRef(component, folder=FOLDER, capabilities=capabilities, details=details)


def write_with(
    component: str,
    model: HFModel,
    config: WritingConfig,
    network: Any,
    data: Dataset,
    ctx: Context,
    *,
    ref: ModelRef | None = None,
) -> LabelSet:
    """Answers to every row of ``data``, with the log-probability of each token written.

    Args:
        network: from :func:`trained` or :func:`mixture`; it has the tokens of ``model``.
        ref: what the network is of; None for the model as it comes and for a mixture.
    """
    require_generation(data)
    rows = tokenise_prompts(model, config, data, ctx)
    budget = writing_budget(config.label_tokens, model.device.type)
    with out_of_memory(model.name, "label_tokens"), autocast(model.device, model.dtype):
        texts = write_answers(
            network,
            model.tokenizer(ctx),
            rows,
            ctx,
            max_new_tokens=config.max_new_tokens,
            budget=budget,
        )
    log_probs, _ = _scores(network, model, rows, ctx, budget, "rate")
    ctx.count("rows", len(data))
    ctx.count("prompt_tokens", readers_of(network) * sum(rows.lengths))  # read again to be rated
    return _labels(component, model, ref, data, texts=texts, token_log_probs=log_probs)


def score_with(
    component: str,
    model: HFModel,
    config: WritingConfig,
    network: Any,
    data: Dataset,
    ctx: Context,
    *,
    ref: ModelRef | None = None,
) -> LabelSet:
    """What a network gives the gold answers of ``data``, see :class:`AnswerScorer`.

    ``network`` and ``ref`` are as in :func:`write_with`.
    """
    require_generation(data)
    rows = tokenise_pairs(model, config, data, list(data.gold_texts), ctx)
    budget = writing_budget(config.label_tokens, model.device.type)
    with out_of_memory(model.name, "label_tokens"):
        log_probs, hits = _scores(network, model, rows, ctx, budget, "score")
    ctx.count("rows", len(data))
    ctx.count("prompt_tokens", readers_of(network) * sum(rows.lengths))
    return _labels(component, model, ref, data, token_log_probs=log_probs, token_hits=hits)


@contextmanager
def mixture(models: Sequence[HFModel], together: Together, ctx: Context) -> Iterator[Any]:
    """Several trained models as one that writes; ``models`` are theirs, one each.

    Raises:
        DataError: the rule is not known.
        ModelError: the members have different tokens.
    """
    from w2s_hf.mixture import Mixture

    if together.rule not in ("mean", "product"):
        raise DataError(
            f"next-token distributions are not mixed by {together.rule!r}",
            where=ctx.stage,
            next_step="use mean or product",
        )
    first = _reads(models[0], ctx)
    for model in models[1:]:
        if _reads(model, ctx) != first:
            raise ModelError(
                f"models {models[0].name!r} and {model.name!r} have different tokens, another token that "
                "ends a text, or cut texts differently, so they cannot write together token by token",
                where=ctx.stage,
                next_step="combine whole answers (writers with combine: vote), or use one tokenizer",
            )
    with trained(models, together.refs, ctx) as members:
        weights, rule = list(together.weights), together.rule
        yield Mixture(members, weights, rule, together.sharpness)  # type: ignore[arg-type]


_PROBE = "The Quick brown fox's 2,048 naïve  jumps — over\n\tthe lazy DOG. Ends here!"
"""Cut differently by tokenizers that hold the same tokens but do not read alike."""


def _reads(model: HFModel, ctx: Context) -> tuple[dict[str, int], int | None, list[int]]:
    """A model's tokens, the one that ends a text, and how it cuts one."""
    tokenizer = model.tokenizer(ctx)
    with quiet():
        cut: list[int] = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    return tokenizer.get_vocab(), tokenizer.eos_token_id, cut


@contextmanager
def trained(
    models: Sequence[HFModel], refs: Sequence[ModelRef | None], ctx: Context
) -> Iterator[list[Any]]:
    """The networks of references on their devices; ``models`` are theirs, one each.

    Those that are adapters share their base. None is the model as it comes.
    """
    networks: list[Any] = [None] * len(refs)
    lent = dict[str, list[int]]()
    for number, (model, ref) in enumerate(zip(models, refs, strict=True)):
        if ref is not None and ref.folder and are_in(ctx.path(ref)):
            lent.setdefault(model.fingerprint, []).append(number)
        else:
            networks[number] = _whole(model, ref, ctx)
    with ExitStack() as stack:
        for numbers in lent.values():
            base = models[numbers[0]].language_model(ctx)
            folders = [ctx.path(ref) for n in numbers if (ref := refs[n]) is not None]
            each = stack.enter_context(lent_adapters(base, folders))
            for number, network in zip(numbers, each, strict=True):
                networks[number] = network
        yield networks


def _whole(model: HFModel, ref: ModelRef | None, ctx: Context) -> Any:
    """A network with weights of its own, shared by the stages of a process."""
    if ref is None or not ref.folder:
        return model.language_model(ctx)
    folder = ctx.path(ref)

    def build() -> Any:
        network = model.new_language_model(model.dtype, folder)
        return network.requires_grad_(False).to(model.device)

    key = f"hf-writer:{ref.details['weights']}:{model.dtype}:{model.attention}:{model.device}"
    return ctx.shared(key, build, nbytes=weight_bytes(folder), needs=[ref.key])


def _scores(
    network: Any, model: HFModel, rows: Completions, ctx: Context, budget: int, label: str
) -> tuple[Jagged, Jagged]:
    def logits_of(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with autocast(model.device, model.dtype):
            found: torch.Tensor = network(
                input_ids=ids, attention_mask=mask, use_cache=False
            ).logits
        return found

    vocabulary = int(network.get_input_embeddings().weight.shape[0])
    return score_answers(
        logits_of, rows, ctx, device=model.device, budget=budget, vocabulary=vocabulary, label=label
    )


def _weights(
    pairs: Completions,
    of_rows: np.ndarray[Any, Any],
    of_tokens: Sequence[np.ndarray[Any, Any]] | None,
    rows: np.ndarray[Any, Any],
    ctx: Context,
) -> Jagged | None:
    """One weight an answer token: the row's times the token's."""
    if of_tokens is None and bool((of_rows == 1).all()):
        return None
    made = []
    for number, (row, weight) in enumerate(zip(rows, of_rows, strict=True)):
        many = len(pairs.answers[number])
        own = np.ones(many) if of_tokens is None else np.asarray(of_tokens[row], np.float64)
        if len(own) < many:
            raise DataError(
                f"row {number} has {len(own)} token weights for {many} answer tokens",
                where=ctx.stage,
                next_step="weigh every token of the answer and the one that ends it, as scored",
            )
        made.append(own[:many] * weight)
    return Jagged.of(made)


def _network(model: HFModel, init: Path | None, seed: int) -> Any:
    """A fresh float32 copy, to be trained: all of it, or adapters around it."""
    network = model.new_language_model(torch.float32, init)
    if model.config.peft is not None:
        network = add_lora(network, model.config.peft, seed, "CAUSAL_LM")
    return network.to(model.device)


def _plain(network: Any) -> Any:
    """A network without adapters around it and without the trainer's own forward."""
    plain = merge_lora(network) if hasattr(network, "merge_and_unload") else network
    vars(plain).pop("forward", None)
    return plain.requires_grad_(False)


def _labels(
    component: str, model: HFModel, ref: ModelRef | None, data: Dataset, **answers: Any
) -> LabelSet:
    weights = None if ref is None else ref.details.get("weights")
    return LabelSet(
        ids=data.ids,
        probs=np.zeros((len(data), 0)),
        data_digest=data.digest,
        provenance={
            "component": component,
            "version": VERSION,
            "model": model.fingerprint,
            "called": model.name,
            "weights": weights,
        },
        **answers,
    )
