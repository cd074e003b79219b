"""``w2s probe``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from w2s_toolkit.cli.options import json_option, recipe_argument, set_option


@click.command()
@recipe_argument
@set_option
@json_option
def probe(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Ask the hosted models of RECIPE again what they can, and remember it.

    A run asks an endpoint once and relies on that. When a server was updated, ask again: stages that used
    a model whose abilities have changed get other keys.
    """
    from w2s_openai.config import OpenAIModelConfig
    from w2s_openai.doctor import said
    from w2s_toolkit.calls.prices import used_models
    from w2s_toolkit.recipe.load import find_recipe, load_recipe
    from w2s_toolkit.registry import Registry

    registry = Registry()
    loaded = load_recipe(find_recipe(recipe, registry), registry, overrides)
    found = []
    for use in used_models(loaded.cells):
        if not isinstance(use.config, OpenAIModelConfig):
            continue
        registry.target(use.component)  # says which package is missing
        from w2s_openai.probe import probe as ask

        before = use.config.known()
        known = ask(use.config)
        changed = before is not None and before.identity() != known.identity()
        found.append({**asdict(known), "changed": changed})
        if not as_json:
            note = " (changed: stages that use it get other keys)" if changed else ""
            click.echo(f"{use.config.called()}{note}\n  {said(known)}")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif not found:
        click.echo("the recipe uses no hosted model", err=True)
