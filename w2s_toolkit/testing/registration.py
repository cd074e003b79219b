"""Contracts of registration: found, strict, complete, light."""

from __future__ import annotations

from w2s_toolkit.errors import RegistryError
from w2s_toolkit.registry import load_object, singular
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.subject import Subject
from w2s_toolkit.testing.vary import is_valid, with_value


class RegistrationContract(Subject):
    """What holds before a component is used."""

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
                "see w2s_toolkit/contracts/ for their arguments",
            )

    def test_nothing_heavy_is_imported_before_it_runs(self, bench: Bench) -> None:
        """Registration, validation and ``w2s --help`` import neither torch nor numpy nor a client."""
        for found in self._light(bench)["heavy"]:
            breach(
                "registering and validating a component imports nothing heavy",
                f"{found['module']} is imported at {found['step']}, by {found['by']}",
                "move that import into the module of `target`, or into the function that needs it",
            )
