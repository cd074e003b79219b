"""Where a component is tried out: a registry, stores, and single stages with inputs made by hand."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.contracts import StageJob
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.digest import hash_of
from w2s_toolkit.hookspecs import Component
from w2s_toolkit.recipe.references import is_reference
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.handlers import HANDLERS
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.stages.run import run_job
from w2s_toolkit.stages.shared import SharedObjects
from w2s_toolkit.stages.work import LABELS, Work
from w2s_toolkit.store import Store
from w2s_toolkit.testing.breach import breach
from w2s_toolkit.testing.identity import identity, job_models, model_use
from w2s_toolkit.testing.made_up import tiny_context
from w2s_toolkit.testing.standins import MODEL, registry_with_standins

T = TypeVar("T")
Values = Mapping[str, Any]

SEED = 20_240_229
ANOTHER, SPARE = "another", "spare"
"""A model and a split that no config of a test names unless a field is being varied."""


@dataclass(frozen=True)
class Made:
    """What a stage committed: its folder, hash by file, and counters."""

    folder: Path
    files: Mapping[str, str]
    counters: Mapping[str, int]


class Bench:
    """Everything the tests of one contract class share.

    Args:
        root: a folder of its own.
        kind, use: the component.
        values: its config as a recipe would give it, without ``use``.
        models: entries of ``models:`` that the config names.
    """

    def __init__(self, root: Path, kind: str, use: str, values: Values, models: Values) -> None:
        self.root = root
        self.kind, self.use = kind, use
        self.values = dict(values)
        self.models: dict[str, Any] = {**models, ANOTHER: {"use": MODEL, "number": 2}}
        self.registry: Registry = registry_with_standins()
        self.shared = SharedObjects()
        self.inputs = Store(root / "inputs")
        self._kept: dict[str, Any] = {}
        self._count = 0

    def once(self, name: str, build: Callable[[], T]) -> T:
        """A value that several tests need, worked out by the first that asks."""
        if name not in self._kept:
            self._kept[name] = build()
        return cast(T, self._kept[name])

    def folder(self, name: str) -> Path:
        """A new empty folder."""
        self._count += 1
        path = self.root / f"{name}{self._count}"
        path.mkdir(parents=True)
        return path

    # --- the component -------------------------------------------------------------------------

    @property
    def component(self) -> Component:
        """The component as registered."""
        return self.registry.get(self.kind, self.use)

    def config(self, values: Values | None = None) -> ComponentConfig:
        """Its config, by default that of the test class."""
        model = self.registry.config_model(self.component)
        return model.model_validate(self.values if values is None else values)

    def instance(self, values: Values | None = None) -> Any:
        """The component, constructed."""
        return self.registry.target(self.component)(self.config(values))

    def context(
        self,
        values: Values | None = None,
        *,
        seed: int = SEED,
        store: Store | None = None,
        references: Mapping[str, LabelSet] | None = None,
    ) -> StageContext:
        """A context with the models that the config names; loaded objects are shared by the class."""
        config = self.config(values)
        names = {str(f.value) for f in config.uses("model") if not is_reference(f.value)}
        uses = {name: model_use(self.registry, self.models, name) for name in names}
        models = {n: self.registry.target(u.component)(u.config) for n, u in uses.items()}
        return tiny_context(
            self.folder("context"),
            seed=seed,
            models=models,
            references=references,
            shared=self.shared,
            folder_of=None if store is None else lambda key: store.open(key).path,
        )

    def identity(self, values: Values | None = None) -> str:
        """Hash of all that the component puts into the key of its stages.

        Raises:
            W2SError: an input or a model cannot be identified.
        """
        given = self.values if values is None else values
        return identity(self.registry, self.kind, self.use, given, self.models)

    # --- stages --------------------------------------------------------------------------------

    def put(self, data: Dataset) -> str:
        """Commit data as an input; returns its key."""
        content = data.table.to_pydict()
        return self.commit([content, repr(data.info), data.name], lambda p: data.write(p / DATA))

    def put_labels(self, labels: LabelSet) -> str:
        """Commit labels as an input; returns their key."""
        content = [list(labels.ids), labels.probs.tolist(), labels.abstain.tolist()]
        return self.commit(
            [content, labels.weight.tolist(), labels.data_digest],
            lambda p: labels.write(p / LABELS),
        )

    def commit(self, content: Any, write: Callable[[Path], object]) -> str:
        """Commit what ``write`` puts into a folder, under the hash of ``content``."""
        key = hash_of(content)
        if not self.inputs.has(key):
            workspace = self.inputs.workspace(key)
            write(workspace)
            self.inputs.commit(key, workspace, {})
        return key

    def job(
        self,
        kind: str,
        inputs: Mapping[str, str],
        *,
        values: Values | None = None,
        args: Values | None = None,
        component: tuple[str, str] | None = None,
    ) -> StageJob:
        """A stage. Its key does not depend on the config, so that artefacts can be compared."""
        config = self.config(values) if component is None else None
        models = {} if config is None else job_models(self.registry, self.models, config)
        key = hash_of([kind, component or [self.kind, self.use], dict(inputs), dict(args or {})])
        return StageJob(
            key=key,
            parts={},
            kind=kind,
            label=f"contract/{kind}",
            component=component or (self.kind, self.use),
            config={} if config is None else config.model_dump(mode="json"),
            models=models,
            inputs=dict(inputs),
            args=dict(args or {}),
            seed=SEED,
            threads=1,
            store="",
        )

    def store(self) -> Store:
        """A new store that holds the inputs alone."""
        path = self.folder("store")
        if (self.inputs.root / "objects").is_dir():
            shutil.copytree(self.inputs.root / "objects", path / "objects")
        return Store(path)

    def run(self, jobs: Iterable[StageJob], store: Store) -> list[Made]:
        """Run stages here, one after the other, as a run does.

        Fails the test if one of them ends with an error.
        """
        shared, made = SharedObjects(), []
        for job in jobs:
            there = replace(job, store=str(store.root))
            outcome = run_job(there, self.registry, store, shared, lambda event: None)
            if outcome.error:
                breach(
                    f"the {job.kind} stage of {self.use!r} runs on the made-up data",
                    f"{outcome.error}\n{outcome.details}".strip(),
                    "mend the component, or give the test class a config and data it can use",
                )
            made.append(read_made(store, job.key))
        return made

    def perform(self, job: StageJob, store: Store, context: StageContext) -> dict[str, str]:
        """Run one stage without what a run does around it; returns the hash of each file it wrote.

        Exceptions of the component pass.
        """
        component = self.registry.get(*job.component)
        config = self.registry.config_model(component).model_validate(job.config)
        instance = self.registry.target(component)(config)
        HANDLERS[job.kind](
            Work(job, component, instance, context, lambda key: store.open(key).path, store)
        )
        return hash_files(context.out)


def read_made(store: Store, key: str) -> Made:
    """A committed artefact."""
    found = store.open(key)
    files = {n: str(f["sha256"]) for n, f in found.manifest["files"].items()}
    return Made(found.path, files, dict(found.manifest.get("counters", {})))


def hash_files(folder: Path) -> dict[str, str]:
    """Hash of each file below a folder."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths
    }


def unequal_files(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Names of files that differ or exist on one side only; empty when all are equal."""
    return ", ".join(sorted(n for n in {*a, *b} if a.get(n) != b.get(n)))
