"""The student ``sft`` and the supervisor ``sft``: language models that learn to write answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_hf.member import read_variation
from w2s_hf.model_card import mixture_card
from w2s_hf.noise import noisy_gold, replaces, taught_by
from w2s_hf.sft_config import SftConfig, SftTeacherConfig
from w2s_hf.writer import FOLDER, fit_writer, mixture, score_with, trained, write_with
from w2s_toolkit.contracts import Context, Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import stage_seed
from w2s_toolkit.errors import DataError


class _Writer:
    """What both have in common: writing, and scoring answers."""

    name: str
    config: SftConfig | SftTeacherConfig

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Student.label`. ``ref`` None: the model as it comes."""
        model = ctx.model(self.config.model)
        with trained([model], [ref], ctx) as (network,):
            return write_with(self.name, model, self.config, network, data, ctx, ref=ref)

    def score(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`AnswerScorer.score`."""
        model = ctx.model(self.config.model)
        with trained([model], [ref], ctx) as (network,):
            return score_with(self.name, model, self.config, network, data, ctx, ref=ref)


class Sft(_Writer):
    """Fine-tunes a strong language model on the answers that a weak one wrote.

    Source: EnsemW2S (arXiv 2410.04571), section 3; TRL's ``SFTTrainer`` does the training.
    """

    name = "students/sft"

    def __init__(self, config: SftConfig) -> None:
        self.config = config

    def train(
        self,
        pool: Dataset,
        labels: LabelSet,
        ctx: Context,
        *,
        val: Dataset | None = None,
        init: ModelRef | None = None,
    ) -> ModelRef:
        """See :meth:`Student.train`. ``val`` is not read: the last epoch is kept."""
        model, start = ctx.model(self.config.model), None if init is None else ctx.path(init)
        return fit_writer(self.name, model, self.config, pool, labels, ctx, init=start)


class SftTeacher(_Writer):
    """A weak teacher that writes: a small language model fine-tuned on gold answers.

    Source: EnsemW2S (arXiv 2410.04571), section 3.
    """

    name = "supervisors/sft"
    config: SftTeacherConfig

    def __init__(self, config: SftTeacherConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """See :meth:`Supervisor.fit`. Without ``train_on`` the model answers as it comes."""
        if train is None:
            raise DataError(
                "sft has nothing to be fitted on",
                where=ctx.stage,
                next_step="name a split with gold answers in train_on",
            )
        model, gold = ctx.model(self.config.model), noisy_gold(train, self.config.noise, ctx.seed)
        return fit_writer(self.name, model, self.config, train, gold, ctx, val=val)

    def fit_member(
        self,
        train: Dataset,
        ctx: Context,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        token_weights: Sequence[npt.NDArray[np.float64]] | None = None,
        target: npt.NDArray[np.float64] | None = None,
        variation: Mapping[str, Any] | None = None,
        val: Dataset | None = None,
    ) -> ModelRef:
        """See :meth:`MemberTrainer.fit_member`. Members differ by seed, rows and weights."""
        varied = read_variation(variation or {})
        if target is not None or varied.layer is not None or varied.features is not None:
            raise DataError(
                "a model that writes answers can be varied by seed, rows and token weights only",
                where=ctx.stage,
                next_step="leave layers and features out of by:, and use no gradient boosting",
            )
        if token_weights is not None and replaces(self.config.noise):
            raise DataError(
                "noise replaces gold answers, and token boosting weighs the tokens of the true ones",
                where=ctx.stage,
                next_step="leave noise out, or use writers",
            )
        if varied.seed is not None:
            ctx = copy.copy(ctx)
            ctx.seed = stage_seed(ctx.seed, "variation", str(varied.seed))
        gold = noisy_gold(train, self.config.noise, ctx.seed)
        return fit_writer(
            self.name,
            ctx.model(self.config.model),
            self.config,
            train,
            gold if weights is None else replace(gold, weight=weights),
            ctx,
            val=val,
            token_weights=token_weights,
            lend=True,
        )

    def label_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """See :meth:`JointWriter.label_together`."""
        each = [ctx.model(name) for name in models]
        with mixture(each, together, ctx) as network:
            labels = write_with(self.name, each[0], self.config, network, data, ctx)
        called = ", ".join(dict.fromkeys(model.name for model in each))
        return replace(labels, provenance={**labels.provenance, "called": called})

    def score_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """See :meth:`JointWriter.score_together`."""
        each = [ctx.model(name) for name in models]
        with mixture(each, together, ctx) as network:
            return score_with(self.name, each[0], self.config, network, data, ctx)

    def save_together(self, together: Together, models: Sequence[str], ctx: Context) -> ModelRef:
        """See :meth:`JointSaver.save_together`: a folder for :meth:`Mixture.from_pretrained`."""
        each = [ctx.model(name) for name in models]
        with mixture(each, together, ctx) as network:
            network.save_pretrained(ctx.out / FOLDER, tokenizer=each[0].tokenizer(ctx))
        taught = taught_by(self.config.noise)
        card = mixture_card([model.name for model in each], together, taught)
        (ctx.out / FOLDER / "README.md").write_text(card, encoding="utf-8")
        return ModelRef(self.name, folder=FOLDER, capabilities=("generate",))
