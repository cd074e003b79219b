"""The supervisor ``finetuned``: a small model fine-tuned on gold labels."""

from __future__ import annotations

import numpy as np

from w2s_hf.config import FinetunedConfig
from w2s_hf.fit import fit_classifier, label_with, require_classes
from w2s_hf.losses import Xent
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
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
        gold = LabelSet(
            ids=train.ids,
            probs=np.eye(len(train.info.classes))[train.gold],
            classes=train.info.classes,
            data_digest=train.digest,
        )
        model = ctx.model(self.config.model)
        return fit_classifier(NAME, model, self.config, train, gold, Xent(), ctx, val=val)

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`."""
        if ref is None:
            raise DataError("finetuned labels only after it was fitted", where=ctx.stage)
        return label_with(NAME, ctx.model(self.config.model), self.config, ref, data, ctx)
