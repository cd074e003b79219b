"""Ensembles and what their members can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from w2s_toolkit.contracts.context import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef


@runtime_checkable
class MemberTrainer(Protocol):
    """The optional second half of a supervisor: one that can be trained as a member of an ensemble."""

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
        """Train on gold, or regress on ``target``; :meth:`Supervisor.label` reads what it returns.

        Args:
            train: n rows with gold.
            weights: (n,) of the loss of each row.
            token_weights: n arrays, of the loss of each answer token.
            target: (n, K) real values: centred logits are fitted to them by squared error, and
                labels are the softmax of what is predicted.
            variation: how this member differs from the others; see :meth:`MemberFactory.fit`.
            val: chooses among checkpoints.

        Raises:
            DataError: it cannot do what is asked for.
        """


class Together(NamedTuple):
    """Members that write one text together.

    Attributes:
        refs: of members that share their tokens.
        weights: one a member, not negative, at least one positive.
        rule: how distributions of the next token are mixed: ``mean`` of probabilities, or ``product``.
        sharpness: how much more a member counts at a place where it is surer than the others: its
            weight is multiplied by exp(-sharpness times the entropy of its distribution, in nats).
    """

    refs: Sequence[ModelRef]
    weights: Sequence[float]
    rule: str = "mean"
    sharpness: float = 0.0


@runtime_checkable
class JointWriter(Protocol):
    """The optional part of a supervisor whose members can write together, each token from all."""

    def label_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """Answers to every row; ``models`` are the entries of ``models:`` of the members, one each.

        Raises:
            DataError: the members have different tokens, or the rule is not known.
        """

    def score_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """What they together give the gold answers, as :meth:`AnswerScorer.score`."""


@runtime_checkable
class JointSaver(Protocol):
    """The optional part of a :class:`JointWriter`: members as one model that the toolkit is not needed for."""

    def save_together(self, together: Together, models: Sequence[str], ctx: Context) -> ModelRef:
        """Write them below ``ctx.out``; ``models`` are the entries of ``models:`` of the members."""


class MemberFactory(Protocol):
    """Handed to an ensembler; every call is a keyed child stage, so 4 members grow to 8 by training 4.

    Asking comes before training: :meth:`fit` returns at once, and a prediction that is not in the
    store yet ends the running :meth:`Ensembler.build` or :meth:`Ensembler.label` by an exception of
    the core, which must be let through. What was asked for is then made side by side, and the
    method runs again from its beginning. So ask for all that can be asked for together, and leave
    out of a request whatever does not influence that member, such as the number of members.
    """

    def fit(
        self,
        index: int,
        train: Dataset,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        token_weights: Sequence[npt.NDArray[np.float64]] | None = None,
        target: npt.NDArray[np.float64] | None = None,
        variation: Mapping[str, Any] | None = None,
    ) -> ModelRef:
        """The promise of a member, at once; nothing is trained yet.

        A supervisor that is trained on nothing is a member as it comes, asked once for all its turns:
        ``train``, ``weights`` and what else differs do not change what it says.

        Args:
            index: number of the member; no two requests of one ensemble that differ share it.
            train: the training set that was given, or ``train.take(rows)`` of it.
            weights: (n,) weight of each row in the loss, from 0. A sample with replacement is the
                rows drawn at least once, weighted by how often they were drawn.
            token_weights: for each row, one weight a token of its answer.
            target: (n, K) real values to regress on: centred logits, squared error. The member
                still predicts probabilities, the softmax of its outputs, so an output is known up
                to a constant of its row: log-probability minus the mean of its row.
            variation: what else differs, JSON-able and understood by the component that is
                trained: ``seed`` (int); ``layer`` (relative depth in (0, 1] that the head reads);
                ``features`` (share in (0, 1) of the hidden dimensions that the head sees, drawn
                by ``seed``); ``supervisor`` (number of the phase's supervisor, modulo how many
                there are; the core's own, not handed on).
        """

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        """A member's probabilities on ``data``, (n, K); waits for the member."""

    def predict_all(self, refs: Sequence[ModelRef], data: Dataset) -> list[LabelSet]:
        """The same of several members, in their order; waits for all, trained side by side."""

    def score_all(
        self,
        refs: Sequence[ModelRef | None],
        data: Dataset,
        answers: Sequence[str] | None = None,
    ) -> list[LabelSet]:
        """What each member gives the gold answers of ``data``, see :meth:`AnswerScorer.score`.

        None stands for the first supervisor's model as it comes, before any training.

        Args:
            answers: n texts that are scored in place of gold.
        """

    def write(self, together: Together, data: Dataset) -> LabelSet:
        """Answers that members write together, token by token, see :class:`JointWriter`."""

    def score(self, together: Together, data: Dataset) -> LabelSet:
        """What they together give the gold answers of ``data``."""


@runtime_checkable
class Ensembler(Protocol):
    """Owns how members are trained: boosting retrains on reweighted data.

    Both methods are run repeatedly from their beginning (see :class:`MemberFactory`): they must
    follow from their arguments and ``ctx.seed`` alone, be cheap apart from the members, and never
    catch exceptions that are not their own.
    """

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """Ask for members and return one reference that labels; ``train`` and ``val`` hold gold.

        Where no supervisor of the phase is trained on anything (see
        :meth:`EnsemblerConfig.needs_training`), ``train`` is the pool, blind.

        Where it chooses how many members to keep, the report draws by what, if ``details`` of the
        reference hold ``size``, the number kept, and ``curve``: a list of mappings with ``size``,
        ``accuracy`` and ``accuracy_se`` (standard error) of the first members together, or with
        another measure that ``curve_by`` names.
        """

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """Combined labels of a reference that :meth:`build` made. ``data`` is blind.

        A row on which no member has an answer abstains.
        """


@runtime_checkable
class EnsembleScorer(Protocol):
    """The optional second half of an ensembler for generated answers."""

    def score(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """As :meth:`AnswerScorer.score`, for the ensemble; ``data`` holds gold."""


@runtime_checkable
class JointEnsemble(Protocol):
    """The optional part of an ensembler whose members write each token together."""

    def together(self, ref: ModelRef) -> Together:
        """How members of a reference that :meth:`Ensembler.build` made write.

        Raises:
            DataError: they do not write together, but choose among whole answers.
        """
