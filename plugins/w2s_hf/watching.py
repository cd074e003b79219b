"""Looks at a classifier while it is trained."""

from __future__ import annotations

from typing import Any

from w2s_hf.config import TrainingConfig
from w2s_hf.model import HFModel
from w2s_hf.network import PooledClassifier
from w2s_hf.predict import predict_logits, softmax
from w2s_hf.team import Team
from w2s_hf.tokens import tokenise
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import LabelSet


class Looker:
    """Labels the rows of ``ctx.watch`` when it is due; changes nothing of the training."""

    def __init__(
        self,
        network: PooledClassifier,
        model: HFModel,
        config: TrainingConfig,
        ctx: Context,
        team: Team,
    ) -> None:
        assert ctx.watch is not None
        self._network, self._model, self._config = network, model, config
        self._ctx, self._team, self._watch = ctx, team, ctx.watch
        self.tokens = tokenise(ctx.watch.data, model, ctx, config.max_length)

    def after_step(self, step: int, total: int) -> None:
        """Look, if it is time to."""
        if not self._watch.due(step, total):
            return
        logits = predict_logits(
            self._network,
            self.tokens,
            self._ctx,
            dtype=self._model.dtype,
            budget=self._config.label_tokens,
            label="watch",
        )
        if self._team.is_main:
            data = self._watch.data
            labels = LabelSet(data.ids, softmax(logits), data.info.classes)
            self._watch.record(step, total, labels)

    def after_epoch(self, epoch: int) -> None:
        """Steps are looked at, not epochs."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: looks are kept where they are recorded."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
