"""Plugins: which work, which do not and why, and what gets in each other's way."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator

from w2s_toolkit.doctor.environment import NAME
from w2s_toolkit.doctor.examine import reason_of
from w2s_toolkit.hookspecs import Finding
from w2s_toolkit.registry import Registered, Registry, requirement


def plugins(registry: Registry) -> Iterator[Finding]:
    """Findings on plugins and the components they offer."""
    working = [p for p in registry.plugins if not p.reason]
    listed = {f"{p.distribution} {p.version}".strip(): [] for p in working}  # type: dict[str, list[str]]
    for plugin in working:
        listed[f"{plugin.distribution} {plugin.version}".strip()].append(plugin.name)
    for distribution, names in listed.items():
        yield Finding(distribution, "ok", f"plugins {', '.join(names)}")
    if not any(p.distribution == NAME for p in working):
        message = "none of the toolkit's own plugins works, so there are no components to use"
        yield Finding("built-in", "fail", message, "install the toolkit again: pip install -e .")
    for plugin in registry.plugins:
        if plugin.reason:
            message = f"{plugin.name} of {plugin.distribution} does not load: {plugin.reason}"
            yield Finding(plugin.name, "fail", message, _mend(plugin.distribution))
    for text in registry.clashes():
        what, _, step = text.partition(": ")
        yield Finding("name clash", "fail", what, step)
    rows = registry.components()
    yield from _configs(registry, rows)
    yield from _requirements(rows)


def _mend(distribution: str) -> str:
    if distribution == NAME:
        return "see the packages above, or install the toolkit again: pip install -e ."
    return f"mend it, or remove it: pip uninstall {distribution}"


def _configs(registry: Registry, rows: Iterable[Registered]) -> Iterator[Finding]:
    """Components whose config cannot be imported: no recipe that names one can be checked."""
    for row in rows:
        try:
            registry.config_model(row.component).model_json_schema()
        except (Exception, SystemExit) as error:
            name = f"{row.kind}/{row.component.name}"
            message = (
                f"the config {row.component.config} of {name} cannot be used: {reason_of(error)}"
            )
            yield Finding(name, "fail", message, _mend(row.plugin.distribution))


def _requirements(rows: Iterable[Registered]) -> Iterator[Finding]:
    """Components that cannot run for want of a package, those with the same want together."""
    wanting: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        missing = ", ".join(m for m in row.component.requires if not _importable(m))
        if missing:
            name = f"{row.kind}/{row.component.name}"
            wanting.setdefault((missing, row.component.extra), []).append(name)
    for (missing, extra), names in wanting.items():
        step = f"pip install {requirement(extra) if extra else missing.replace(',', '')}"
        yield Finding("components", "warn", f"{', '.join(names)} need {missing}", step)


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False
