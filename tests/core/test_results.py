"""What results are collected from: roles, single seeds, prediction tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit import load_run
from w2s_toolkit.plan.export import plan_recipe
from w2s_toolkit.plan.plan import Plan
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.results import collect
from w2s_toolkit.run import run_recipe
from w2s_toolkit.store import Object, Store

STORE, RUNS = Path("store"), Path("runs")


def _plan(path: Path, *overrides: str) -> Plan:
    return plan_recipe(load_recipe(path, Registry(), overrides), Store(STORE))


def _run(path: Path, *overrides: str) -> None:
    registry = Registry()
    loaded = load_recipe(path, registry, overrides)
    assert run_recipe(loaded, registry, store=STORE, runs=RUNS, quiet=True).status == "done"


@pytest.mark.parametrize("evaluator", ["accuracy", "calibration"])
@pytest.mark.parametrize(
    ("roles", "wanted"),
    [
        ("[student]", {("student", "test")}),
        ("[supervisor]", {("supervisor", "test"), ("supervisor", "pool")}),
        ("[student, weak_floor]", {("student", "test"), ("weak_floor", "test")}),
    ],
)
def test_roles_without_the_supervisor_leave_its_pool_labels_out(
    toy_recipe: Path, evaluator: str, roles: str, wanted: set[tuple[str, str]]
) -> None:
    plan = _plan(toy_recipe, f"phases.first.evaluate=[{{use: {evaluator}, roles: {roles}}}]")
    assert {(m.role, m.split) for m in plan.measured} == wanted


class _Counting(Store):
    """A store that remembers what was opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []

    def open(self, key: str) -> Object:
        self.opened.append(key)
        return super().open(key)


@pytest.mark.parametrize("seeds", ["0", "[0, 1]"])
def test_every_measurement_is_read_once(toy_recipe: Path, seeds: str) -> None:
    _run(toy_recipe, f"seed={seeds}")
    plan, store = _plan(toy_recipe, f"seed={seeds}"), _Counting(STORE)
    assert collect(plan, store)["summary"]
    measured = {m.key for m in (*plan.measured, *plan.aggregated)}
    assert sorted(k for k in store.opened if k in measured) == sorted(measured)


def test_what_is_compared_with_has_prediction_tables_too(toy_recipe: Path) -> None:
    _run(toy_recipe, "phases.first.evaluate=[pgr]")
    run = load_run("last")
    frames: dict[str, Any] = {
        role: run.predictions(role) for role in ("student", "weak_floor", "strong_ceiling")
    }
    ids = {role: list(frame["id"]) for role, frame in frames.items()}
    assert ids["weak_floor"] == ids["strong_ceiling"] == ids["student"]
    assert frames["student"]["group"].str.len().gt(0).all()
