"""What holds for a component of any kind: registration, config, keys and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import RecipeError, RegistryError, W2SError
from w2s_toolkit.plan.planner import make_plan
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import load_object, singular
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply, expected_to_work
from w2s_toolkit.testing.files import changed_copy, plain_copy
from w2s_toolkit.testing.processes import start
from w2s_toolkit.testing.recipes import PLACES, place, write_recipe
from w2s_toolkit.testing.vary import Variation, is_valid, variations, with_value, wrong_values

Values = Mapping[str, Any]


class ComponentContract:
    """Base of all contract classes. A test class names the component and gives it a small config.

    Attributes:
        use: the name it is registered under.
        config: a valid config, as in a recipe but without ``use``; choose one that is quick.
        models: entries of ``models:`` that the config names, each with its ``use``.
        other_values: for fields whose other values cannot be made up from their type: a valid
            value by (dotted) name.
        fixed: for fields that no test can vary: the reason, by (dotted) name.
        bad_configs: changes to ``config`` that must be refused with an error of the toolkit.
        splits: sizes of recipe splits, for tasks alone.
        tolerance: how far numbers may differ that should be equal, such as sums over batches.
    """

    kind: ClassVar[str]
    protocol: ClassVar[type | None] = None
    config_base: ClassVar[type[ComponentConfig]] = ComponentConfig

    use: ClassVar[str] = ""
    config: ClassVar[Values] = {}
    models: ClassVar[Values] = {}
    other_values: ClassVar[Values] = {}
    fixed: ClassVar[Mapping[str, str]] = {}
    bad_configs: ClassVar[Sequence[Values]] = ()
    splits: ClassVar[Values] = {}
    tolerance: ClassVar[float] = 1e-6

    def make_config(self, folder: Path) -> Values:
        """The config; override it where files must be written first, below ``folder``."""
        return self.config

    def make_models(self, folder: Path) -> Values:
        """The models; override it likewise."""
        return self.models

    @pytest.fixture
    def bench(self, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """See :meth:`shared_bench`."""
        return self.shared_bench(tmp_path_factory)

    def shared_bench(self, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """Made once a class: what one test works out, the others read."""
        cls: Any = type(self)
        if "_bench" not in vars(cls):
            root = tmp_path_factory.mktemp(cls.__name__)
            files = root / "files"
            files.mkdir()
            models = self.make_models(files)
            cls._bench = Bench(root, self.kind, self.use, self.make_config(files), models)
        return cls._bench  # type: ignore[no-any-return]

    # --- registration --------------------------------------------------------------------------

    def test_is_registered(self, bench: Bench) -> None:
        """It is found by its name through the entry-point group, once."""
        broken = "; ".join(f"{p.name}: {p.reason}" for p in bench.registry.plugins if p.reason)
        try:
            component = bench.component
        except RegistryError as error:
            breach(
                f"{singular(self.kind)} {self.use!r} is found by its name",
                f"{error}" + (f" (broken plugins: {broken})" if broken else ""),
                'name its module under [project.entry-points.w2s_toolkit], install it, and set "use"',
            )
        for field in ("version", "summary", "target", "config"):
            value = getattr(component, field)
            if not isinstance(value, str) or not value.strip() or "\n" in value:
                breach(
                    "version, summary, target and config are one-line texts",
                    f"{field} is {value!r}",
                    f"give Component(..., {field}=...) a text",
                )
        unknown = set(component.uses_gold) - set(
            bench.registry.config_model(component).model_fields
        )
        if unknown:
            breach(
                "uses_gold names fields of the config that hold a split",
                f"there is no field {', '.join(sorted(unknown))}",
                "write the names of the fields, not of the splits",
            )

    def test_config_model_is_strict(self, bench: Bench) -> None:
        """The config derives from the right base and refuses unknown keys, nested models too."""
        model = bench.registry.config_model(bench.component)
        if not (isinstance(model, type) and issubclass(model, self.config_base)):
            breach(
                f"the config of a {singular(self.kind)} derives from {self.config_base.__name__}",
                f"{bench.component.config} is {model!r}",
                f"derive it from w2s_toolkit.config.{self.config_base.__name__}",
            )
        with expected_to_work("the config of the test class is valid", "correct `config`"):
            problems = bench.config().check()
        if problems:
            breach("the config of the test class is valid", "; ".join(problems), "correct `config`")
        owners = {v.path[:-1] for v in self._variations(bench)}
        for path in sorted(owners):
            raw = next(v.before for v in self._variations(bench) if v.path[:-1] == path)
            changed = with_value(model, raw, (*path, "no_such_key_at_all"), 1)
            if is_valid(model, changed):
                breach(
                    "unknown keys are refused, so that a misspelt setting is no silent default",
                    f"{'.'.join((*path, 'no_such_key_at_all'))} is accepted",
                    'set model_config = ConfigDict(extra="forbid") on that model',
                )

    def test_target_satisfies_the_protocol(self, bench: Bench) -> None:
        """Its class can be imported, constructed with its config, and has the methods of its kind."""
        rule = f"the target of a {singular(self.kind)} is a class made with its config"
        with expected_to_work(rule, "correct `target` in Component(...) or the class's __init__"):
            load_object(bench.component.target)
            instance = bench.instance()
        if self.protocol is not None and not isinstance(instance, self.protocol):
            wanted = [n for n in dir(self.protocol) if not n.startswith("_")]
            missing = [n for n in wanted if not callable(getattr(instance, n, None))]
            breach(
                f"a {singular(self.kind)} has the methods of contracts.{self.protocol.__name__}",
                f"{type(instance).__name__} has no {', '.join(missing)}",
                "see w2s_toolkit/contracts.py for their arguments",
            )

    def test_nothing_heavy_is_imported_before_it_runs(self, bench: Bench) -> None:
        """Registration, validation and ``w2s --help`` import neither torch nor numpy nor a client."""
        for found in self._light(bench)["heavy"]:
            breach(
                "registering and validating a component imports nothing heavy",
                f"{found['module']} is imported at {found['step']}, by {found['by']}",
                "move that import into the module of `target`, or into the function that needs it",
            )

    # --- keys ----------------------------------------------------------------------------------

    def test_key_is_the_same_in_another_process(self, bench: Bench) -> None:
        """Keys depend on no hash seed, address, time or working directory."""
        here, there = self._identity(bench, None), self._light(bench)["identity"]
        if here != there:
            breach(
                "the same config gives the same key in every process",
                f"{here[:12]} here, {there[:80]} in another process with another PYTHONHASHSEED",
                "leave sets, hash(), id(), times and relative paths out of key_parts and fingerprint",
            )

    def test_every_field_changes_the_key_unless_neutral(self, bench: Bench) -> None:
        """Each field of the config enters the key, but for those marked ``NEUTRAL``, which do not."""
        silent, loud, stuck = [], [], []
        for variation in self._variations(bench):
            if variation.name in self.fixed:
                continue
            usable = self._usable(bench, variation)
            if not usable and variation.marker in ("model", "split"):
                continue  # the config refuses any other name, so the field cannot change
            if not usable:
                stuck.append(variation.name)
                continue
            before = self._identity(bench, variation.before)
            moved = [self._identity(bench, after) != before for after in usable]
            if variation.marker == "neutral" and any(moved):
                loud.append(variation.name)
            elif variation.marker != "neutral" and not any(moved):
                silent.append(variation.name)
        if silent:
            breach(
                "every setting that can change a result changes the key of its stage",
                f"another value leaves the key as it is: {', '.join(silent)}",
                "do not remove it in key_parts; mark it NEUTRAL if it can change no result",
            )
        if loud:
            breach(
                "neutral settings leave the key as it is",
                f"the key changes with {', '.join(loud)}",
                "remove it in key_parts, or do not mark it NEUTRAL",
            )
        if stuck:
            breach(
                "every field of the config is varied by this test",
                f"no other valid value could be made up for {', '.join(stuck)}",
                f"give one: other_values = {{{stuck[0]!r}: ...}}; or say why there is none: "
                f"fixed = {{{stuck[0]!r}: 'reason'}}",
            )

    def test_input_files_enter_the_key_by_content(self, bench: Bench) -> None:
        """Moved files give the same key, and one changed byte another."""
        config = bench.config()
        uses = [*config.uses("path"), *config.uses("path_or_id")]
        there = [use for use in uses if Path(str(use.value)).exists()]
        if not there:
            does_not_apply("its config names no file")
        for use in there:
            at = tuple(map(str, use.location))
            before = self._identity(bench, None)
            for copied, equal in ((plain_copy, True), (self.changed_copy, False)):
                path = copied(str(use.value), bench.folder("moved"))
                model = bench.registry.config_model(bench.component)
                after = self._identity(bench, with_value(model, bench.values, at, path))
                if (after == before) is not equal:
                    breach(
                        "input files enter the key by their content, never by their path",
                        f"{'.'.join(at)}: "
                        + ("a copy elsewhere changes the key" if equal else "one byte does not"),
                        "annotate the field as InputPath, or digest its files in key_parts",
                    )

    def changed_copy(self, path: str, folder: Path) -> str:
        """A copy with one byte changed that matters; override it where not every byte does."""
        return changed_copy(path, folder)

    # --- errors --------------------------------------------------------------------------------

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
                seen = f"{json.dumps(dict(bad), default=str)} gives {type(error).__name__}: {error}"
                pytest.fail(
                    f"contract: bad configs are refused with an error of ours\n  seen: {seen}"
                )
            breach(
                "bad configs are refused",
                f"{json.dumps(dict(bad), default=str)} is accepted and runs",
                "refuse it by its type, in check(), or with an error from w2s_toolkit.errors",
            )

    def try_out(self, bench: Bench, values: Values) -> None:
        """Run the component once with a config; exceptions pass."""
        bench.instance(values)

    # --- helpers -------------------------------------------------------------------------------

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

    def _variations(self, bench: Bench) -> list[Variation]:
        def build() -> list[Variation]:
            model = bench.registry.config_model(bench.component)
            given = {n: v for n, v in self.other_values.items() if n not in self.fixed}

            def changed(path: str) -> str:
                return self.changed_copy(path, bench.folder("changed"))

            return list(variations(model, bench.values, given, changed))

        return bench.once("variations", build)

    def _usable(self, bench: Bench, variation: Variation) -> list[dict[str, Any]]:
        """The valid ones of a variation that really differ."""
        model = bench.registry.config_model(bench.component)
        known = model.model_validate(variation.before)
        problems = set(known.check())
        found = []
        for after in variation.after:
            try:
                config = model.model_validate(after)
                if config == known or set(config.check()) - problems:
                    continue
                bench.identity(after)
            except (ValidationError, W2SError):
                continue
            found.append(after)
        return found

    def _identity(self, bench: Bench, values: Values | None) -> str:
        with expected_to_work("the key of a valid config can be worked out", "see key_parts"):
            return bench.identity(values)

    def _recipe(self, bench: Bench, values: Values) -> Path:
        path = bench.folder("recipe") / "recipe.yaml"
        return write_recipe(path, self.kind, self.use, values, bench.models, self.splits)

    def _light(self, bench: Bench) -> Any:
        def build() -> Any:
            rows = bench.registry.components(self.kind)
            plugin = next(r.plugin for r in rows if r.component.name == self.use)
            request = {
                "module": plugin.module,
                "kind": self.kind,
                "use": self.use,
                "values": bench.values,
                "models": bench.models,
                "recipe": str(self._recipe(bench, bench.values)) if self.kind in PLACES else "",
            }
            code, answer, errors = start("light", request, bench.folder("light"))
            if code or answer is None:
                breach(
                    "the plugin can be registered and validated in a process of its own",
                    errors.strip() or f"exit code {code}",
                    "see the traceback above",
                )
            return answer

        return bench.once("light", build)
