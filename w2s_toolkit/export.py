"""``w2s runs export``: a model that a run trained, as a folder that needs nothing of the toolkit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from w2s_toolkit.contracts import JointEnsemble, Together
from w2s_toolkit.engine import job_of
from w2s_toolkit.errors import OutputError, StageError, UsageError
from w2s_toolkit.loading import Run
from w2s_toolkit.plan.graph import SCHEMA, Stage
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.run import run_job
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.stages.work import MEMBERS, read_ref
from w2s_toolkit.store import Store
from w2s_toolkit.threads import default_threads

TRAINED = ("fit", "member", "train")


def export_model(run: Run, stage: str, folder: Path, registry: Registry) -> None:
    """Copy the model that a stage trained, or write the members of a built ensemble as one model.

    Args:
        stage: id of the stage, as ``w2s plan`` prints it.
        folder: must not be there yet, or be empty.

    Raises:
        UsageError: the run has no such stage, or it trained no model.
        OutputError: the folder cannot be written, or holds something.
        DataError: the ensemble's members do not write together.
        StageError: they could not be written.
    """
    source = run.stage(stage)
    kind = json.loads((source / "manifest.json").read_text(encoding="utf-8"))["kind"]
    if kind not in (*TRAINED, "build"):
        raise UsageError(
            f"stage {stage!r} trained no model",
            where=str(run.path),
            next_step=f"name one that did: {', '.join(trained_stages(run)) or 'there is none'}",
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(
                "there is something already", where=str(folder), next_step="name a new folder"
            )
        if kind == "build":
            _write_ensemble(source, folder, stage, registry)
        else:
            shutil.copytree(source / _folder_of(source, stage), folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise OutputError(
            f"the model cannot be written: {error}",
            where=str(folder),
            next_step="free some space, or name another folder",
        ) from error


def trained_stages(run: Run) -> list[str]:
    """Stages of a run that hold a model and are done."""
    plan = json.loads((run.path / "plan.json").read_text(encoding="utf-8"))
    names = [s["id"] for s in plan["stages"] if s["kind"] in (*TRAINED, "build")]
    return [name for name in names if (run.path / "stages" / name / "manifest.json").exists()]


def _folder_of(source: Path, stage: str) -> str:
    ref = read_ref(source)
    if not ref.folder:
        raise UsageError(
            f"stage {stage!r} keeps no model: {ref.component} has nothing to write",
            next_step="name a stage that trained one",
        )
    return ref.folder


def _write_ensemble(source: Path, folder: Path, stage: str, registry: Registry) -> None:
    """Have a plugin write the members together; what it wrote is moved out of the store."""
    store = Store(source.parents[2])
    members = json.loads((source / MEMBERS).read_text(encoding="utf-8"))
    together = _together(source, stage, registry)
    job = job_of(
        _saving([Stage.from_json(members[r.key]) for r in together.refs], together, stage), store
    )
    outcome = run_job(job, registry, store, SharedObjects(), lambda _: None)
    if outcome.error:
        raise StageError(f"the ensemble could not be written: {outcome.error}", where=stage)
    written = store.open(job.key).path
    shutil.copytree(written / _folder_of(written, stage), folder, dirs_exist_ok=True)
    store.remove(job.key)


def _together(source: Path, stage: str, registry: Registry) -> Together:
    ref = read_ref(source)
    kind, _, name = ref.component.partition("/")
    component = registry.get(kind, name)
    parts = json.loads((source / "manifest.json").read_text(encoding="utf-8"))["parts"]
    config = registry.config_model(component).model_validate(parts["config"])
    ensembler: Any = registry.target(component)(config)
    if not isinstance(ensembler, JointEnsemble):
        raise UsageError(
            f"members of {name} are no single model: their labels are combined",
            where=stage,
            next_step="export the members one by one, by the names of their own stages",
        )
    return ensembler.together(ref)


def _saving(members: list[Stage], together: Together, name: str) -> Stage:
    """The stage that writes members of an ensemble as one model."""
    first = members[0]
    stage = Stage(
        parts={},
        name=f"{name}/save",
        kind="save_together",
        role="supervisor",
        component=first.component,
        config=first.config,
        models={n: m for member in members for n, m in member.models.items()},
        inputs={f"ref:{number}": member.key for number, member in enumerate(members)},
        args={
            "weights": [float(weight) for weight in together.weights],
            "rule": together.rule,
            "sharpness": float(together.sharpness),
            "models": [next(iter(member.models), "") for member in members],
        },
        threads=default_threads(),
    )
    parts = {
        "schema": SCHEMA,
        "kind": stage.kind,
        "component": "/".join(stage.component),
        "version": first.parts["version"],
        "config": first.parts["config"],
        "inputs": dict(stage.inputs),
        "args": dict(stage.args),
    }
    return replace(stage, parts=parts, key="")
