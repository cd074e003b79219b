"""Prices of the hosted models of a recipe, and what the stages are told of its budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from w2s_toolkit.calls.hosted import HostedModelConfig, Price
from w2s_toolkit.calls.ledger import Budget
from w2s_toolkit.calls.scrub import Scrubber
from w2s_toolkit.config import ModelConfig
from w2s_toolkit.errors import RegistryError, W2SError
from w2s_toolkit.registry import Registry

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Cell, Phase, Recipe, Use

MILLION = 1_000_000


def used_models(cells: Iterable[Cell]) -> Iterator[Use]:
    """The entries of ``models:`` that anything in the recipe names, each config once."""
    seen: set[tuple[str, str]] = set()
    for cell in cells:
        uses = [cell.task, *(use for phase in cell.phases for use in components(phase))]
        for name in dict.fromkeys(str(f.value) for use in uses for f in use.config.uses("model")):
            model = cell.models.get(name)
            same = (model.name, model.config.model_dump_json()) if model else ("", "")
            if model is not None and same not in seen:
                seen.add(same)
                yield model


def components(phase: Phase) -> tuple[Use, ...]:
    """Everything a phase uses."""
    return (
        *phase.supervisors,
        *phase.oversight,
        *((phase.ensemble,) if phase.ensemble else ()),
        *phase.refine,
        *((phase.student,) if phase.student else ()),
        *phase.ladder,
        *phase.evaluate,
    )


def price_of(use: Use, registry: Registry) -> Price | None:
    """What a hosted model costs: from its entry, else from the first plugin that knows.

    Raises:
        RegistryError: a plugin answers with what is no price.
    """
    config = use.config
    assert isinstance(config, HostedModelConfig)
    if config.price is not None:
        return config.price
    model = {"use": use.name, "id": config.id, "base_url": config.endpoint()}
    try:
        found = [
            registry.hook.w2s_price(
                model=model, usage={"prompt_tokens": read, "completion_tokens": MILLION - read}
            )
            for read in (MILLION, 0)
        ]
        if found[0] is None or found[1] is None:
            return None
        return Price(prompt=found[0], completion=found[1])
    except Exception as error:  # whatever a plugin may raise
        raise RegistryError(
            f"the price of {config.called()} cannot be found out: {type(error).__name__}: {error}",
            next_step="set price: in its entry of models:, or remove the plugin whose w2s_price fails",
        ) from None


def unpriced(cells: Iterable[Cell], registry: Registry) -> Iterator[tuple[Use, str]]:
    """Hosted models in use for which a cap on money could not be kept, and why."""
    for use in used_models(cells):
        if isinstance(use.config, HostedModelConfig):
            try:
                known, why = price_of(use, registry), "its price is not known"
            except RegistryError as error:
                known, why = None, error.what
            if known is None:
                yield use, why


def job_facts(recipe: Recipe, registry: Registry, run: str) -> dict[str, Any]:
    """What every stage of a run is told, as JSON; empty for a recipe without hosted models."""
    prices: dict[str, Mapping[str, float]] = {}
    hosted = False
    for use in used_models(recipe.cells):
        if not isinstance(use.config, HostedModelConfig):
            continue
        hosted = True
        price = price_of(use, registry)
        if price is not None:
            prices[use.config.called()] = price.model_dump()
    if not hosted:
        return {}
    budget = recipe.budget or Budget()
    caps = {"usd": budget.usd, "tokens": budget.tokens}
    return {"ledger": recipe.name, "run": run, "prices": prices, **caps}


def prepare_models(recipe: Recipe, registry: Registry) -> None:
    """Let the models in use find out what planning needs of the outside world.

    Raises:
        ModelError: one of them cannot.
        MissingDependencyError: a package that asks its server is not installed.
    """
    for use in used_models(recipe.cells):
        if isinstance(use.config, HostedModelConfig):
            registry.target(use.component)
        if isinstance(use.config, ModelConfig):
            try:
                use.config.prepare()
            except W2SError as error:
                error.where = f"{use.where}: {'.'.join(map(str, use.path))}"
                raise


def scrubber_of(recipe: Recipe) -> Scrubber:
    """For every secret that the recipe names, used or not."""
    models = [use.config for cell in recipe.cells for use in cell.models.values()]
    names = {n for m in models if isinstance(m, ModelConfig) for n in m.secret_names()}
    return Scrubber.of_environment(sorted(names))
