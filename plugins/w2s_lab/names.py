"""Made-up words: pronounceable and all different."""

from __future__ import annotations

from collections.abc import Iterator

from w2s_lab.draws import Draws

_ONSETS = "b d f g h j k l m n p r s t v w z bl br cl dr fl gr kr pl sk sl sn st tr".split()
_VOWELS = "a e i o u".split()
_CODAS = ["", "", *"b d f g k l m n p r s t x".split()]


def made_up(draw: Draws, taken: set[str]) -> Iterator[str]:
    """Words of two or three syllables without end; each is added to ``taken``.

    How a word sounds says nothing about what it means: meanings are dealt out afterwards.
    """
    while True:
        syllables = 2 + draw.chance(0.2)
        parts = [draw.pick(_ONSETS) + draw.pick(_VOWELS) for _ in range(syllables)]
        word = "".join(parts) + draw.pick(_CODAS)
        if word not in taken:
            taken.add(word)
            yield word
