"""The supervisor ``finetuned``: a small model fine-tuned on gold labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_hf.config import FinetunedConfig
from w2s_hf.fit import fit_classifier, label_with, require_classes
from w2s_hf.losses import Squared, Xent
from w2s_hf.member import read_variation
from w2s_hf.noise import noisy_gold, replaces
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import stage_seed
from w2s_toolkit.errors import DataError

NAME = "supervisors/finetuned"


class Finetuned:
    """A weak teacher made by ordinary supervised fine-tuning; ``val`` chooses its epoch.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 3.
    """

    def __init__(self, config: FinetunedConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """See :meth:`Supervisor.fit`."""
        if train is None:
            raise DataError(
                "finetuned has nothing to be fitted on",
                where=ctx.stage,
                next_step="name a split with gold labels in train_on",
            )
        require_classes(train)
        model, gold = ctx.model(self.config.model), noisy_gold(train, self.config.noise, ctx.seed)
        return fit_classifier(NAME, model, self.config, train, gold, Xent(), ctx, val=val)

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
        """See :meth:`MemberTrainer.fit_member`.

        A member that regresses on ``target`` keeps its last epoch: its accuracy alone says nothing.
        """
        require_classes(train)
        if token_weights is not None:
            raise DataError(
                "a classifier has no answer tokens to weigh",
                where=ctx.stage,
                next_step="use token-level boosting with a task of generation",
            )
        if target is not None and replaces(self.config.noise):
            raise DataError(
                "noise replaces gold labels, and this ensemble gives its members other targets, made of "
                "the true ones",
                where=ctx.stage,
                next_step="leave noise out, or use bagging or adaboost",
            )
        varied = read_variation(variation or {})
        if varied.seed is not None:
            ctx = copy.copy(ctx)
            ctx.seed = stage_seed(ctx.seed, "variation", str(varied.seed))
        gold = noisy_gold(train, self.config.noise, ctx.seed)
        labels = gold if weights is None else replace(gold, weight=weights)
        return fit_classifier(
            NAME,
            ctx.model(self.config.model),
            self.config,
            train,
            labels,
            Xent() if target is None else Squared(),
            ctx,
            val=val if target is None else None,
            targets=target,
            variation=varied,
            lend=True,
        )

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`."""
        if ref is None:
            raise DataError("finetuned labels only after it was fitted", where=ctx.stage)
        return label_with(NAME, ctx.model(self.config.model), self.config, ref, data, ctx)
