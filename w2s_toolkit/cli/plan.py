"""``w2s plan`` and ``w2s explain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2s_toolkit.cli.options import json_option, recipe_argument, set_option, store_option

if TYPE_CHECKING:
    from w2s_toolkit.plan.graph import Stage
    from w2s_toolkit.plan.plan import Plan
    from w2s_toolkit.plan.why import Explainer
    from w2s_toolkit.registry import Registry
    from w2s_toolkit.store import Store


@click.command()
@recipe_argument
@set_option
@store_option
@click.option("--full", is_flag=True, help="A line for every stage of a matrix.")
@json_option
def plan(recipe: str, overrides: tuple[str, ...], store: Path, full: bool, as_json: bool) -> None:
    """Show the stages of RECIPE: which are cached, which will run, and why."""
    from w2s_toolkit.plan.export import plan_json
    from w2s_toolkit.plan.why import Explainer
    from w2s_toolkit.stages.foresight import members_asked

    made, place, registry = _plan(recipe, overrides, store)
    explainer = Explainer(made.graph, place)
    status = {s.key: "cached" if place.has(s.key) else "to run" for s in made.graph}
    why = {s.key: explainer.why(s) for s in made.graph if status[s.key] == "to run"}
    for stage in made.graph:
        asked = members_asked(stage, place, registry) if stage.key in why else None
        if asked:
            why[stage.key] += f"; {asked}"
    if as_json:
        click.echo(json.dumps(plan_json(made, status=status, why=why), indent=1, default=str))
        return
    _print_tree(made, status, why, full)
    for remark in _remarks(made):
        click.echo(f"note: {remark}")


@click.command()
@recipe_argument
@click.argument("stage")
@set_option
@store_option
@json_option
def explain(
    recipe: str, stage: str, overrides: tuple[str, ...], store: Path, as_json: bool
) -> None:
    """Say what STAGE of RECIPE is made from, and which part of its key changed.

    STAGE is an id as 'w2s plan' prints it, a part of one, or the beginning of a key.
    """
    from w2s_toolkit.errors import UsageError
    from w2s_toolkit.plan.why import Explainer
    from w2s_toolkit.registry import suggestion

    made, place, _ = _plan(recipe, overrides, store)
    found = made.graph.find(stage)
    if not found:
        ids = [s.id for s in made.graph]
        undecided = ", ".join(s.id for s in made.graph.pending)
        raise UsageError(
            f"there is no stage {stage!r}{suggestion(stage, ids)}",
            next_step="'w2s plan' lists the stages"
            + (f"; more follow once this is decided: {undecided}" if undecided else ""),
        )
    explainer = Explainer(made.graph, place)
    if as_json:
        click.echo(json.dumps([_explained(s, made, place, explainer) for s in found], indent=1))
        return
    for each in found:
        _print_explained(each, made, place, explainer)


def _plan(recipe: str, overrides: tuple[str, ...], store: Path) -> tuple[Plan, Store, Registry]:
    from w2s_toolkit.plan.export import ask_plugins, follow_decisions, plan_recipe
    from w2s_toolkit.recipe.load import find_recipe, load_recipe
    from w2s_toolkit.registry import Registry
    from w2s_toolkit.store import Store

    registry = Registry()
    registry.check_hook_names()
    place = Store(store)
    loaded = load_recipe(find_recipe(recipe, registry), registry, overrides)
    made = plan_recipe(loaded, place)
    made.should_stop = ask_plugins(registry)
    follow_decisions(made, place)
    return made, place, registry


def _remarks(plan: Plan) -> list[str]:
    """What models have to say of the plan, and students that it has no round for."""
    from w2s_toolkit.calls.prices import used_models
    from w2s_toolkit.config import ModelConfig
    from w2s_toolkit.recipe.round_checks import idle_rungs

    configs = [use.config for use in used_models(plan.recipe.cells)]
    said = [r for config in configs if isinstance(config, ModelConfig) for r in config.remarks()]
    return said + list(dict.fromkeys(r for cell in plan.recipe.cells for r in idle_rungs(cell)))


def _print_tree(plan: Plan, status: dict[str, str], why: dict[str, str], full: bool) -> None:
    cached = sum(s == "cached" for s in status.values())
    cells = f", {len(plan.axes)} cells" if len(plan.axes) > 1 else ""
    click.secho(f"{plan.recipe.name}{cells}", bold=True)
    shown: tuple[str, ...] = ()
    for stages in _lines(plan, status, why, full):
        *folders, leaf = stages[0].name.split("/")
        for depth, folder in enumerate(folders):
            if shown[: depth + 1] != tuple(folders[: depth + 1]):
                click.echo(f"{'  ' * depth}{folder}")
                shown = tuple(folders[: depth + 1])
        if len(stages) > 1:
            leaf = f"{leaf} ×{len(stages)}"
        elif "[" in stages[0].id:
            leaf += "[" + stages[0].id.partition("[")[2]
        left = f"{'  ' * len(folders)}{leaf}"
        pending = any(plan.graph.is_pending(stage.key) for stage in stages)
        click.echo(f"{left:<40} {_state(stages[0], status, why, pending=pending)}")
    undecided = len(plan.graph.pending)
    plural = "s" * (undecided != 1)
    more = f", {undecided} decision{plural} pending: more will follow" if undecided else ""
    click.echo(f"{len(status)} stages: {cached} cached, {len(status) - cached} to run{more}")


def _lines(
    plan: Plan, status: dict[str, str], why: dict[str, str], full: bool
) -> list[list[Stage]]:
    """Stages by line: those that differ in the matrix alone share one, unless ``full``."""
    lines: list[list[Stage]] = []
    for stage in sorted(plan.graph, key=_tree_order(plan)):
        for line in [] if full else lines:
            same = (line[0].name, status[line[0].key]) == (stage.name, status[stage.key])
            if same and why.get(line[0].key) == why.get(stage.key):
                line.append(stage)
                break
        else:
            lines.append([stage])
    return lines


def _state(stage: Stage, status: dict[str, str], why: dict[str, str], *, pending: bool) -> str:
    if status[stage.key] == "cached":
        return click.style("cached", fg="green")
    more = "  (more stages follow from what it decides)" if pending else ""
    return f"{click.style('to run', fg='yellow')}  {why[stage.key]}{more}"


def _tree_order(plan: Plan) -> Callable[[Stage], tuple[int, ...]]:
    """Stages of one folder together, folders in the order in which they first come."""
    first: dict[str, int] = {}
    for position, stage in enumerate(plan.graph):
        folders = stage.name.split("/")[:-1]
        for depth in range(len(folders) + 1):
            first.setdefault("/".join(folders[:depth]), position)
        first.setdefault(stage.name, position)
    place = {s.key: i for i, s in enumerate(plan.graph)}

    def order(stage: Stage) -> tuple[int, ...]:
        words = stage.name.split("/")
        path = tuple(first["/".join(words[: d + 1])] for d in range(len(words)))
        return (*path, place[stage.key])

    return order


def _explained(stage: Stage, plan: Plan, store: Store, explainer: Explainer) -> dict[str, Any]:
    cached = store.has(stage.key)
    changes = [] if cached else explainer.changes(stage)
    return {
        "id": stage.id,
        "key": stage.key,
        "status": "cached" if cached else "to run",
        "changes": [{"place": c.place, "before": c.before, "after": c.after} for c in changes],
        "parts": stage.parts,
        "inputs": {n: plan.graph[k].id for n, k in stage.inputs.items() if k in plan.graph.stages},
    }


def _print_explained(stage: Stage, plan: Plan, store: Store, explainer: Explainer) -> None:
    facts = _explained(stage, plan, store, explainer)
    click.secho(stage.id, bold=True)
    click.echo(f"  key     {stage.key}")
    click.echo(f"  made by {'/'.join(stage.component).strip('/') or 'the core'} ({stage.kind})")
    for slot, parent in facts["inputs"].items():
        click.echo(f"  input   {slot}: {parent}")
    if facts["status"] == "cached":
        click.echo(f"  cached  {store.folder(stage.key)}")
        return
    changes = facts["changes"]
    if not changes:
        click.echo("  to run  never made before")
    for change in changes:
        click.echo(f"  changed {change['place']}: {change['before']} → {change['after']}")
