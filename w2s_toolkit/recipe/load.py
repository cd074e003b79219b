"""Recipe file -> checked cells: one for each combination of the matrix."""

from __future__ import annotations

import copy
import itertools
import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from w2s_toolkit.calls.ledger import Budget
from w2s_toolkit.calls.prices import unpriced
from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.errors import RecipeError, RegistryError
from w2s_toolkit.recipe import checks
from w2s_toolkit.recipe.checked import Cell, Phase, Recipe, Use
from w2s_toolkit.recipe.overrides import apply_overrides, set_path
from w2s_toolkit.recipe.problems import Problems, dotted
from w2s_toolkit.recipe.schema import (
    SINGLE,
    TASK_KEYS,
    USE_BLOCKS,
    PhaseModel,
    RecipeModel,
    TaskOptions,
)
from w2s_toolkit.recipe.tree import Path_, Tree, plain, read_tree
from w2s_toolkit.recipe.validation import validate_block
from w2s_toolkit.registry import AUTHORS, Registry, singular, suggestion

MAX_CELLS = 2000


def find_recipe(name: str, registry: Registry) -> Path:
    """The file of a recipe given by path or by the name of a shipped one.

    Raises:
        RecipeError: neither exists.
    """
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # not there, or nothing that can be a path
        mode = 0
    if stat.S_ISREG(mode):
        return path
    shipped = registry.recipe(name)
    if shipped:
        return Path(shipped.path)
    names = [r.name for r in registry.recipes()]
    if mode:
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise RecipeError(
            f"this is {kind}, not a recipe file",
            where=name,
            next_step="name a .yaml file, or a shipped recipe: 'w2s recipes ls' lists them",
        )
    raise RecipeError(
        f"there is no recipe file or shipped recipe {name!r}{suggestion(name, names)}",
        next_step="'w2s recipes ls' lists the shipped ones",
    )


def load_recipe(file: Path, registry: Registry, overrides: Iterable[str] = ()) -> Recipe:
    """Read, override, unfold and check a recipe.

    Raises:
        RecipeError: holds every problem found.
    """
    tree = read_tree(file)
    overrides = tuple(overrides)
    document, origins = apply_overrides(tree.value, list(overrides))
    problems = Problems(tree, dict(origins))
    top = validate_block(RecipeModel, document, (), problems)
    # A faulty top level often causes false alarms below; but blocks are independent of it.
    cells = [
        cell
        for axes, changed, at in _unfold(document, tree, problems)
        if (cell := _Checker(changed, registry, problems, file, {**origins, **at}).cell(axes))
    ]
    budget = top.budget if isinstance(top, RecipeModel) else None
    if budget is not None and budget.usd is not None:
        for use, why in unpriced(cells, registry):
            problems.add(
                use.path,
                f"budget.usd is set, but {why}",
                "set price: {prompt: USD, completion: USD} for a million tokens, or cap tokens instead",
            )
    problems.raise_if_any()
    assert isinstance(top, RecipeModel)
    return Recipe(
        name=top.name,
        description=top.description,
        file=file,
        text="\n".join(tree.lines) + "\n",
        overrides=overrides,
        document=document,
        cells=tuple(cells),
        budget=Budget(budget.usd, budget.tokens) if budget else None,
    )


def _unfold(
    document: Mapping[str, Any], tree: Tree, problems: Problems
) -> Iterable[tuple[dict[str, Any], dict[str, Any], dict[Path_, str]]]:
    matrix = document.get("matrix")
    axes = matrix if isinstance(matrix, dict) else {}
    usable = {a: v for a, v in axes.items() if isinstance(v, list) and v}
    size = 1
    for address, values in usable.items():
        size *= len(values)
        texts = [json.dumps(v, sort_keys=True, default=str) for v in values]
        if len(set(texts)) < len(texts):
            problems.add(
                ("matrix", address), "a value stands twice on this axis", "delete one of the two"
            )
    if size > MAX_CELLS:
        problems.add(
            ("matrix",),
            f"the matrix has {size} cells; at most {MAX_CELLS} are run",
            "split it into several recipes, or vary fewer axes",
        )
        return
    for combined in itertools.product(*usable.values()):
        changed = copy.deepcopy({k: v for k, v in document.items() if k != "matrix"})
        at: dict[Path_, str] = {}
        combination = dict(zip(usable, combined, strict=True))
        for address, value in combination.items():
            if address.split(".")[0] in ("matrix", "schema", "name", "budget"):
                problems.add(
                    ("matrix", address),
                    f"'{plain(address, 80)}' cannot be varied",
                    "vary seed, or a path into models, task or phases",
                )
                continue
            origin = f"{tree.file}:{tree.line_of(('matrix', address))}: matrix"
            try:
                at[set_path(changed, address, value, origin)] = origin
            except RecipeError as error:
                problems.add(("matrix", address), error.what, error.next_step)
        yield combination, changed, at


class _Checker:
    """Checks one unfolded document; notes problems and goes on as far as it makes sense."""

    def __init__(
        self,
        document: dict[str, Any],
        registry: Registry,
        problems: Problems,
        file: Path,
        origins: dict[Path_, str],
    ) -> None:
        self._document = document
        self._registry = registry
        self._problems = problems
        self._folder = file.resolve().parent
        self._origins = origins

    def cell(self, axes: dict[str, Any]) -> Cell | None:
        known = len(self._problems.found)
        shared = self._problems.overridden
        self._problems.overridden = self._origins
        try:
            return self._cell(axes)
        finally:
            self._problems.overridden = {**shared, **self._used_origins(known)}

    def _used_origins(self, known: int) -> dict[Path_, str]:
        # Problems are rendered at the end: keep the origins of those found in this cell.
        paths = [p.path for p in self._problems.found[known:]]
        return {
            origin: text
            for origin, text in self._origins.items()
            if any(path[: len(origin)] == origin[: len(path)] for path in paths)
        }

    def _cell(self, axes: dict[str, Any]) -> Cell | None:
        before = self._problems.count
        top = validate_block(RecipeModel, self._document, (), self._problems)
        models = self._models()
        task, options = self._task()
        phases = self._phases()
        if not (isinstance(top, RecipeModel) and task and options):
            return None
        if len(phases) < len(top.phases) or self._problems.count > before:
            return None
        cell = Cell(
            axes=axes,
            seed=top.seed,
            models=models,
            task=task,
            options=options,
            baselines=tuple(dict.fromkeys(top.baselines)),
            phases=tuple(phases),
        )
        checks.check_cell(cell, self._problems)
        return cell if self._problems.count == before else None

    def _models(self) -> dict[str, Use]:
        raw = self._document.get("models")
        if not isinstance(raw, dict):
            return {}
        found = {n: self._use("models", b, ("models", n)) for n, b in raw.items()}
        return {name: use for name, use in found.items() if use}

    def _task(self) -> tuple[Use | None, TaskOptions | None]:
        raw = self._document.get("task")
        if not isinstance(raw, dict):
            return None, None
        own = {k: v for k, v in raw.items() if k in TASK_KEYS}
        rest = {k: v for k, v in raw.items() if k not in TASK_KEYS}
        options = validate_block(TaskOptions, own, ("task",), self._problems)
        use = self._use("tasks", rest, ("task",), also=TASK_KEYS)
        return use, options if isinstance(options, TaskOptions) else None

    def _phases(self) -> list[Phase]:
        raw = self._document.get("phases")
        out: list[Phase] = []
        for index, block in enumerate(raw if isinstance(raw, list) else []):
            if not isinstance(block, dict):
                continue
            path: Path_ = ("phases", index)
            try:
                model = PhaseModel.model_validate(block)
            except ValidationError:
                self._component_problems(block, path)  # the rest was noted with the top level
                continue
            uses = self._component_problems(model.model_dump(), path)
            if uses is None:
                continue
            out.append(
                Phase(
                    model=model,
                    path=path,
                    supervisors=tuple(uses["supervisors"]),
                    ensemble=uses["ensemble"][0] if uses["ensemble"] else None,
                    oversight=tuple(uses["oversight"]),
                    refine=tuple(uses["refine"]),
                    student=uses["student"][0] if uses["student"] else None,
                    evaluate=tuple(uses["evaluate"]),
                    ladder=tuple(uses["ladder"]),
                )
            )
        return out

    def _component_problems(
        self, block: Mapping[str, Any], path: Path_
    ) -> dict[str, list[Use]] | None:
        uses: dict[str, list[Use]] = {}
        complete = True
        for key, kind in USE_BLOCKS.items():
            raw = block.get(key)
            several = raw if isinstance(raw, list) else [raw]
            uses[key] = []
            for index, item in enumerate(several):
                if raw is None or isinstance(raw, list) is not (key not in SINGLE):
                    continue
                at = (*path, key, index) if isinstance(raw, list) else (*path, key)
                use = self._use(kind, item, at)
                complete = complete and use is not None
                if use:
                    uses[key].append(use)
        return uses if complete and uses["supervisors"] else None

    def _use(self, kind: str, raw: Any, path: Path_, also: Iterable[str] = ()) -> Use | None:
        block = {"use": raw} if isinstance(raw, str) else raw
        if not isinstance(block, dict) or not isinstance(block.get("use"), str):
            self._problems.add(
                path,
                f"'use: NAME' is missing here: it names the {singular(kind)}",
                f"there are: {', '.join(self._registry.names(kind)) or 'none'}",
            )
            return None
        name = block["use"]
        try:
            component = self._registry.get(kind, name)
            model = self._registry.config_model(component)
        except RegistryError as error:
            self._problems.add((*path, "use"), error.what, error.next_step)
            return None
        values = {k: v for k, v in block.items() if k != "use"}
        called = self._registry.called(kind, name)
        help_with = f"'w2s plugins show {kind}/{name}' describes its settings"
        try:
            config = validate_block(model, values, path, self._problems, also, help_with)
            if not isinstance(config, ComponentConfig):
                return None
            config = self._resolve_paths(config, values, path)
            for problem in config.check():
                text = problem.replace("models.NAME.", f"{dotted(path)}.")
                what, _, step = text.partition("; next: ")
                self._problems.add(path, what, step or help_with)
        except Exception as error:  # whatever a plugin's checks may raise
            what = f"{called} cannot check its settings: {type(error).__name__}: {error}"
            self._problems.add(path, what, AUTHORS)
            return None
        return Use(kind, component, config, path, self._problems.place(path), called)

    def _resolve_paths(
        self, config: ComponentConfig, values: dict[str, Any], path: Path_
    ) -> ComponentConfig:
        changed = copy.deepcopy(values)
        for use in (*config.uses("path"), *config.uses("path_or_id")):
            base = self._base((*path, *use.location))
            resolved, exists = resolve_path(str(use.value), base)
            if use.marker == "path" and not exists:
                self._problems.add(
                    (*path, *use.location),
                    f"there is no file or folder '{plain(str(use.value), 120)}'",
                    f"correct the path (it was looked for in {base} and the current folder), or "
                    f"--set {dotted((*path, *use.location))}=PATH",
                )
            if exists or use.marker == "path":
                _put(changed, use.location, resolved)
        return type(config).model_validate(changed) if changed != values else config

    def _base(self, path: Path_) -> Path:
        given = any(
            path[: len(origin)] == origin and text.startswith("--set")
            for origin, text in self._origins.items()
        )
        return Path.cwd() if given else self._folder


def resolve_path(text: str, base: Path) -> tuple[str, bool]:
    """Absolute form of a path, and whether it exists: against ``base``, then the current folder."""
    try:
        path = Path(text).expanduser()
        for folder in (base, Path.cwd()):
            if (folder / path).exists():
                return str((folder / path).resolve()), True
    except (OSError, RuntimeError, ValueError):  # too long, no such home, a loop of links
        return text, False
    return str(base / path), False


def _put(values: dict[str, Any], location: tuple[str | int, ...], value: Any) -> None:
    node: Any = values
    for step in location[:-1]:
        if isinstance(node, dict) and isinstance(node.get(step), str):
            return
        if isinstance(node, dict) and step not in node:
            node[step] = {}
        node = node[step]
    node[location[-1]] = value
