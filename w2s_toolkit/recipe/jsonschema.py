"""JSON Schema of recipes, with the config of every installed component."""

from __future__ import annotations

from typing import Any

from w2s_toolkit.errors import RegistryError
from w2s_toolkit.recipe.schema import USE_BLOCKS, RecipeModel, TaskOptions
from w2s_toolkit.registry import Registry


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """Draft 2020-12 schema of a recipe file."""
    schema = RecipeModel.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "w2s-toolkit recipe"
    phase = definitions["PhaseModel"]["properties"]
    for key, kind in USE_BLOCKS.items():
        block = _any_of(registry, kind, definitions, word_allowed=True)
        if phase[key].get("type") == "array":
            phase[key]["items"] = block
        else:  # null leaves it out
            phase[key] = {"anyOf": [*block.get("anyOf", ()), {"type": "null"}]}
    schema["properties"]["models"]["additionalProperties"] = _any_of(
        registry, "models", definitions
    )
    schema["properties"]["models"].pop("patternProperties", None)
    schema["properties"]["task"] = _any_of(
        registry, "tasks", definitions, more=TaskOptions.model_json_schema()
    )
    return schema


def _any_of(
    registry: Registry,
    kind: str,
    definitions: dict[str, Any],
    *,
    word_allowed: bool = False,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    options: list[dict[str, Any]] = []
    for name in registry.names(kind):
        try:
            component = registry.get(kind, name)
        except RegistryError:
            continue
        model = registry.config_model(component)
        own = model.model_json_schema(ref_template=f"#/$defs/{kind}.{name}.{{model}}")
        for inner, definition in own.pop("$defs", {}).items():
            definitions[f"{kind}.{name}.{inner}"] = definition
        use = {"const": name, "description": component.summary}
        own["properties"] = {"use": use, **own.get("properties", {})}
        own["required"] = ["use", *own.get("required", [])]
        if more:
            own["properties"] |= more["properties"]
            own["required"] += more.get("required", [])
        definitions[f"{kind}.{name}"] = own
        options.append({"$ref": f"#/$defs/{kind}.{name}"})
    if word_allowed:
        options.append({"enum": registry.names(kind)})
    return {"anyOf": options} if options else {}
