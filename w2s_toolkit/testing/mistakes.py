"""Contracts of errors: a mistake in a recipe is explained at its place."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import RecipeError, W2SError
from w2s_toolkit.plan.planner import make_plan
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply, expected_to_work
from w2s_toolkit.testing.recipes import PLACES, place
from w2s_toolkit.testing.subject import Subject, Values
from w2s_toolkit.testing.vary import wrong_values


class MistakeContract(Subject):
    """What a user is told."""

    def test_a_recipe_with_it_is_valid(self, bench: Bench) -> None:
        """``w2s validate`` and ``w2s plan`` take a recipe that uses it."""
        rule = "a recipe that uses the component with the config of the test class is valid"
        with expected_to_work(rule, "correct `config`, `models` or `splits` of the test class"):
            make_plan(load_recipe(self._recipe(bench, bench.values), bench.registry), Digests())

    def test_mistakes_in_its_config_are_explained(self, bench: Bench) -> None:
        """Unknown keys, wrong types and values out of range: where, what, and what is near."""
        model = bench.registry.config_model(bench.component)
        self._refused(bench, {**bench.values, "no_such_key_at_all": 1}, "no_such_key_at_all", "")
        for name in (n for n in model.model_fields if len(n) > 4 and n not in bench.values):
            misspelt = name[:2] + name[3:]
            if misspelt not in model.model_fields:
                self._refused(bench, {**bench.values, misspelt: 1}, misspelt, "did you mean")
                break
        for name, values in wrong_values(model, bench.values):
            self._refused(bench, values, name, "")

    def test_bad_configs_are_refused(self, bench: Bench) -> None:
        """Each of ``bad_configs`` ends in an error of the toolkit, at the latest when it runs."""
        if not self.bad_configs:
            does_not_apply("bad_configs is empty")
        for bad in self.bad_configs:
            values = {**bench.values, **bad}
            try:
                if self.kind in PLACES:
                    make_plan(load_recipe(self._recipe(bench, values), bench.registry), Digests())
                self.try_out(bench, values)
            except W2SError:
                continue
            except Exception as error:
                if self.kind not in PLACES and isinstance(error, ValidationError):
                    continue  # no recipe is there to say where
                seen = f"{json.dumps(dict(bad), default=str)} gives {type(error).__name__}: {error}"
                pytest.fail(
                    f"contract: bad configs are refused with an error of ours\n  seen: {seen}"
                )
            breach(
                "bad configs are refused",
                f"{json.dumps(dict(bad), default=str)} is accepted and runs",
                "refuse it by its type, in check(), or with an error from w2s_toolkit.errors",
            )

    def _refused(self, bench: Bench, values: Values, field: str, also: str) -> None:
        at = f"{place(self.kind, self.use)}.{field}"
        given = json.dumps(values.get(field), default=str)
        try:
            load_recipe(self._recipe(bench, values), bench.registry)
        except RecipeError as error:
            text = str(error)
            if at in text and also in text:
                return
            seen = f"{field}: {given} is refused with {text!r}"
        except Exception as error:
            seen = f"{field}: {given} gives {type(error).__name__}: {error}"
        else:
            seen = f"{field}: {given} is accepted"
        breach(
            f"a mistake in a config is reported at its place, {at}"
            + (f", with {also!r}" * bool(also)),
            seen,
            "raise nothing but ValueError in validators; return other problems from check()",
        )
