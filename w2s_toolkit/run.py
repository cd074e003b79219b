"""One run from recipe to report."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.calls.prices import job_facts, prepare_models, scrubber_of
from w2s_toolkit.calls.spending import spent_json
from w2s_toolkit.digest import hash_of
from w2s_toolkit.display import Display, make_display
from w2s_toolkit.engine import Engine
from w2s_toolkit.errors import OutputError, StoreError, UsageError, W2SError
from w2s_toolkit.plan.export import ask_plugins, key_facts, plan_json, plan_recipe
from w2s_toolkit.plan.graph import Graph
from w2s_toolkit.plan.plan import Plan
from w2s_toolkit.recipe.checked import Recipe
from w2s_toolkit.recipe.token_checks import require_equal_tokens
from w2s_toolkit.registry import Registry
from w2s_toolkit.rundir import RunDir, environment
from w2s_toolkit.store import Object, Store
from w2s_toolkit.threads import (
    assign_threads,
    calm_openmp,
    check_jobs,
    default_jobs,
    default_threads,
)

if TYPE_CHECKING:
    from w2s_toolkit.contracts import Executor


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``status`` is ``done``, ``failed``, ``stopped`` or ``partial``.

    ``partial``: the stages that the budget stopped, and what to do about it; ``left``: how many others
    need one of them.
    """

    status: str
    folder: Path
    results: Mapping[str, Any] | None
    ran: int
    cached: int
    seconds: float
    error: W2SError | None = None
    partial: Mapping[str, str] = field(default_factory=dict)
    left: int = 0


class Stopped(KeyboardInterrupt):
    """The run was asked to end by a signal other than Ctrl-C."""


def run_recipe(
    recipe: Recipe,
    registry: Registry,
    *,
    store: Path,
    runs: Path,
    executor: str | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> Outcome:
    """Plan and run a recipe, and write its run directory.

    Args:
        executor: how stages are started; None: ``inprocess`` for one at a time, else ``workers``.
        threads: CPU threads of all running stages together; None: what the machine has.
        jobs: stages side by side; None: what machine and graph have room for.

    Errors of stages and interruptions end up in the outcome, with everything finished kept.

    Raises:
        RecipeError: the recipe cannot be planned, or members that mix their tokens have different ones.
        ModelError: a hosted model cannot be asked what it can do, or a model's tokens cannot be read.
        RegistryError: no such executor.
        UsageError: the run directory cannot be made, or ``jobs`` does not fit threads or executor.
        StoreError: the store cannot be written.
        OutputError: the run directory cannot be written to from the start.
    """
    started = time.perf_counter()
    place = Store(store)
    place.prepare()
    os.environ.update(calm_openmp(os.environ))
    prepare_models(recipe, registry)
    require_equal_tokens(recipe.cells)
    plan = plan_recipe(recipe, place)
    threads = threads or default_threads()
    runner = _executor(registry, executor) if executor else None
    if jobs is None:
        alone = runner is not None and not _side_by_side(runner)
        jobs = 1 if alone else default_jobs(plan.graph, threads)
    check_jobs(jobs, threads)
    assign_threads(plan.graph, threads, jobs)
    name = executor or ("inprocess" if jobs == 1 else "workers")
    runner = runner or _executor(registry, name)
    if jobs > 1 and not _side_by_side(runner):
        raise UsageError(
            f"executor {name!r} runs one stage at a time, not {jobs}",
            next_step="leave out --executor, or set --jobs 1",
        )
    scrub = scrubber_of(recipe)
    folder = RunDir.create(runs, recipe.name, hash_of(sorted(plan.graph.stages)), scrub)
    display = make_display(len(plan.graph), quiet=quiet)
    run = _Run(registry, folder, display, recipe, len(plan.graph))
    calls = job_facts(recipe, registry, folder.path.name)
    plan.should_stop, plan.on_round = ask_plugins(registry), run.on_round

    def on_event(event: Mapping[str, Any]) -> None:
        run.on_event(event)
        if event["event"] == "decided":  # cleaning the store keeps what a plan.json lists
            folder.write_json("plan.json", plan_json(plan, **key_facts(plan)))

    engine = Engine(place, runner, threads, on_event, jobs, calls)
    _describe_run(folder, recipe, plan, registry)
    folder.write_json("schedule.json", {"executor": name, "threads": threads, "jobs": jobs})
    if calls:
        folder.write_json("calls.json", {"store": str(place.root), **calls})
    place.add_run(folder.path)
    run.started()
    results: Mapping[str, Any] | None = None
    error: W2SError | None = None
    status = "failed"
    try:
        with _signals_as_interrupts():
            engine.run(plan.graph)
            try:
                results = _write_results(plan, place, folder, engine.tally.partial)
            except StoreError:
                # An artefact was damaged since it was made; it is set aside now, so make it again.
                engine.run(plan.graph)
                results = _write_results(plan, place, folder, engine.tally.partial)
        status = "partial" if engine.tally.partial else "done"
    except KeyboardInterrupt:
        status = "stopped"
    except W2SError as problem:
        error = problem
    finally:
        display.close()
        runner.close()
        try:
            if plan.graph.settle(plan.axes):
                folder.write_json("plan.json", plan_json(plan, **key_facts(plan)))
            made = stage_objects(plan.graph, place)
            folder.link_stages({name: item.path for name, item in made.items()})
            hosted = spent_json(place.root, calls, folder.path.name) if calls else None
            run.used(stage_usage(made), hosted)
            if results is not None:
                _write_report(folder)
        except OutputError as problem:
            status, error = "failed", error or problem
        try:
            run.finished(status, results)
        except OutputError as problem:
            status, error = "failed", error or problem
    return Outcome(
        status=status,
        folder=folder.path,
        results=results,
        ran=len(engine.tally.ran),
        cached=len(engine.tally.cached),
        seconds=time.perf_counter() - started,
        error=error,
        partial=dict(engine.tally.partial),
        left=len(engine.tally.left),
    )


def stage_objects(graph: Graph, store: Store) -> dict[str, Object]:
    """Artefacts that exist, by the names of their stages."""
    found = {stage.id: store.get(stage.key, verify=False) for stage in graph}
    keys = {stage.key for stage in graph}
    # Members of an ensemble that was made by an earlier run are not in the graph of this one.
    for item in [item for item in found.values() if item]:
        for key in item.manifest.get("members", ()):
            member = None if key in keys else store.get(key, verify=False)
            if member and member.manifest["kind"] != "sample":
                keys.add(key)
                found[str(member.manifest["label"])] = member
    return {name: item for name, item in found.items() if item}


def stage_usage(made: Mapping[str, Object]) -> dict[str, Any]:
    """Seconds, threads and counters (rows, tokens, gold labels …) of every stage when it was made."""
    facts = ("seconds", "threads", "counters")
    return {name: {k: item.manifest.get(k) for k in facts} for name, item in made.items()}


class _Run:
    """Passes events on to the log, the display and the observers."""

    def __init__(
        self, registry: Registry, folder: RunDir, display: Display, recipe: Recipe, stages: int
    ) -> None:
        self._hook, self._folder, self._display = registry.hook, folder, display
        self._seconds: dict[str, float] = {}
        self._info = {
            "id": folder.path.name,
            "dir": str(folder.path),
            "recipe": recipe.name,
            "stages": stages,
        }

    def started(self) -> None:
        """The run begins."""
        self._folder.status("running")
        here = {"pid": os.getpid(), "host": socket.gethostname()}
        self._folder.event({"event": "run_started", **self._info, **here})
        self._observe("w2s_run_started", run=self._info)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """One event of the engine or of a stage."""
        details = event.get("details")
        if details:
            log = self._folder.write_text(f"logs/{_file_name(event['stage'])}.txt", details)
            event = {k: v for k, v in event.items() if k != "details"} | {"log": str(log)}
        self._folder.event(event)
        self._display.event(event)
        if event["event"] == "stage_started":
            self._observe("w2s_stage_started", run=self._info, stage=_as_stage(event))
        elif event["event"] == "stage_finished":
            self._observe("w2s_stage_finished", run=self._info, stage=_as_stage(event))
            if event["status"] == "ran":
                self._seconds[event["stage"]] = event["seconds"]

    def on_round(self, round: Mapping[str, Any]) -> None:
        """A round of a repeated phase was decided."""
        index = {**round, "index": round["round"]}
        self._folder.event({"event": "round_finished", **index})
        self._observe("w2s_round_finished", run=self._info, round=index)

    def used(self, usage: Any, hosted: Any = None) -> None:
        """What each of its stages took, whenever it was made; ``hosted``: what hosted models cost."""
        seconds = round(sum(self._seconds.values()), 3)
        facts = {"seconds": seconds, "ran": self._seconds, "stages": usage}
        self._folder.write_json("usage.json", facts | ({"hosted": hosted} if hosted else {}))

    def finished(self, status: str, results: Mapping[str, Any] | None) -> None:
        """The run ended, and all its files but the status are written."""
        info = {**self._info, "status": status}
        self._observe("w2s_run_finished", run=info, results=results)
        self._folder.event({"event": "run_finished", "status": status})
        self._folder.status(status)
        self._folder.close()

    def _observe(self, hook: str, **arguments: Any) -> None:
        # One observer's error must reach neither the run nor the other observers.
        for implementation in getattr(self._hook, hook).get_hookimpls():
            given = {k: v for k, v in arguments.items() if k in implementation.argnames}
            try:
                implementation.function(**given)
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                self._folder.event(
                    {"event": "observer_error", "plugin": implementation.plugin_name, "error": what}
                )


def _executor(registry: Registry, name: str) -> Executor:
    component = registry.get("executors", name)
    config = registry.config_model(component)()
    return registry.target(component)(config)  # type: ignore[no-any-return]


def _side_by_side(runner: Executor) -> bool:
    return bool(getattr(runner, "side_by_side", False))  # one made before there were several jobs


def _describe_run(folder: RunDir, recipe: Recipe, plan: Plan, registry: Registry) -> None:
    folder.write_text("recipe.yaml", recipe.text)
    folder.write_text("overrides.txt", "".join(f"{o}\n" for o in recipe.overrides))
    folder.write_text("resolved.yaml", resolved_yaml(recipe))
    folder.write_json("plan.json", plan_json(plan, **key_facts(plan)))
    folder.write_json("env.json", environment(registry.plugins))


def resolved_yaml(recipe: Recipe) -> str:
    """The recipe with every default filled in, of its first cell; axes stay in ``matrix``."""
    import io

    from ruamel.yaml import YAML

    cell = recipe.cells[0]
    task = {"use": cell.task.name, **cell.options.model_dump(mode="json")}
    document: dict[str, Any] = {
        "schema": 1,
        "name": recipe.name,
        "description": recipe.description,
        "seed": cell.seed,
        "models": {n: _block(u) for n, u in cell.models.items()},
        "task": {**task, **cell.task.config.model_dump(mode="json")},
        "baselines": list(cell.baselines),
        "phases": [
            {
                "name": p.name,
                "pool": p.model.pool
                if isinstance(p.model.pool, str)
                else p.model.pool.model_dump(),
                **({"repeat": p.model.repeat.model_dump()} if p.model.repeat else {}),
                "supervisors": [_block(u) for u in p.supervisors],
                "oversight": [_block(u) for u in p.oversight],
                **({"ensemble": _block(p.ensemble)} if p.ensemble else {}),
                "refine": [_block(u) for u in p.refine],
                "student": _block(p.student) if p.student else None,
                **({"ladder": [_block(u) for u in p.ladder]} if p.ladder else {}),
                "evaluate": [_block(u) for u in p.evaluate],
                "allow_overlap": p.model.allow_overlap,
            }
            for p in cell.phases
        ],
        "matrix": dict(recipe.document.get("matrix") or {}),
        **({"budget": dict(recipe.document["budget"])} if recipe.budget else {}),
    }
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(document, out)
    return out.getvalue()


def _block(use: Any) -> dict[str, Any]:
    return {"use": use.name, **use.config.model_dump(mode="json")}


def _write_results(
    plan: Plan, store: Store, folder: RunDir, partial: Mapping[str, str]
) -> Mapping[str, Any]:
    from w2s_toolkit.results import collect, dump, write_predictions

    plan.graph.settle(plan.axes)
    results = collect(plan, store, partial)
    with folder.explained():
        index = write_predictions(plan, store, folder.path / "predictions", partial=bool(partial))
    folder.write_json("predictions/index.json", index)
    folder.write_text("results.json", dump(results))
    return results


def _write_report(folder: RunDir) -> None:
    """The report is last: it reads what all others wrote."""
    from w2s_toolkit.report.html import write_report

    with folder.explained():
        write_report(folder.path)


def _as_stage(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in event.items() if k != "event"}, "id": event["stage"]}


def _file_name(stage: str) -> str:
    return "".join(c if c.isalnum() or c in "=,._-" else "-" for c in stage)


@contextlib.contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP stop a run like Ctrl-C does: at once, with everything finished kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    numbers = (signal.SIGTERM, signal.SIGHUP)

    def stop(*_: Any) -> None:
        for number in numbers:  # once is enough: what follows is tidying up
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {n: signal.signal(n, stop) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
