"""Members that write apart and are put together: token by token, or by whole answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from w2s_ensembles.answers import answer_curve, tokens_of, writing_groups
from w2s_ensembles.bags import make_bag
from w2s_ensembles.checks import require_group_count, require_val
from w2s_ensembles.config import WHOLE_ANSWERS, WritersConfig
from w2s_ensembles.curve import choose
from w2s_ensembles.gathered import from_json, to_json
from w2s_ensembles.mixing import mixing_weights
from w2s_ensembles.rescoring import rescored, texts_of
from w2s_toolkit.contracts import Context, MemberFactory, Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError

SHARPNESS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""What is tried with ``combine: gate``; 0 is the plain mean."""


class Writers:
    """Bagging for answers that are written: members differ by data, seeds or models.

    ``mean`` and ``product`` mix the distributions of every next token with equal weights; ``learned``
    takes the weights under which the mean gives validation answers the most probability. ``vote``
    takes whole answers: the one that most members wrote, of equally many the first member's. Members
    with different tokens can only vote.

    Source: the alternatives that EnsemW2S (arXiv 2410.04571) is compared with; bagging after Sang et
    al. 2024 (arXiv 2402.00667), section 3.
    """

    def __init__(self, config: WritersConfig) -> None:
        self.config = config

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """See :meth:`Ensembler.build`.

        Raises:
            DataError: it is no generation task, or there is no validation data to decide on.
        """
        config, groups = self.config, writing_groups(train)
        if config.needs_val:
            asks = "size: val" if config.size == "val" else f"combine: {config.combine}"
            val_groups = writing_groups(require_val(val, asks, ctx.stage))
        if "data" in config.by:
            require_group_count(groups, 2, "a bootstrap", train)
        bags = [make_bag(config.as_bagging(), groups, i, ctx.seed) for i in range(config.members)]
        refs = [
            members.fit(i, train, variation=bag.variation)
            if bag.rows is None
            else members.fit(i, train.take(bag.rows), weights=bag.weights, variation=bag.variation)
            for i, bag in enumerate(bags)
        ]
        weights, curve = [1.0] * len(refs), []
        if config.size == "val" and val is not None:
            curve = answer_curve(members, refs, weights, config.rule, val, val_groups)
        size = choose(curve, by="log_loss", pick=config.pick) if curve else len(refs)
        sharpness = 0.0
        if config.combine == "gate" and val is not None:
            sharpness = _sharpness(members, refs[:size], val)
        if config.combine == "learned" and val is not None:
            weights = mixing_weights(members.score_all(refs[:size], val))
        details: dict[str, Any] = {
            "members": to_json(refs),
            "weights": weights[:size],
            "combine": config.combine,
            "rule": config.rule,
            "sharpness": sharpness,
            "size": size,
            "curve": curve,
            "curve_by": "log_loss",
        }
        return ModelRef("ensemblers/writers", capabilities=("generate",), details=details)

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Ensembler.label`."""
        refs = from_json(ref.details)
        if ref.details["combine"] == "vote":
            return _voted(members.predict_all(refs, data), data)
        if ref.details["combine"] == "rescore":
            return rescored(members, refs, data)
        return members.write(self.together(ref), data)

    def score(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`EnsembleScorer.score`. Who chooses whole answers gives tokens no probability."""
        if ref.details["combine"] in WHOLE_ANSWERS:
            raise DataError(
                "members that choose among whole answers give single tokens no probability",
                where=ctx.stage,
                next_step="leave out token_accuracy and perplexity, or combine by mean or product",
            )
        return members.score(self.together(ref), data)

    def together(self, ref: ModelRef) -> Together:
        """See :meth:`JointEnsemble.together`."""
        details = ref.details
        if details["combine"] in WHOLE_ANSWERS:
            raise DataError(
                f"members that choose among whole answers (combine: {details['combine']}) are not one model",
                next_step="export the members one by one, or combine by mean or product",
            )
        sharpness = details.get("sharpness", 0.0)  # ensembles built before there was one have none
        return Together(from_json(details), details["weights"], details["rule"], sharpness)


def _sharpness(members: MemberFactory, refs: Sequence[ModelRef], val: Dataset) -> float:
    """How much certainty should count: what makes gold answers most probable on validation data."""
    equal = [1.0] * len(refs)
    found = {
        sharpness: float(
            np.mean(
                np.concatenate(
                    tokens_of(members.score(Together(refs, equal, "mean", sharpness), val)).nll
                )
            )
        )
        for sharpness in SHARPNESS
    }
    return min(SHARPNESS, key=lambda sharpness: found[sharpness])


def _voted(said: Sequence[LabelSet], data: Dataset) -> LabelSet:
    """The answer that most members gave; of equally many the one that was given first."""
    texts: list[str] = []
    silent = np.zeros(len(data), dtype=np.bool_)
    answers = zip(*texts_of(said, data), strict=True)
    abstains = zip(*(labels.abstain for labels in said), strict=True)
    for row, (given, without) in enumerate(zip(answers, abstains, strict=True)):
        votes = Counter(text for text, silence in zip(given, without, strict=True) if not silence)
        silent[row] = not votes
        texts.append(votes.most_common(1)[0][0] if votes else "")
    nothing = np.zeros((len(data), 0))
    return LabelSet(data.ids, nothing, texts=texts, abstain=silent, data_digest=data.digest)
