"""What every contract class says of its component, and what its tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from w2s_toolkit.config import ComponentConfig
from w2s_toolkit.errors import W2SError
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.files import changed_copy
from w2s_toolkit.testing.processes import start
from w2s_toolkit.testing.recipes import PLACES, write_recipe
from w2s_toolkit.testing.vary import Variation, variations

Values = Mapping[str, Any]


class Subject:
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

    def changed_copy(self, path: str, folder: Path) -> str:
        """A copy with one byte changed that matters; override it where not every byte does."""
        return changed_copy(path, folder)

    def try_out(self, bench: Bench, values: Values) -> None:
        """Run the component once with a config; exceptions pass."""
        bench.instance(values)

    # --- shared by the tests -------------------------------------------------------------------

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
