"""What a component imports before it runs: ``python -m w2s_toolkit.testing.light REQUEST.json``."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

HEAVY = frozenset(
    {
        "torch", "transformers", "accelerate", "datasets", "peft", "trl", "tensorflow", "jax",
        "openai", "anthropic", "ray", "numpy", "scipy", "pandas", "pyarrow", "sklearn",
        "matplotlib",
    }
)  # fmt: skip


class Watch:
    """Notes who is the first to import a heavy package; first in ``sys.meta_path``."""

    def __init__(self) -> None:
        self.step = ""
        self.found: list[dict[str, str]] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Called for every import that is not loaded yet."""
        known = {f["module"] for f in self.found}
        if name in HEAVY and name not in known:
            self.found.append({"module": name, "step": self.step, "by": _importer()})


def _importer() -> str:
    """The file and line whose import statement is running."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith("<frozen") and "importlib" not in Path(file).parts:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown place"


def main(path: Path) -> None:
    """Register, validate and ask for help as ``w2s`` does, and write what was imported."""
    request = json.loads(path.read_text(encoding="utf-8"))
    watch = Watch()
    sys.meta_path.insert(0, watch)
    from w2s_toolkit.registry import GROUP
    from w2s_toolkit.testing.standins import registry_with_standins

    watch.step = "registration"
    own = [p for p in entry_points(group=GROUP) if p.value == request["module"]]
    registry = registry_with_standins(own)
    model = registry.config_model(registry.get(request["kind"], request["use"]))
    watch.step = "validation of its config"
    model.model_validate(request["values"]).check()
    if request["recipe"]:
        from w2s_toolkit.recipe.load import load_recipe

        watch.step = "validation of a recipe that uses it"
        load_recipe(Path(request["recipe"]), registry_with_standins())
    watch.step = "w2s --help"
    _help()
    heavy = list(watch.found)
    watch.step = "afterwards"
    Path(request["out"]).write_text(
        json.dumps({"heavy": heavy, "identity": _identity(registry_with_standins(), request)}),
        encoding="utf-8",
    )


def _help() -> None:
    from w2s_toolkit.cli.main import w2s

    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        w2s.main(["--help"])


def _identity(registry: Any, request: Any) -> str:
    from w2s_toolkit.errors import W2SError
    from w2s_toolkit.testing.identity import identity

    names = ("kind", "use", "values", "models")
    try:
        return identity(registry, *(request[name] for name in names))
    except W2SError as error:
        return str(error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
