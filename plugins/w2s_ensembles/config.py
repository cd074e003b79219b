"""Config models of the ensemblers. Imports nothing heavy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from w2s_toolkit.config import Digest, EnsemblerConfig

Difference = Literal["data", "features", "layers", "seeds", "models"]
Pick = Literal["one_se", "best"]

_FOLDS = (
    "Folds by which a round is judged on rows its learner has not seen; 0: on the rows it was trained "
    "on, of which a fine-tuned model knows nearly all."
)
_ALONE = "next: use its supervisor without an ensembler, or ask for 2 or more"
_WHOLE = "combine: rescore or vote"
_TAUGHT_TO_WRITE = (
    "it trains its members",
    "use supervisors that are trained to write, such as sft",
)


class BaggingConfig(EnsemblerConfig):
    """``use: bagging``."""

    members: int = Field(5, ge=1, le=1000, description="Number of members.")
    by: tuple[Difference, ...] = Field(
        ("data",),
        min_length=1,
        description="How members differ: data (a bootstrap sample of groups each), features (a random "
        "share of hidden dimensions), layers (the layer that is read), seeds; models alone: by "
        "supervisor. Several supervisors take turns in any case.",
    )
    features: float = Field(
        0.5, gt=0, lt=1, description="Share of hidden dimensions a member sees, with by: features."
    )
    shallowest: float = Field(
        0.5, gt=0, lt=1, description="Least relative depth of a layer, with by: layers."
    )
    combine: Literal["mean", "log_odds", "product", "vote", "oob", "gate", "stacking"] = Field(
        "mean",
        description="Mean of probabilities, of log-odds, geometric mean, votes, a mean weighted by "
        "out-of-bag accuracy, or a gate or stacking learned on validation data.",
    )
    size: Literal["all", "oob", "val"] = Field(
        "all",
        description="Keep all members, or as many as do best out-of-bag or on validation data.",
    )
    pick: Pick = Field(
        "one_se",
        description="The smallest size within a standard error of the best, or the best, with size.",
    )

    @property
    def needs_val(self) -> bool:
        """Whether it cannot do without validation data."""
        return self.size == "val" or self.combine in ("gate", "stacking")

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """With how depths are drawn, which was once another way."""
        parts = super().key_parts(digest)
        return parts | {"depths": "nearest"} if "layers" in self.by else parts

    @property
    def needs_out_of_bag(self) -> bool:
        """Whether members are asked about the rows that their samples left out."""
        return "oob" in (self.size, self.combine)

    def check(self) -> list[str]:
        """Ensembles that are none, and settings that contradict each other."""
        problems = []
        if self.members == 1:
            problems.append(f"members: an ensemble of one member is that member; {_ALONE}")
        if len(set(self.by)) < len(self.by):
            problems.append("by: every word once")
        if self.needs_out_of_bag and "data" not in self.by:
            field = "combine" if self.combine == "oob" else "size"
            problems.append(f"{field}: oob needs samples that leave rows out; next: add data to by")
        return problems

    def width(self) -> int:
        """See :meth:`EnsemblerConfig.width`."""
        return self.members

    def most_members(self) -> int:
        """See :meth:`EnsemblerConfig.most_members`."""
        return self.members

    def needs_training(self, trained: int, untrained: int) -> tuple[str, str] | None:
        """See :meth:`EnsemblerConfig.needs_training`. A second turn would say the same again."""
        turns = trained + untrained
        if self.members != turns:
            return (
                f"members: {self.members} gives it more or fewer turns than one, and it says the same in each",
                f"set members: {turns}, as many as there are supervisors",
            )
        if self.needs_out_of_bag:
            return (
                "out-of-bag rows are those that a member was not trained on, and it was trained on none",
                "decide on validation data: size: val, or combine: gate or stacking",
            )
        if not trained and self.by != ("models",):
            return (
                f"members do not differ by {', '.join(self.by)} where nothing is trained",
                "set by: [models]",
            )
        return None


class _RoundsConfig(EnsemblerConfig):
    """What both kinds of boosting are told."""

    rounds: int = Field(
        5, ge=1, le=1000, description="Number of rounds, each of which adds a member."
    )
    learning_rate: float = Field(1.0, gt=0, le=2, description="Shrinkage of each round's step.")
    cross_fit: int = Field(3, ge=0, le=19, description=_FOLDS)
    stop: Literal["all", "val"] = Field(
        "all", description="Keep all rounds, or as many as do best on validation data."
    )
    pick: Pick = Field(
        "one_se",
        description="The smallest number within a standard error of the best, or the best, with stop.",
    )

    @property
    def needs_val(self) -> bool:
        """Whether it cannot do without validation data."""
        return self.stop == "val"

    def width(self) -> int:
        """See :meth:`EnsemblerConfig.width`."""
        return self.cross_fit or 1

    def most_members(self) -> int:
        """See :meth:`EnsemblerConfig.most_members`."""
        return self.rounds

    def check(self) -> list[str]:
        """Ensembles that are none, and a single fold, which leaves nothing to train on."""
        problems = []
        if self.rounds == 1:
            problems.append(f"rounds: an ensemble of one member is that member; {_ALONE}")
        if self.cross_fit == 1:
            problems.append("cross_fit: one fold leaves no row to train on; next: 0, or 2 or more")
        return problems


class AdaBoostConfig(_RoundsConfig):
    """``use: adaboost``."""

    reweight: Literal["loss", "resample"] = Field(
        "loss", description="Weights of rows weigh the loss, or rows are drawn by them."
    )
    retries: int = Field(
        3, ge=0, le=9, description="New seeds for a round that is no better than chance."
    )
    combine: Literal["mean", "vote"] = Field(
        "mean", description="Weighted mean of probabilities, or SAMME's weighted votes."
    )


class GradientBoostingConfig(_RoundsConfig):
    """``use: gradient_boosting``."""

    cross_fit: int = Field(0, ge=0, le=19, description=_FOLDS)


class TokenBoostingConfig(_RoundsConfig):
    """``use: token_boosting``."""

    reweight: Literal["loss", "resample"] = Field(
        "loss",
        description="Weights of tokens weigh the loss, or tokens are drawn by them and the others "
        "masked.",
    )
    retries: int = Field(
        3, ge=0, le=9, description="New seeds for a round that does not beat the bare model."
    )
    rule: Literal["mean", "product"] = Field(
        "mean", description="Weighted mean of the experts' next-token probabilities, or product."
    )

    def needs_training(self, trained: int, untrained: int) -> tuple[str, str]:
        """See :meth:`EnsemblerConfig.needs_training`."""
        return _TAUGHT_TO_WRITE

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """Weights that weigh the loss are what there was before tokens could be drawn."""
        parts = super().key_parts(digest)
        return {k: v for k, v in parts.items() if (k, v) != ("reweight", "loss")}

    def instead_of_mixing(self) -> str:
        """See :meth:`EnsemblerConfig.instead_of_mixing`."""
        return f"choose among whole answers (writers with {_WHOLE})"


WHOLE_ANSWERS = ("vote", "rescore")
"""Ways to combine that choose among answers and mix no tokens."""


class WritersConfig(EnsemblerConfig):
    """``use: writers``."""

    members: int = Field(5, ge=1, le=1000, description="Number of members.")
    by: tuple[Literal["data", "seeds", "models"], ...] = Field(
        ("data",),
        min_length=1,
        description="How members differ: data (a bootstrap sample of groups each), seeds; models alone: "
        "by supervisor. Several supervisors take turns in any case.",
    )
    combine: Literal["mean", "product", "learned", "gate", "vote", "rescore"] = Field(
        "mean",
        description="Mean or product of next-token probabilities; a mean with weights learned on "
        "validation data; one in which members that are surer at a place count for more there, how much "
        "more being chosen on validation data (gate); a vote on whole answers; or the whole answer that "
        "all members together find most probable (rescore).",
    )
    size: Literal["all", "val"] = Field(
        "all", description="Keep all members, or as many as do best on validation data."
    )
    pick: Pick = Field(
        "one_se",
        description="The smallest size within a standard error of the best, or the best, with size.",
    )

    @property
    def needs_val(self) -> bool:
        """Whether it cannot do without validation data."""
        return self.size == "val" or self.combine in ("learned", "gate")

    def scores_tokens(self) -> bool:
        """See :meth:`EnsemblerConfig.scores_tokens`. Whole answers are chosen without it."""
        return self.combine not in WHOLE_ANSWERS

    def needs_training(self, trained: int, untrained: int) -> tuple[str, str]:
        """See :meth:`EnsemblerConfig.needs_training`."""
        return _TAUGHT_TO_WRITE

    def instead_of_mixing(self) -> str:
        """See :meth:`EnsemblerConfig.instead_of_mixing`."""
        whole = self.combine in WHOLE_ANSWERS
        return "" if whole else f"choose among whole answers ({_WHOLE})"

    @property
    def rule(self) -> Literal["mean", "product"]:
        """How next-token distributions are mixed."""
        return "product" if self.combine == "product" else "mean"

    def as_bagging(self) -> BaggingConfig:
        """What members are asked to be, as bagging says it."""
        return BaggingConfig(members=self.members, by=self.by)

    def check(self) -> list[str]:
        """Settings that contradict each other."""
        problems = []
        if self.members == 1:
            problems.append(f"members: an ensemble of one member is that member; {_ALONE}")
        if len(set(self.by)) < len(self.by):
            problems.append("by: every word once")
        if self.combine in WHOLE_ANSWERS and self.size == "val":
            problems.append(
                f"size: combine: {self.combine} gives tokens no probability to choose by; next: size: all"
            )
        return problems

    def width(self) -> int:
        """See :meth:`EnsemblerConfig.width`."""
        return self.members

    def most_members(self) -> int:
        """See :meth:`EnsemblerConfig.most_members`."""
        return self.members
