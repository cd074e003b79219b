"""What a component puts into the keys of its stages. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.digest import Digests, hash_of
from w2s_toolkit.errors import RegistryError
from w2s_toolkit.plan.planner import Identities
from w2s_toolkit.recipe.checked import Use
from w2s_toolkit.recipe.references import is_reference
from w2s_toolkit.registry import Registry

Values = Mapping[str, Any]


def identity(registry: Registry, kind: str, name: str, values: Values, models: Values) -> str:
    """Hash of the config and models of a component, as the planner takes them into keys.

    Raises:
        W2SError: an input or a model cannot be identified.
    """
    component = registry.get(kind, name)
    config = registry.config_model(component).model_validate(values)
    identities = Identities(Digests())
    use = Use(kind, component, config, (name,))
    own = identities.model(use) if kind == "models" else identities.config(use)
    named = {
        ".".join(map(str, f.location)): identities.model(model_use(registry, models, str(f.value)))
        for f in config.uses("model")
        if not is_reference(f.value)
    }
    identities.raise_if_any()
    return hash_of([kind, name, component.version, own, named])


def model_use(registry: Registry, models: Values, name: str) -> Use:
    """An entry of ``models:``, checked.

    Raises:
        RegistryError: the test class gives no such entry.
    """
    if name not in models:
        raise RegistryError(
            f"the config names model {name!r}; the test class has {', '.join(models)}",
            next_step=f"add it: models = {{{name!r}: {{'use': ...}}}}",
        )
    values = {k: v for k, v in models[name].items() if k != "use"}
    component = registry.get("models", models[name]["use"])
    config = registry.config_model(component).model_validate(values)
    return Use("models", component, config, ("models", name))


def job_models(
    registry: Registry, models: Values, config: ComponentConfig
) -> dict[str, Mapping[str, Any]]:
    """The models of a config as a :class:`~w2s_toolkit.contracts.StageJob` holds them."""
    identities = Identities(Digests())
    found: dict[str, Mapping[str, Any]] = {}
    for field in config.uses("model"):
        if is_reference(field.value):
            continue
        use = model_use(registry, models, str(field.value))
        known = identities.model(use)
        found[str(field.value)] = {
            "use": use.name,
            "config": use.config.model_dump(mode="json"),
            **{k: known.get(k) for k in ("fingerprint", "resolved")},
        }
    return found
