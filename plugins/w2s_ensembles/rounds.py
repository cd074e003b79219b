"""What the learner of a boosting round says of the training rows, on rows it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from w2s_ensembles.gathered import gather
from w2s_ensembles.samples import IntArray, Use, folds, member_seed, resample, stream
from w2s_toolkit.contracts import MemberFactory
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, ModelRef

# Members are numbered by their round. Helpers and retries are numbered from here on, so that their
# numbers stay the same whatever the number of rounds, folds and retries in the config.
_FIRST, _ATTEMPTS, _SLOTS = 1000, 10, 20


class Turn(NamedTuple):
    """One attempt at one round.

    Attributes:
        number: the round, from 0.
        attempt: from 0; later ones are trained with other seeds.
        weights: (n,) weights of the rows, summing to one; None for plain training.
        target: (n, K) what the learner regresses on; None for gold.
    """

    number: int
    attempt: int = 0
    weights: FloatArray | None = None
    target: FloatArray | None = None


class Unseen(NamedTuple):
    """Probabilities (n, K) of the training rows, and where there are none, (n,)."""

    probs: FloatArray
    silent: BoolArray


class Rounds:
    """Asks for the members of boosting rounds, and for the helpers that tell how good they are.

    With cross-fitting, a round's learner is judged by ``number`` helpers, each trained on all folds
    but one and asked about that one. The member itself is trained on all rows and is not needed
    to go on, so that the members of all rounds can be trained side by side in the end.

    Args:
        members: whom to ask.
        train: the training set.
        groups: (n,) group numbers; folds do not cut groups.
        number: of folds; 0 to judge the member on the rows it was trained on.
        seed: the stage's seed.
        redraw: draw rows by their weights in place of weighing their loss.
    """

    def __init__(
        self,
        members: MemberFactory,
        train: Dataset,
        groups: IntArray,
        number: int,
        seed: int,
        *,
        redraw: bool = False,
    ) -> None:
        self._members, self._train, self._seed, self._redraw = members, train, seed, redraw
        self._folds = folds(groups, number, stream(seed, Use.FOLDS)) if number else None
        self._asked: dict[tuple[int, int], ModelRef] = {}

    def member(self, turn: Turn) -> ModelRef:
        """The promise of the member itself."""
        at = (turn.number, turn.attempt)
        if at not in self._asked:
            every = np.arange(len(self._train))
            index = helper_number(turn.number, turn.attempt, 0) if turn.attempt else turn.number
            self._asked[at] = self._fit(index, every, turn, 0)
        return self._asked[at]

    def unseen(self, turn: Turn) -> Unseen:
        """What the round's learner says of each training row; waits for it."""
        if self._folds is None:
            said = gather(self._members, [self.member(turn)], self._train)
            return Unseen(said.probs[0], said.abstain[0])
        helpers = [
            self._fit(
                helper_number(turn.number, turn.attempt, fold + 1),
                np.flatnonzero(self._folds != fold),
                turn,
                fold + 1,
            )
            for fold in range(int(self._folds.max()) + 1)
        ]
        # One question to all: helpers are trained side by side only if they are waited for
        # together. What they say of rows they were trained on is not looked at.
        said = gather(self._members, helpers, self._train)
        rows = np.arange(len(self._train))
        return Unseen(said.probs[self._folds, rows], said.abstain[self._folds, rows])

    def _fit(self, index: int, rows: IntArray, turn: Turn, slot: int) -> ModelRef:
        weights = None if turn.weights is None else turn.weights[rows]
        if weights is not None and self._redraw:
            path = (turn.number, turn.attempt, slot)
            sample = resample(weights, stream(self._seed, Use.RESAMPLE, *path))
            rows, weights = rows[sample.rows], sample.counts
        elif weights is not None:
            weights = weights * (len(rows) / weights.sum())
        if weights is not None and np.allclose(weights, 1.0, rtol=0, atol=1e-12):
            weights = None  # plain training under its usual key, shared with whoever trains it too
        whole = len(rows) == len(self._train)
        seed = member_seed(self._seed, turn.number, turn.attempt)
        return self._members.fit(
            index,
            self._train if whole else self._train.take(rows),
            weights=weights,
            target=None if turn.target is None else turn.target[rows],
            variation={"supervisor": turn.number} | ({"seed": seed} if turn.attempt else {}),
        )


def helper_number(number: int, attempt: int, slot: int) -> int:
    """The member number of a retry (``slot`` 0) or of the helper of a fold (from 1) of a round."""
    return _FIRST + (number * _ATTEMPTS + attempt) * _SLOTS + slot
