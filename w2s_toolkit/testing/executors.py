"""The contract of executors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from w2s_toolkit.contracts import Executor, Row, StageJob, StageOutcome, TaskData
from w2s_toolkit.data import Example, TaskInfo
from w2s_toolkit.stages.rows import write_rows
from w2s_toolkit.store import Store
from w2s_toolkit.testing.bench import Bench, read_made, unequal_files
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.component import ComponentContract
from w2s_toolkit.testing.made_up import tiny_dataset


class ExecutorContract(ComponentContract):
    """Ways to start a stage's process. The stages of these tests belong to the core: no plugin runs."""

    kind: ClassVar[str] = "executors"
    protocol: ClassVar[type | None] = Executor

    # It stands in no recipe and in no key.
    test_a_recipe_with_it_is_valid = None  # type: ignore[assignment]
    test_mistakes_in_its_config_are_explained = None  # type: ignore[assignment]
    test_every_field_changes_the_key_unless_neutral = None  # type: ignore[assignment]

    def job(self, bench: Bench, rows: int = 20) -> StageJob:
        """Draws a split of so many rows from 80."""

        def build() -> str:
            data = tiny_dataset(80, name="all")
            task = TaskData(
                TaskInfo(data.info.kind, data.info.classes),
                {"train": [_row(e) for e in data]},
                {"*": "train"},
            )
            return bench.commit("rows of a task", lambda folder: write_rows(task, folder))

        draw = [{"name": "test", "size": rows, "seed": "3"}]
        inputs = {"data": bench.once("rows", build)}
        return bench.job("split", inputs, args={"draw": draw, "balance": True}, component=("", ""))

    def run(
        self, bench: Bench, job: StageJob
    ) -> tuple[StageOutcome, Store, list[Mapping[str, Any]]]:
        """Run a job in a new store; the executor is closed afterwards."""
        store, events = bench.store(), list[Mapping[str, Any]]()
        rule = "run() reports how a job ended and raises nothing"
        with expected_to_work(rule, "turn errors into StageOutcome(key, error, details)"):
            executor = bench.instance()
            try:
                outcome = executor.run(replace(job, store=str(store.root)), events.append)
            finally:
                executor.close()
        return outcome, store, events

    # --- tests ---------------------------------------------------------------------------------

    def test_a_job_leaves_what_it_leaves_in_process(self, bench: Bench) -> None:
        """The artefact is the same, byte for byte, and so is its key."""
        job = self.job(bench)
        outcome, store, _ = self.run(bench, job)
        if outcome.error or outcome.key != job.key or not store.has(job.key):
            breach(
                "a job ends without an error and its artefact is in the store it names",
                f"{outcome!r}, committed: {store.has(job.key)}",
                "start `python -m w2s_toolkit.worker job.json` or call run_job, with job.store",
            )
        here = bench.run([job], bench.store())[0]
        there = read_made(store, job.key)
        differing = unequal_files(here.files, there.files)
        if differing or dict(here.counters) != dict(there.counters):
            breach(
                "an executor changes no result",
                f"other files: {differing or 'none'}; counters {dict(there.counters)}",
                "pass the job on as it is: seed and threads too",
            )

    def test_a_failing_job_is_reported(self, bench: Bench) -> None:
        """The error's text is the stage's own, the details hold the traceback, nothing is committed."""
        job = self.job(bench, rows=1000)
        outcome, store, _ = self.run(bench, job)
        if not outcome.error or "rows" not in outcome.error:
            breach(
                "a failing job's outcome says in a user's words what went wrong",
                f"{outcome!r}",
                "return the outcome of the worker, not your own words",
            )
        if "Traceback" not in outcome.details:
            breach("details hold the traceback for the log", repr(outcome.details), "pass them on")
        if store.has(job.key) or list((store.root / "tmp").glob("*")):
            breach(
                "a failing job leaves nothing in the store", "it does", "leave commits to run_job"
            )

    def test_an_unknown_component_is_a_reported_failure(self, bench: Bench) -> None:
        """A worker that lacks a plugin ends with an error, not with an exception."""
        job = replace(self.job(bench), kind="label", component=("supervisors", "no_such_teacher"))
        outcome, store, _ = self.run(bench, job)
        if "no_such_teacher" not in outcome.error or store.has(job.key):
            breach(
                "a job whose component is unknown is reported as failed",
                f"{outcome!r}",
                "run the job with run_job, which turns errors into the outcome",
            )

    def test_an_input_that_is_gone_is_a_reported_failure(self, bench: Bench) -> None:
        """A worker that cannot see the store says so."""
        job = replace(self.job(bench), inputs={"data": "0" * 64})
        outcome, _, _ = self.run(bench, job)
        if "missing" not in outcome.error:
            breach("a missing input is reported", f"{outcome!r}", "pass the error of run_job on")

    def test_events_are_plain_data(self, bench: Bench) -> None:
        """What is reported while a stage runs is JSON, and named."""
        _, _, events = self.run(bench, self.job(bench))
        try:
            json.dumps(events)
            named = all(isinstance(e.get("event"), str) for e in events)
        except (TypeError, AttributeError) as error:
            pytest.fail(f"contract: events are JSON-able mappings\n  seen: {error}")
        if not named:
            breach("every event says what it is", f"{events}", "give it the key 'event'")

    def test_it_can_be_used_again_and_closed_twice(self, bench: Bench) -> None:
        """One executor runs many jobs; closing it again is no error."""
        store, job = bench.store(), self.job(bench)
        other = self.job(bench, rows=10)
        with expected_to_work("an executor runs one job after the other", "keep no state of a job"):
            executor = bench.instance()
            outcomes = [
                executor.run(replace(j, store=str(store.root)), lambda event: None)
                for j in (job, other)
            ]
            executor.close()
            executor.close()
        if any(o.error for o in outcomes) or not store.has(other.key):
            breach("an executor runs one job after the other", f"{outcomes!r}", "see run()")

    def test_jobs_side_by_side_are_told_apart(self, bench: Bench) -> None:
        """An executor that says it can run several at once gives each job its own outcome."""
        executor = bench.instance()
        if not getattr(executor, "side_by_side", False):
            pytest.skip("the executor runs one job at a time")
        store = bench.store()
        jobs = [replace(self.job(bench, rows=n), store=str(store.root)) for n in (10, 20, 1000)]
        try:
            with ThreadPoolExecutor(len(jobs)) as pool:
                outcomes = list(pool.map(lambda j: executor.run(j, lambda event: None), jobs))
        finally:
            executor.close()
        told = [(o.key == j.key, bool(o.error)) for o, j in zip(outcomes, jobs, strict=True)]
        if told != [(True, False), (True, False), (True, True)]:
            breach(
                "jobs that run side by side each get their own outcome",
                f"{outcomes!r}",
                "keep the state of a job out of the executor, or set side_by_side = False",
            )


def _row(example: Example) -> Row:
    return Row(example.prompt, example.choices, example.gold, group=example.group)
