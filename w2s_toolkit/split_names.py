"""What the name of a split says about it."""

from __future__ import annotations

from collections.abc import Iterable


def is_evaluation_split(name: str) -> bool:
    """Whether a split stays the same for all training seeds: ``val…``, ``test…``, ``anchor…``."""
    return name.startswith(("val", "test", "anchor"))


def drawing_order(names: Iterable[str]) -> list[str]:
    """Evaluation splits first, then the others, each in the order of the recipe."""
    return sorted(names, key=lambda n: not is_evaluation_split(n))
