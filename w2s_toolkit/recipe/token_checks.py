"""Ensembles that mix next tokens need members whose models have the same ones, and that read the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from w2s_toolkit.config import EnsemblerConfig, ModelConfig, SupervisorConfig
from w2s_toolkit.errors import RecipeError, RegistryError, W2SError
from w2s_toolkit.recipe.problems import dotted
from w2s_toolkit.registry import AUTHORS

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Cell, Phase, Use
    from w2s_toolkit.recipe.problems import Problems


def check_tokens(cell: Cell, phase: Phase, problems: Problems) -> None:
    """Note members whose models are known to have different tokens, by files on this machine."""
    if phase.ensemble is None:
        return
    try:
        found = _difference(cell, phase, thorough=False)
    except W2SError as error:
        problems.add(phase.ensemble.path, error.what, error.next_step)
        return
    if found:
        problems.add(phase.ensemble.path, *found)


def require_equal_tokens(cells: Iterable[Cell]) -> None:
    """The same when a run begins, where models can be asked that are not on this machine yet.

    Raises:
        RecipeError: members that are to mix their next tokens have different ones.
        ModelError: the tokens of a model cannot be read.
    """
    for cell in cells:
        for phase in cell.phases:
            found = _difference(cell, phase, thorough=True)
            if found and phase.ensemble:
                where = f"{phase.ensemble.where}: {dotted(phase.ensemble.path)}"
                raise RecipeError(found[0], where=where, next_step=found[1])


def _difference(cell: Cell, phase: Phase, *, thorough: bool) -> tuple[str, str] | None:
    """What is wrong and what to do about it; None where nothing is, or nothing is known."""
    ensemble = phase.ensemble.config if phase.ensemble else None
    if phase.ensemble is None or not isinstance(ensemble, EnsemblerConfig):
        return None
    configs = [u.config for u in phase.supervisors if isinstance(u.config, SupervisorConfig)]
    models = {c.model: cell.models[c.model] for c in configs if c.model and c.model in cell.models}
    instead = ensemble.instead_of_mixing()
    if not instead:
        return None
    if len({config.asks_with() for config in configs}) > 1:
        return (
            f"{phase.ensemble.name!r} lets its members write together, token by token, but they read "
            "rows in different ways: "
            + " against ".join(dict.fromkeys(c.asks_with() for c in configs)),
            f"give all supervisors one template, or {instead}",
        )
    if len(models) < 2:
        return None
    alike: dict[str, list[str]] = {}
    for name, use in models.items():
        alike.setdefault(_tokens(use, thorough=thorough), []).append(name)
    alike.pop("", None)
    if len(alike) < 2:
        return None
    return (
        f"{phase.ensemble.name!r} mixes its members' next tokens, but their models have different "
        f"tokens: {' against '.join(' and '.join(group) for group in alike.values())}",
        f"use models of one tokenizer, or {instead}",
    )


def _tokens(use: Use, *, thorough: bool) -> str:
    if not isinstance(use.config, ModelConfig):
        return ""
    try:
        return use.config.tokens(thorough=thorough)
    except W2SError as error:
        error.where = error.where or f"{use.where}: {dotted(use.path)}"
        raise
    except Exception as error:  # whatever a plugin's config may raise
        what = f"{use.called} cannot say which tokens it has: {type(error).__name__}: {error}"
        raise RegistryError(what, next_step=AUTHORS) from error
