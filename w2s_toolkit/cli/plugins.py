"""``w2s plugins ls`` and ``w2s plugins show``."""

from __future__ import annotations

import json
from typing import Any

import click

from w2s_toolkit.cli.options import json_option


@click.group()
def plugins() -> None:
    """Plugins and the components they offer."""


@plugins.command()
@json_option
def ls(as_json: bool) -> None:
    """List plugins, broken ones with their reason, and all components."""
    from w2s_toolkit.registry import Registry

    registry = Registry()
    rows = registry.components()
    clashes = registry.clashes()
    if as_json:
        listed = [
            {"kind": r.kind, "plugin": r.plugin.name, "distribution": r.plugin.distribution}
            | r.component._asdict()
            for r in rows
        ]
        value = {"plugins": [p._asdict() for p in registry.plugins], "components": listed}
        click.echo(json.dumps({**value, "clashes": clashes}, indent=1))
        return
    working = [p for p in registry.plugins if not p.reason]
    for kind in dict.fromkeys(r.kind for r in rows):
        click.secho(kind, bold=True)
        for row in (r for r in rows if r.kind == kind):
            click.echo(f"  {row.component.name:<14} {row.component.summary}  ({row.plugin.name})")
    click.secho("plugins", bold=True)
    for plugin in working:
        click.echo(f"  {plugin.name:<14} {plugin.distribution} {plugin.version}  {plugin.module}")
    for plugin in (p for p in registry.plugins if p.reason):
        click.secho(f"  {plugin.name:<14} {plugin.distribution} BROKEN: {plugin.reason}", fg="red")
    for text in clashes:
        click.secho(f"  CLASH: {text}", fg="red")


@plugins.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a component's config: NAME, or KIND/NAME such as students/classifier."""
    from w2s_toolkit.errors import RegistryError
    from w2s_toolkit.registry import Registry, suggestion

    registry = Registry()
    kind, _, word = name.rpartition("/")
    rows = [r for r in registry.components(kind or None) if r.component.name == word]
    if not rows:
        known = [f"{r.kind}/{r.component.name}" for r in registry.components()]
        near = suggestion(name, [*known, *(k.partition("/")[2] for k in known)])
        raise RegistryError(
            f"there is no component {name!r}{near}", next_step="'w2s plugins ls' lists them"
        )
    shown = [
        {
            "kind": r.kind,
            "plugin": r.plugin.name,
            "distribution": r.plugin.distribution,
            **r.component._asdict(),
            "schema": registry.config_model(r.component).model_json_schema(),
        }
        for r in rows
    ]
    if as_json:
        click.echo(json.dumps(shown, indent=1))
        return
    for entry in shown:
        _print_component(entry)


def _print_component(entry: dict[str, Any]) -> None:
    click.secho(f"{entry['kind']}/{entry['name']}", bold=True, nl=False)
    click.echo(f"  version {entry['version']}, from {entry['plugin']} ({entry['distribution']})")
    click.echo(f"  {entry['summary']}")
    facts = {
        "needs models that can": entry["needs"],
        "reads gold of": entry["uses_gold"],
        "needs installed": entry["requires"],
    }
    for label, values in facts.items():
        if values:
            click.echo(f"  {label}: {', '.join(values)}")
    required = entry["schema"].get("required", [])
    for name, field in entry["schema"].get("properties", {}).items():
        default = "required" if name in required else f"default {json.dumps(field.get('default'))}"
        text = " ".join(str(field.get("description", "")).split())
        click.echo(f"    {name:<18} {_type(field)}, {default}{'. ' + text if text else ''}")


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field or "oneOf" in field:
        return " | ".join(_type(f) for f in field.get("anyOf") or field["oneOf"])
    if "enum" in field:
        return " | ".join(json.dumps(v) for v in field["enum"])
    if "const" in field:
        return json.dumps(field["const"])
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    return str(field.get("type", "any"))
