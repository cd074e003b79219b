"""Bagging: members that differ, trained apart and combined."""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_ensembles.bags import Bag, make_bag
from w2s_ensembles.checks import (
    require_classes,
    require_every_class,
    require_groups,
    require_out_of_bag,
    truth_of,
    val_truth,
)
from w2s_ensembles.combine import Combined, Rule, combine
from w2s_ensembles.config import BaggingConfig
from w2s_ensembles.curve import Point, Truth, choose, prefix_curve
from w2s_ensembles.gate import apply_stacking, fit_stacking, gate_weights, require_stacking
from w2s_ensembles.gathered import Said, from_json, gather, to_json
from w2s_ensembles.out_of_bag import out_of_bag_weights
from w2s_toolkit.contracts import Context, MemberFactory
from w2s_toolkit.data import Dataset, FloatArray, LabelSet, ModelRef


class Bagging:
    """Members that differ by data, features, layers, seeds or models, and one rule to combine them.

    Everything about a member follows from the stage's seed and its number. Size and weights are
    chosen out-of-bag or on validation data. A learned combination (``gate``, ``stacking``) is
    fitted on all of the validation data, so a curve of it there would flatter it: with these, the
    size is chosen by the plain mean.

    Source: Sang et al. 2024 (arXiv 2402.00667), section 3.
    """

    def __init__(self, config: BaggingConfig) -> None:
        self.config = config

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """See :meth:`Ensembler.build`.

        Raises:
            DataError: there is no validation data to decide on, or too few rows for a bootstrap or
                for out-of-bag accuracies.
            MissingDependencyError: stacking without scikit-learn.
        """
        config = self.config
        require_classes(train)
        # Members that are trained on nothing come with rows that have no gold, and need none.
        truth = truth_of(train) if "data" in config.by else None
        val_gold = val_truth(val, self._asks_for_val(), ctx.stage) if config.needs_val else None
        if config.combine == "stacking" and val is not None and val_gold is not None:
            require_stacking()
            require_every_class(val_gold, val.info.classes, val.num_classes, val.name)
        bags = self._bags(train, truth, ctx)
        refs = [_ask(members, train, index, bag) for index, bag in enumerate(bags)]
        left, judged, on_val = np.stack([bag.left for bag in bags]), None, None
        if config.needs_out_of_bag:
            found = gather(members, refs, train)
            judged = found._replace(abstain=found.abstain | ~left)
        if val is not None and config.needs_val:
            on_val = gather(members, refs, val, () if judged is None else judged.classes)
        weights = np.ones(len(refs))
        if judged is not None and truth is not None and config.combine == "oob":
            weights = out_of_bag_weights(judged, truth.gold, ctx)
        curve: list[Point] = []
        if judged is not None and truth is not None and config.size == "oob":
            curve = self._curve(judged, weights, truth)
        if on_val is not None and val_gold is not None and config.size == "val":
            curve = self._curve(on_val, weights, val_gold)
        size = choose(curve, pick=config.pick) if curve else len(refs)
        kept = None if on_val is None else on_val.first(size)
        if kept is not None:
            self._warn_of_silence(kept, ctx)
        state = self._combination(weights[:size], kept, val_gold)
        details = {"members": to_json(refs), "size": size, "combine": state, "curve": curve}
        return ModelRef("ensemblers/bagging", classes=train.info.classes, details=details)

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Ensembler.label`."""
        said = gather(members, from_json(ref.details), data, ref.classes)
        found = _combined(ref.details["combine"], said)
        return LabelSet(
            data.ids,
            found.probs,
            said.classes,
            abstain=found.silent,
            weight=said.together(),
            data_digest=data.digest,
        )

    def _warn_of_silence(self, on_val: Said, ctx: Context) -> None:
        silent = np.flatnonzero(on_val.abstain.all(1))
        if self.config.combine == "stacking" and len(silent):
            ctx.warn(
                "member_unheard",
                f"member {silent[0]} answers no validation row, so stacking learns nothing of it",
            )

    def _asks_for_val(self) -> str:
        return "size: val" if self.config.size == "val" else f"combine: {self.config.combine}"

    def _bags(self, train: Dataset, truth: Truth | None, ctx: Context) -> list[Bag]:
        config = self.config
        groups = np.zeros(len(train), np.int64) if truth is None else truth.groups
        if truth is not None:
            require_groups(truth, 2, "a bootstrap", train.name)
        bags = [make_bag(config, groups, i, ctx.seed) for i in range(config.members)]
        if truth is not None and config.needs_out_of_bag:
            left = np.stack([bag.left for bag in bags])
            require_out_of_bag(left, truth, train.info.classes, train.num_classes, train.name)
        return bags

    def _rule(self) -> Rule:
        """The fixed rule behind the setting."""
        rule = self.config.combine
        return "mean" if rule in ("oob", "gate", "stacking") else rule  # type: ignore[return-value]

    def _curve(self, said: Said, weights: FloatArray, truth: Truth) -> list[Point]:
        return prefix_curve(self._rule(), said.probs, weights, said.abstain, truth)

    def _combination(
        self, weights: FloatArray, on_val: Said | None, truth: Truth | None
    ) -> dict[str, Any]:
        """How the kept members are combined, as JSON."""
        if on_val is not None and truth is not None and self.config.combine == "stacking":
            return {"rule": "stacking", **fit_stacking(on_val.probs, truth.gold, on_val.abstain)}
        if on_val is not None and truth is not None and self.config.combine == "gate":
            weights = gate_weights(on_val.probs, truth.gold, on_val.abstain)
        return {"rule": self._rule(), "weights": weights.tolist()}


def _ask(members: MemberFactory, train: Dataset, index: int, bag: Bag) -> ModelRef:
    if bag.rows is None:
        return members.fit(index, train, variation=bag.variation)
    return members.fit(index, train.take(bag.rows), weights=bag.weights, variation=bag.variation)


def _combined(state: dict[str, Any], said: Said) -> Combined:
    if state["rule"] == "stacking":
        return apply_stacking(state, said.probs, said.abstain)
    return combine(state["rule"], said.probs, np.asarray(state["weights"]), said.abstain)
