"""What holds for every component that runs in stages: the same files again, wherever and whatever happens."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.data import Dataset
from w2s_toolkit.store import Store
from w2s_toolkit.testing.bench import Bench, Made, read_made, unequal_files
from w2s_toolkit.testing.breach import breach, does_not_apply
from w2s_toolkit.testing.component import ComponentContract, Values
from w2s_toolkit.testing.files import pickled
from w2s_toolkit.testing.made_up import tiny_dataset
from w2s_toolkit.testing.probe import order
from w2s_toolkit.testing.processes import probe
from w2s_toolkit.testing.same import difference


class StageContract(ComponentContract):
    """Base for kinds whose work is a row of stages, the last of which makes the answer.

    Attributes:
        rows: rows of each made-up split.
        classes: classes of the made-up task, 2 to 4.
    """

    rows: ClassVar[int] = 24
    classes: ClassVar[int] = 2

    def make_data(self, name: str) -> Dataset:
        """The rows of a split, with gold; override it where the component needs other data.

        The same name must give the same rows, and different names different ones.
        """
        return tiny_dataset(self.rows, name=name, classes=self.classes)

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """The stages, each with the inputs it has in a run."""
        raise NotImplementedError

    def read(self, folder: Path) -> Any:
        """The answer, from the artefact of the last stage."""
        raise NotImplementedError

    def try_out(self, bench: Bench, values: Values) -> None:
        """See :meth:`ComponentContract.try_out`."""
        jobs = self.jobs(bench, values)
        store = bench.store()
        for job in jobs:
            context = bench.context(values, store=store)
            bench.perform(job, store, context)
            store.commit(job.key, context.out, {})

    def prepared(self, bench: Bench) -> tuple[Store, list[Made]]:
        """All stages but the last, as they were run here, once for all tests of the class."""

        def build() -> tuple[Store, list[Made]]:
            jobs = self.jobs(bench)
            store = bench.store()
            return store, bench.run(jobs[:-1], store)

        return bench.once("prepared", build)

    def undisturbed(self, bench: Bench) -> tuple[Store, list[Made]]:
        """All stages likewise."""

        def build() -> tuple[Store, list[Made]]:
            store, made = self.prepared(bench)
            return store, [*made, *bench.run(self.jobs(bench)[-1:], store)]

        return bench.once("undisturbed", build)

    # --- the same again ------------------------------------------------------------------------

    def test_another_process_gives_the_same_files(self, bench: Bench) -> None:
        """A new process with another hash seed writes the same bytes for the same seed."""
        anew = self._elsewhere(bench).anew
        for job, here in zip(self.jobs(bench), self.undisturbed(bench)[1], strict=True):
            there = read_made(anew, job.key)
            if differing := unequal_files(here.files, there.files):
                breach(
                    "the same config, inputs and seed give the same files in any process",
                    f"the {job.kind} stage wrote other bytes: {differing}",
                    "take numbers from a generator seeded with ctx.seed, sort what comes from "
                    "sets and folders, and write no times, paths or host names",
                )

    def test_what_was_made_can_be_used_in_another_process(self, bench: Bench) -> None:
        """The last stage gives the same answer from the artefacts of the others, read from disk."""
        made = self.undisturbed(bench)[1]
        there = read_made(self._elsewhere(bench).read, self.jobs(bench)[-1].key)
        if found := difference(self.read(made[-1].folder), self.read(there.folder), self.tolerance):
            breach(
                "what a stage wrote is all that a later process needs for the same answer",
                found,
                "save everything the answer depends on below ctx.out, in full precision",
            )

    def test_global_random_numbers_are_left_alone(self, bench: Bench) -> None:
        """Global generators of Python, NumPy and torch are neither read nor moved."""
        store, made = self.undisturbed(bench)
        for job, known in zip(self.jobs(bench), made, strict=True):
            for seed in (1, 2):
                _seed_globals(seed)
                before = _global_states()
                context = bench.context(store=store, seed=job.seed)
                files = bench.perform(job, store, context)
                moved = [
                    n for n, state in _global_states().items() if before.get(n, state) != state
                ]
                if moved:
                    breach(
                        "global random generators are left as they are",
                        f"the {job.kind} stage moves that of {', '.join(moved)}",
                        "use np.random.default_rng(ctx.seed), random.Random(ctx.seed), or a "
                        "torch.Generator",
                    )
                if differing := unequal_files(files, known.files):
                    breach(
                        "random numbers come from ctx.seed alone",
                        f"with other global seeds the {job.kind} stage writes another {differing}",
                        "use np.random.default_rng(ctx.seed), random.Random(ctx.seed), or a "
                        "torch.Generator",
                    )

    def test_a_killed_stage_run_again_gives_the_same_files(self, bench: Bench) -> None:
        """SIGKILL in the middle, then the stage again beside the scratch folder that is left."""
        made, first = self.undisturbed(bench)[1], self.jobs(bench)[0]
        seen = self._elsewhere(bench)
        if not seen.answer["killed"]:
            breach(
                "a stage takes the same steps every time, so a step can be found again",
                f"it ended before step {seen.answer['kill_at']}, which it had come to before",
                "let what is done depend on config, data and ctx.seed alone",
            )
        again = bench.run([first], seen.killed)[0]
        if differing := unequal_files(made[0].files, again.files):
            breach(
                "a stage that was killed and is run again ends as if nothing had happened",
                f"killed at step {seen.answer['kill_at']} of {seen.answer['ticks']}, the "
                f"{first.kind} stage wrote another {differing}",
                "trust nothing in ctx.scratch that was not written in one piece: write to another "
                "name and rename; restore generators and buffers with a checkpoint",
            )
        if (seen.killed.root / "scratch" / first.key).exists():
            breach(
                "scratch goes when the stage is done", "it is still there", "leave it to the core"
            )

    def test_neutral_settings_change_no_answer(self, bench: Bench) -> None:
        """Fields marked ``NEUTRAL`` stay out of the key, so they must not change the answer."""
        neutral = [
            v
            for v in self._variations(bench)
            if v.marker == "neutral" and v.name not in self.fixed and v.before == bench.values
        ]
        if not neutral:
            does_not_apply("no field of its config is neutral")
        known = self.read(self.undisturbed(bench)[1][-1].folder)
        for variation in neutral:
            for values in self._usable(bench, variation)[:2]:
                jobs, store = self.jobs(bench, values), bench.store()
                answer = self.read(bench.run(jobs, store)[-1].folder)
                if found := difference(known, answer, self.tolerance):
                    breach(
                        "a setting that is marked NEUTRAL changes no answer",
                        f"{variation.name}: {_at(values, variation.path)!r}: {found}",
                        "remove the marker, so that the field enters the key",
                    )

    def test_nothing_pickled_is_written(self, bench: Bench) -> None:
        """Artefacts are Parquet, JSON, safetensors and the like: no code runs when they are read."""
        if found := pickled(m.folder for m in self.undisturbed(bench)[1]):
            breach(
                "no artefact holds pickled data",
                f"{', '.join(found)}",
                "write JSON, Parquet, safetensors or .npy without objects",
            )

    def test_counters_are_whole_numbers(self, bench: Bench) -> None:
        """What a stage counts is a whole number, zero or more, under a short name."""
        for job, made in zip(self.jobs(bench), self.undisturbed(bench)[1], strict=True):
            wrong = {n: v for n, v in made.counters.items() if not isinstance(v, int) or v < 0}
            if wrong:
                breach(
                    "counters of a stage's usage are whole numbers from 0",
                    f"the {job.kind} stage counts {wrong}",
                    "give ctx.count() what was used, not a difference",
                )

    # --- helpers -------------------------------------------------------------------------------

    def _elsewhere(self, bench: Bench) -> Elsewhere:
        """One other process: the last stage from what was made here, all anew, and the first killed."""

        def build() -> Elsewhere:
            here, jobs = self.undisturbed(bench)[0], self.jobs(bench)
            read, anew, killed = (bench.store() for _ in range(3))
            for job in jobs[:-1]:
                _copy_object(here, read, job.key)
            orders = [order(jobs[-1:], read.root), order(jobs, anew.root)]
            luck = int(hashlib.sha256(f"{self.kind}/{self.use}".encode()).hexdigest()[:8], 16)
            folder, kill = bench.folder("probe"), order(jobs[:1], killed.root)
            return Elsewhere(read, anew, killed, probe(orders, kill, luck, folder))

        return bench.once("elsewhere", build)


class Elsewhere(NamedTuple):
    """Stores that another process filled, and what it answered; see :func:`processes.probe`."""

    read: Store
    anew: Store
    killed: Store
    answer: dict[str, Any]


def _copy_object(source: Store, target: Store, key: str) -> None:
    shutil.copytree(source.folder(key), target.folder(key), dirs_exist_ok=True)


def _seed_globals(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _global_states() -> dict[str, str]:
    states = {"Python": repr(random.getstate()), "NumPy": repr(np.random.get_state())}
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state().numpy().tobytes().hex()
    return states


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        values = values[step]
    return json.loads(json.dumps(values, default=str))
