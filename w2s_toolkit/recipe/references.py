"""``@prev.student``, ``@phase.NAME.student``, ``@next.student``: students where a model is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from w2s_toolkit.config import AlignerConfig

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Phase

NEXT, PREVIOUS = "@next.student", "@prev.student"

_OF_PHASE = re.compile(r"@phase\.([A-Za-z0-9][A-Za-z0-9_\-]*)\.student")


class Reference(NamedTuple):
    """A student that the recipe trains.

    ``phase`` is the phase that trained it; empty for the one promoted last in a repeated phase, or
    that of the phase before.
    """

    phase: str


def is_reference(name: object) -> bool:
    """Whether a model is named by what trained it."""
    return isinstance(name, str) and name.startswith("@")


def parse_reference(text: str) -> Reference:
    """What a reference to a trained student means.

    Raises:
        ValueError: it is of no known form.
    """
    if text == PREVIOUS:
        return Reference("")
    if found := _OF_PHASE.fullmatch(text):
        return Reference(found[1])
    raise ValueError(
        f"{text!r} is no student; write @prev.student or @phase.NAME.student, and @next.student in "
        "oversight: for the model that a round is about to train"
    )


def start_of(phase: Phase) -> str:
    """The reference to the student that supervises a phase first; empty where none does."""
    config = phase.supervisor.config
    if not isinstance(config, AlignerConfig):
        return ""
    return phase.model.repeat.start if phase.model.repeat else str(config.model)
