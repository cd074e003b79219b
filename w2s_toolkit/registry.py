"""Finds plugins, sets broken ones aside, and resolves the names that recipes use."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from w2s_toolkit import hookspecs
from w2s_toolkit.errors import MissingDependencyError, RegistryError
from w2s_toolkit.hookspecs import KINDS, PROJECT, Component, RecipeFile

if TYPE_CHECKING:
    from w2s_toolkit.config import ComponentConfig

GROUP = "w2s_toolkit"
AUTHORS = "this is a fault of that plugin: report it to its authors, or install another version"


class Plugin(NamedTuple):
    """A plugin as found: ``reason`` is empty for one that works."""

    name: str
    module: str
    distribution: str
    version: str
    reason: str = ""


class Registered(NamedTuple):
    """A component and the plugin that offers it."""

    kind: str
    component: Component
    plugin: Plugin


class Registry:
    """All plugins and components of one process. Nothing here is global: make one where needed.

    Args:
        found: entry points to load; by default those of the group ``w2s_toolkit``.
    """

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self.misspelt: list[str] = []
        self._components: dict[tuple[str, str], list[Registered]] = {}
        self._recipes: dict[str, list[tuple[RecipeFile, Plugin]]] = {}
        for plugin, point in _ordered(entry_points(group=GROUP) if found is None else found):
            self._load(plugin, point)

    @property
    def hook(self) -> Any:
        """Calls hooks of all working plugins: ``registry.hook.w2s_run_started(run=...)``."""
        return self._manager.hook

    def check_hook_names(self) -> None:
        """Raise if a plugin implements a hook that does not exist.

        Raises:
            RegistryError: with a suggestion.
        """
        if self.misspelt:
            raise RegistryError(
                self.misspelt[0],
                next_step="correct the name in that plugin, or uninstall it; 'w2s plugins ls' lists all",
            )

    def components(self, kind: str | None = None) -> list[Registered]:
        """Every component on offer, sorted by kind and name; clashing ones are all listed."""
        rows = [r for entries in self._components.values() for r in entries]
        order = list(KINDS)
        rows.sort(key=lambda r: (order.index(r.kind), r.component.name, r.plugin.name))
        return [r for r in rows if kind is None or r.kind == kind]

    def names(self, kind: str) -> list[str]:
        """Names on offer for a kind."""
        return sorted({name for k, name in self._components if k == kind})

    def get(self, kind: str, name: str) -> Component:
        """The component a recipe means.

        Raises:
            RegistryError: no plugin offers it, or two do.
        """
        offers = self._components.get((kind, name), [])
        if len(offers) == 1:
            return offers[0].component
        if offers:
            raise RegistryError(
                clash(kind, name, [o.plugin for o in offers]),
                next_step="'w2s plugins ls' lists what each plugin offers",
            )
        raise RegistryError(
            self._unknown(kind, name),
            next_step="correct the name; 'w2s plugins ls' lists all components",
        )

    def clashes(self) -> list[str]:
        """Messages for names that several plugins offer; using one is an error."""
        offers = {key: [o.plugin for o in entries] for key, entries in self._components.items()}
        offers |= {("recipes", n): [p for _, p in entries] for n, entries in self._recipes.items()}
        return [clash(*key, plugins) for key, plugins in offers.items() if len(plugins) > 1]

    def recipes(self) -> list[RecipeFile]:
        """All shipped recipes, sorted by name."""
        return [offers[0][0] for _, offers in sorted(self._recipes.items())]

    def recipe(self, name: str) -> RecipeFile | None:
        """A shipped recipe, or None.

        Raises:
            RegistryError: two plugins ship one under this name.
        """
        offers = self._recipes.get(name, [])
        if len(offers) > 1:
            raise RegistryError(
                clash("recipes", name, [p for _, p in offers]),
                next_step="give the file of the recipe instead of its name",
            )
        return offers[0][0] if offers else None

    def config_model(self, component: Component) -> type[ComponentConfig]:
        """The config model of a component; light to import.

        Raises:
            RegistryError: the plugin that offers it is broken.
        """
        from w2s_toolkit.config import ComponentConfig

        model = self._load_object(component, component.config)
        if isinstance(model, type) and issubclass(model, ComponentConfig):
            return model
        raise RegistryError(
            f"{self._maker(component)}: {component.config!r} is not a config model",
            next_step=AUTHORS,
        )

    def target(self, component: Component) -> Any:
        """The class of a component, importing what it needs.

        Raises:
            MissingDependencyError: with the command that installs it.
            RegistryError: the plugin that offers it is broken.
        """
        missing = [m for m in component.requires if importlib.util.find_spec(m) is None]
        if missing:
            raise MissingDependencyError(
                f"{component.name!r} needs {', '.join(missing)}, which is not installed",
                next_step=f"pip install {requirement(component.extra)}",
            )
        return self._load_object(component, component.target)

    def called(self, kind: str, name: str) -> str:
        """A component and the plugin that offers it, for messages."""
        word = f"{singular(kind)} {name!r}"
        for row in self._components.get((kind, name), ()):
            return f"{word} of plugin {row.plugin.name!r} ({row.plugin.distribution})"
        return word

    def _maker(self, component: Component) -> str:
        rows = [r for r in self.components() if r.component == component]
        return self.called(rows[0].kind, component.name) if rows else repr(component.name)

    def _load_object(self, component: Component, spec: str) -> Any:
        try:
            return load_object(spec)
        except (Exception, SystemExit) as error:
            raise RegistryError(
                f"{self._maker(component)} cannot be loaded from {spec!r}: {type(error).__name__}: {error}",
                next_step=AUTHORS,
            ) from error

    def _load(self, plugin: Plugin, point: EntryPoint) -> None:
        try:
            module = point.load()
            self._manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
            unknown = self._unknown_hooks(module, plugin)
            if unknown:
                self._manager.unregister(module)
                self.misspelt.append(unknown)
                self.plugins.append(plugin._replace(reason=unknown))
                return
            offered = _offered(module)
        except (Exception, SystemExit) as error:
            self._manager.unregister(name=f"{plugin.distribution}:{plugin.name}")
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            self.plugins.append(plugin._replace(reason=reason))
            return
        self.plugins.append(plugin)
        self._take(plugin, offered)

    def _take(self, plugin: Plugin, offered: dict[str, list[Any]]) -> None:
        for kind in KINDS:
            for component in offered.get(kind, ()):
                row = Registered(kind, component, plugin)
                self._components.setdefault((kind, component.name), []).append(row)
        for recipe in offered.get("recipes", ()):
            self._recipes.setdefault(recipe.name, []).append((recipe, plugin))

    def _unknown_hooks(self, module: Any, plugin: Plugin) -> str:
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            known = [n for n in dir(hookspecs) if n.startswith("w2s_")]
            for name in _impl_names(module):
                if name not in known:
                    near = suggestion(name, known)
                    return (
                        f"plugin {plugin.name!r} of {plugin.distribution} implements "
                        f"{name!r}, which is no hook{near}"
                    )
        return ""

    def _unknown(self, kind: str, name: str) -> str:
        names = self.names(kind)
        near = suggestion(name, names)
        other = [k for (k, n) in self._components if n == name]
        if other:
            near = f"; {name!r} is one of the {other[0]}"
        text = f"there is no {singular(kind)} called {name!r}{near}"
        if not near:
            text += f"; there are: {', '.join(names) or 'none'}"
        broken = [p for p in self.plugins if p.reason]
        if broken:
            listed = ", ".join(f"{p.name} ({p.distribution}: {p.reason[:80]})" for p in broken)
            text += f". Plugins that failed to load: {listed}; see 'w2s plugins ls'"
        return text


def clash(kind: str, name: str, plugins: Sequence[Plugin]) -> str:
    """The message for one name offered several times."""
    offers = " and ".join(f"{p.distribution} (plugin {p.name!r})" for p in plugins)
    return f"{singular(kind)} {name!r} is offered by {offers}: uninstall or rename one of them"


def suggestion(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for a near miss, else nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def singular(kind: str) -> str:
    """The word for one component of a kind."""
    return {"oversight": "oversight protocol"}.get(kind, kind.removesuffix("s"))


def requirement(extra: str) -> str:
    """What to give pip for an extra of ours or for a requirement of a plugin's own."""
    return f'"w2s-toolkit[{extra}]"' if extra.isidentifier() else f'"{extra}"'


def load_object(spec: str) -> Any:
    """Import ``"module:name"``."""
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


def _ordered(found: Iterable[EntryPoint]) -> list[tuple[Plugin, EntryPoint]]:
    # A distribution seen twice on sys.path (a checkout and its install) must not clash with itself.
    points = list(found)
    # Name and version are parsed from a file at each use: once for each distribution will do.
    dists = {id(p.dist): p.dist for p in points if p.dist}
    known = {key: (dist.name, dist.version) for key, dist in dists.items()}
    unique: dict[tuple[str, str, str], tuple[Plugin, EntryPoint]] = {}
    for point in points:
        name, version = known.get(id(point.dist), ("unknown", ""))
        key = (name if point.dist else "", point.name, point.value)
        unique[key] = Plugin(point.name, point.value, name, version), point
    return [unique[k] for k in sorted(unique)]


def _impl_names(module: Any) -> list[str]:
    marker = f"{PROJECT}_impl"
    return [n for n in dir(module) if getattr(getattr(module, n, None), marker, None) is not None]


def _offered(module: Any) -> dict[str, list[Any]]:
    offered: dict[str, list[Any]] = {}
    for kind, hook in (*KINDS.items(), ("recipes", "w2s_recipes")):
        if hook not in _impl_names(module):
            continue
        rows = list(getattr(module, hook)() or ())
        wanted = RecipeFile if kind == "recipes" else Component
        for row in rows:
            if not isinstance(row, wanted):
                raise TypeError(f"{hook} gave {row!r}, not a {wanted.__name__}")
        offered[kind] = rows
    return offered
