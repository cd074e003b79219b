"""All checks in order. Nothing here changes anything, and nothing that a check meets ends it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from w2s_toolkit.hookspecs import Finding

if TYPE_CHECKING:
    from w2s_toolkit.registry import Registry

STATUSES: tuple[str, ...] = get_args(get_type_hints(Finding)["status"])


class Section(NamedTuple):
    """Findings that belong together."""

    name: str
    findings: list[Finding]


def examine(
    store: Path,
    runs: Path,
    *,
    deep: bool = False,
    track: Callable[[Any], Any] | None = None,
    recipe: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Iterator[Section]:
    """Every section, each as soon as it is known.

    Args:
        store: folder of the store; need not exist.
        runs: folder of run directories; need not exist.
        deep: hash every file of the store instead of comparing sizes.
        track: wraps the list of objects that are looked at, to show progress.
        recipe: a file or the name of a shipped one, whose models are looked at too; with ``overrides``.
    """
    registry, broken = _registry()
    yield Section("environment", checked(lambda: _environment(registry)))
    yield Section("hardware", checked(lambda: _hardware(store, runs)))
    yield Section("plugins", [*broken, *checked(lambda: _plugins(registry))])
    for plugin, findings in _asked(registry):
        yield Section(f"plugin {plugin}", findings)
    if recipe is not None:
        yield Section(f"recipe {recipe}", checked(lambda: _recipe(registry, recipe, overrides)))
    yield Section("store", checked(lambda: _store(store, deep, track)))
    yield Section("runs", checked(lambda: _runs(store, runs)))


def worst(sections: Iterable[Section]) -> str:
    """The most serious status of all findings."""
    found = {f.status for s in sections for f in s.findings}
    return next((s for s in reversed(STATUSES) if s in found), "ok")


def checked(check: Callable[[], Iterable[object]], source: str = "") -> list[Finding]:
    """The findings of a check; an error in it is one more.

    Args:
        source: the plugin that it comes from; empty for checks of the core.
    """
    found: list[Finding] = []
    try:
        # What a plugin prints must not end up between the lines of --json.
        with contextlib.redirect_stdout(sys.stderr):
            for item in check() or ():
                found.append(_valid(item, source))
    except (Exception, SystemExit) as error:
        message = f"this check ended in {reason_of(error)}"
        if source:
            next_step = f"tell the authors of {source}; everything else was checked"
        else:
            next_step = "mend what is named here, or report it as a bug; the rest was checked"
        found.append(Finding("check", "fail", message, next_step))
    return found


def reason_of(error: BaseException) -> str:
    """An exception in one line: ``ValueError: bad day``."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _valid(item: object, source: str) -> Finding:
    if isinstance(item, Finding) and item.status in STATUSES:
        return Finding(*(str(field) for field in item))  # type: ignore[arg-type]
    what = f"{source or 'a check'} gave {item!r:.80}, which is no Finding with one of {STATUSES}"
    return Finding("check", "warn", what, f"tell the authors of {source or 'the toolkit'}")


def _registry() -> tuple[Registry | None, list[Finding]]:
    try:
        from w2s_toolkit.registry import Registry

        with contextlib.redirect_stdout(sys.stderr):
            return Registry(), []
    except (Exception, SystemExit) as error:
        message = f"plugins cannot be looked for: {reason_of(error)}"
        next_step = "install the toolkit again, or report this as a bug"
        return None, [Finding("plugins", "fail", message, next_step)]


def _asked(registry: Registry | None) -> Iterator[tuple[str, list[Finding]]]:
    """What plugins say in answer to ``w2s_doctor``."""
    if registry is None:
        return
    for implementation in registry.hook.w2s_doctor.get_hookimpls():
        distribution, _, name = str(implementation.plugin_name).partition(":")
        source = f"{name} ({distribution})" if name else distribution
        findings = checked(implementation.function, source)
        if findings:
            yield source, findings


# Imported one by one: where a package is broken, the checks that can do without it still run.


def _environment(registry: Registry | None) -> Iterable[Finding]:
    from w2s_toolkit.doctor.environment import environment

    return environment({r.component.extra for r in registry.components()} if registry else set())


def _hardware(store: Path, runs: Path) -> Iterable[Finding]:
    from w2s_toolkit.doctor.hardware import hardware

    return hardware(store, runs)


def _plugins(registry: Registry | None) -> Iterable[Finding]:
    from w2s_toolkit.doctor.plugins import plugins

    return plugins(registry) if registry else ()


def _recipe(
    registry: Registry | None, recipe: str, overrides: tuple[str, ...]
) -> Iterable[Finding]:
    from w2s_toolkit.doctor.recipe import recipe_health

    return recipe_health(registry, recipe, overrides) if registry else ()


def _store(store: Path, deep: bool, track: Callable[[Any], Any] | None) -> Iterable[Finding]:
    from w2s_toolkit.doctor.store import store_health

    return store_health(store, deep=deep, track=track)


def _runs(store: Path, runs: Path) -> Iterable[Finding]:
    from w2s_toolkit.doctor.runs import runs_health

    return runs_health(store, runs)
