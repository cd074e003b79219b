"""The student ``classifier``: a transformers model with a classification head."""

from __future__ import annotations

from w2s_hf.config import ClassifierConfig
from w2s_hf.fit import fit_classifier, label_with
from w2s_hf.losses import make_loss
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef

NAME = "students/classifier"


class Classifier:
    """Fine-tunes a strong model on weak soft labels.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 3 and appendix A.
    """

    def __init__(self, config: ClassifierConfig) -> None:
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
        loss = make_loss(self.config.loss, len(pool.info.classes))
        model = ctx.model(self.config.model)
        start = ctx.path(init) if init is not None else None
        return fit_classifier(NAME, model, self.config, pool, labels, loss, ctx, init=start)

    def label(self, ref: ModelRef, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Student.label`."""
        return label_with(NAME, ctx.model(self.config.model), self.config, ref, data, ctx)
