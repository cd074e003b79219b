"""Run one job in this process: resolve, handle, commit."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2s_toolkit.calls import Calls, HostedModelConfig, Scrubber
from w2s_toolkit.config import ModelConfig
from w2s_toolkit.contracts import EventSink, StageJob, StageOutcome
from w2s_toolkit.digest import Digests, hash_of
from w2s_toolkit.errors import (
    BudgetError,
    DataError,
    StageError,
    StoreError,
    W2SError,
    is_disk_full,
)
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.handlers import HANDLERS
from w2s_toolkit.stages.members import NotYet
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.stages.work import Work
from w2s_toolkit.store import Store

REPORT = "the log has the traceback; if the message does not help, report it to the authors of that plugin"


def run_job(
    job: StageJob, registry: Registry, store: Store, shared: SharedObjects, on_event: EventSink
) -> StageOutcome:
    """Run a stage and commit its artefact, or say which stages have to be made first.

    Errors become part of the outcome; KeyboardInterrupt passes. A workspace never outlives the
    call unless the process is killed.
    """
    workspace = store.workspace(job.key)
    scrub = _scrubber(job, registry)
    try:
        started = time.perf_counter()
        context = _context(
            job, registry, store, shared, scrubbed(on_event, scrub), workspace, scrub
        )
        work = _work(job, registry, store, context)
        _check_unchanged(job, registry, store)
        HANDLERS[job.kind](work)
        _check_unchanged(job, registry, store)
        manifest = {
            "kind": job.kind,
            "label": job.label,
            "component": list(job.component),
            "parts": dict(job.parts),
            "threads": job.threads,
            "seconds": round(time.perf_counter() - started, 3),
            "created": time.time(),
            "counters": dict(context.counters),
            "warnings": context.warnings,
            **({"members": list(work.members)} if work.members else {}),
        }
        store.commit(job.key, workspace, manifest)
    except NotYet as wait:
        return StageOutcome(job.key, pending=tuple(stage.to_json() for stage in wait.stages))
    except BudgetError as error:
        return StageOutcome(job.key, scrub(str(error)), partial=True)
    except W2SError as error:
        called = registry.called(*job.component)
        if not error.where and job.component[1] and called not in error.what:
            error.where = called
            error.next_step = error.next_step or REPORT
        return StageOutcome(job.key, scrub(str(error)), scrub(traceback.format_exc()))
    except (Exception, SystemExit) as error:
        what = str(_explained(error, job, registry))
        return StageOutcome(job.key, scrub(what), scrub(traceback.format_exc()))
    finally:
        store.discard(workspace)
    return StageOutcome(job.key)


def scrubbed(on_event: EventSink, scrub: Scrubber) -> EventSink:
    """Passes events on without secrets."""
    if not scrub:
        return on_event
    return lambda event: on_event(scrub.value(event))


def _scrubber(job: StageJob, registry: Registry) -> Scrubber:
    """For the secrets of the models that the job is given."""
    names: set[str] = set()
    for model in job.models.values():
        names.update(_model_config(registry, model).secret_names())
    return Scrubber.of_environment(sorted(names))


def _check_unchanged(job: StageJob, registry: Registry, store: Store) -> None:
    """Refuse files that are no longer what the key says: the artefact would vouch for others.

    Costs a look at times and sizes, since contents were read for the plan.

    Raises:
        DataError: a file or model folder was changed after the run was planned.
    """
    digests = Digests(store.root / "digests.json")
    kind, name = job.component
    if name and job.parts.get("config"):
        config = registry.config_model(registry.get(kind, name)).model_validate(job.config)
        paths = [str(use.value) for use in config.uses("path")]
        if paths and hash_of(config.key_parts(digests)) != hash_of(job.parts["config"]):
            raise _changed(", ".join(paths))
    for model in job.models.values():
        config = _model_config(registry, model)
        if isinstance(config, HostedModelConfig):
            config.prepare()
            if model["fingerprint"] != config.fingerprint(digests):
                raise _changed(config.called())
        folders = [str(u.value) for u in config.uses("path_or_id") if Path(str(u.value)).exists()]
        if folders and model["fingerprint"] != config.fingerprint(digests):
            raise _changed(", ".join(folders))


def _changed(paths: str) -> DataError:
    return DataError(
        "this was changed after the run was planned, so the stage is not kept",
        where=paths,
        next_step="run the recipe again: it is planned anew",
    )


def _explained(error: BaseException, job: StageJob, registry: Registry) -> W2SError:
    """An error that no part of the toolkit foresaw, as one that says where and what next."""
    where = registry.called(*job.component) if job.component[1] else ""
    what = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
    if is_disk_full(error):
        return StoreError(
            f"the disk is full: {what}",
            where=where,
            next_step="free some space, or choose another folder with --store, and run again: "
            "finished stages are kept",
        )
    if isinstance(error, MemoryError):
        step = "use a machine with more memory, or smaller batches and splits"
        return StageError(f"memory ran out: {what}", where=where, next_step=step)
    return StageError(
        what,
        where=where,
        next_step=REPORT,
    )


def _context(
    job: StageJob,
    registry: Registry,
    store: Store,
    shared: SharedObjects,
    on_event: EventSink,
    workspace: Path,
    scrub: Scrubber,
) -> StageContext:
    # Components draw from generators of their own; this only makes a careless one repeatable.
    random.seed(job.seed)
    np.random.seed(job.seed)
    return StageContext(
        seed=job.seed,
        stage=job.label,
        key=job.key,
        out=workspace,
        scratch=store.scratch(job.key, job.threads)
        if job.kind in ("fit", "member", "train", "assist", "label")
        else workspace,
        threads=job.threads,
        models={name: _model(registry, model) for name, model in job.models.items()},
        folder_of=lambda key: store.open(key).path,
        shared=shared,
        on_event=on_event,
        calls=Calls.of_job(job.calls, store.root, job.label, scrub),
    )


def _model(registry: Registry, model: Mapping[str, Any]) -> Any:
    component = registry.get("models", str(model["use"]))
    return registry.target(component)(_model_config(registry, model))


def _model_config(registry: Registry, model: Mapping[str, Any]) -> ModelConfig:
    component = registry.get("models", str(model["use"]))
    config = registry.config_model(component).model_validate(model["config"])
    assert isinstance(config, ModelConfig), "the planner takes no other"
    return config


def _work(job: StageJob, registry: Registry, store: Store, context: StageContext) -> Work:
    component, instance = None, None
    kind, name = job.component
    if name:
        component = registry.get(kind, name)
        config = registry.config_model(component).model_validate(job.config)
        instance = registry.target(component)(config)
    return Work(job, component, instance, context, lambda key: store.open(key).path, store)
