"""Planning against a store, and a plan as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_toolkit.digest import Digests
from w2s_toolkit.plan.plan import Plan
from w2s_toolkit.plan.planner import make_plan
from w2s_toolkit.recipe.load import Recipe
from w2s_toolkit.store import Store


def plan_recipe(recipe: Recipe, store: Store) -> Plan:
    """Plan a recipe; digests of large files are remembered in the store."""
    digests = Digests(store.root / "digests.json")
    plan = make_plan(recipe, digests)
    digests.save()
    return plan


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
                "pending": s.expand is not None,
                **{name: values[s.key] for name, values in more.items() if s.key in values},
            }
            for s in plan.graph
        ],
    }
