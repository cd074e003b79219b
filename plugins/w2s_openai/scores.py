"""Probabilities of answers from the alternatives that a server lists for the first token."""

from __future__ import annotations

import math
from collections.abc import Sequence

from w2s_toolkit.contracts import ChatUsage, ChoiceScores

AROUND = " \t\r\n▁Ġ\"'`“”‘’*_()[]{}.,:;!?"
"""Cut off both ends of tokens and choices before they are compared."""


def choice_scores(
    top: Sequence[tuple[str, float]],
    choices: Sequence[str],
    *,
    usage: ChatUsage | None = None,
    request_key: str = "",
) -> ChoiceScores:
    """Sum up the variants of each choice at the place of decision.

    A variant is the choice itself with other space, marks or letter case around it (``" A"``,
    ``"(a)"``), or the beginning of a longer choice, as far as it begins no other (``" pos"`` of
    positive). A choice of which no variant is listed is censored: at most, it has all that the listed
    tokens leave.

    Args:
        top: tokens with their log-probabilities.
        choices: texts that are told apart by how they begin.
    """
    belongs = [(_owner(token, choices), math.exp(value)) for token, value in top]
    listed = sum(p for _, p in belongs)
    least = min((p for _, p in belongs), default=1.0)
    rest = min(1.0, max(1.0 - listed, least))
    sums = [math.fsum(p for owner, p in belongs if owner == i) for i in range(len(choices))]
    there = [any(owner == i for owner, _ in belongs) for i in range(len(choices))]
    return ChoiceScores(
        log_probs=tuple(
            math.log(max(total if seen else rest, 1e-300))
            for total, seen in zip(sums, there, strict=True)
        ),
        mass=min(1.0, math.fsum(sums)),
        source="logprobs",
        censored=tuple(not seen for seen in there),
        usage=usage,
        request_key=request_key,
    )


def _owner(token: str, choices: Sequence[str]) -> int | None:
    """Which choice a token speaks for; None: none, or several."""
    for fold in (str, str.casefold):  # letter case counts only where choices differ by it
        word = fold(token.strip(AROUND))
        plain = [fold(choice.strip(AROUND)) for choice in choices]
        if not word:
            return None
        whole = [i for i, choice in enumerate(plain) if choice == word]
        begins = [i for i, choice in enumerate(plain) if choice.startswith(word)]
        for found in (whole, begins):
            if len(found) == 1:
                return found[0]
            if found:
                break
    return None
