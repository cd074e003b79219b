"""Planning against a store, and a plan as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import RegistryError
from w2s_toolkit.plan.plan import Plan
from w2s_toolkit.plan.planner import make_plan
from w2s_toolkit.recipe.checked import Recipe
from w2s_toolkit.registry import AUTHORS, Registry
from w2s_toolkit.store import Store


def plan_recipe(recipe: Recipe, store: Store) -> Plan:
    """Plan a recipe; digests of large files are remembered in the store."""
    digests = Digests(store.root / "digests.json")
    plan = make_plan(recipe, digests)
    digests.save()
    return plan


def follow_decisions(plan: Plan, store: Store) -> None:
    """Add what follows from decisions that are in the store already."""
    while decided := [s for s in plan.graph.pending if store.get(s.key)]:
        for stage in decided:
            plan.graph.decide(stage.key, store.open(stage.key).path)
    plan.graph.settle(plan.axes)


def ask_plugins(registry: Registry) -> Callable[[Sequence[Mapping[str, Any]], str], str]:
    """What answers whether a repeated phase should stop: the hook ``w2s_should_stop``."""

    def should_stop(history: Sequence[Mapping[str, Any]], phase: str) -> str:
        for implementation in reversed(registry.hook.w2s_should_stop.get_hookimpls()):
            given = {"history": history, "phase": phase}
            given = {k: v for k, v in given.items() if k in implementation.argnames}
            plugin = implementation.plugin_name
            try:
                answer = implementation.function(**given)
            except Exception as error:  # whatever a plugin may raise
                raise RegistryError(
                    f"w2s_should_stop of plugin {plugin!r}: {type(error).__name__}: {error}",
                    where=f"phase {phase!r}, after round {len(history)}",
                    next_step=AUTHORS,
                ) from error
            if answer is not None:
                return f"plugin {plugin!r} said so" if answer else ""
        return ""

    return should_stop


def key_facts(plan: Plan) -> dict[str, dict[str, Any]]:
    """By stage key: what it was hashed from, and the identity of each model that the stage uses."""
    identity = ("fingerprint", "resolved")
    return {
        "parts": {s.key: s.parts for s in plan.graph},
        "models": {
            s.key: {name: {k: model.get(k) for k in identity} for name, model in s.models.items()}
            for s in plan.graph
        },
    }


def plan_json(plan: Plan, **more: Mapping[str, Any]) -> dict[str, Any]:
    """The graph as JSON; ``more`` adds fields by stage key."""
    return {
        "recipe": plan.recipe.name,
        "cells": [dict(a) for a in plan.axes],
        "stages": [
            {
                "id": s.id,
                "key": s.key,
                "kind": s.kind,
                "role": s.role,
                "component": "/".join(c for c in s.component if c),
                "inputs": dict(s.inputs),
                "cells": sorted(s.cells),
                "threads": s.threads,
                "pending": plan.graph.is_pending(s.key),
                **{name: values[s.key] for name, values in more.items() if s.key in values},
            }
            for s in plan.graph
        ],
    }
