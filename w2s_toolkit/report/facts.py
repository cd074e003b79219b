"""What a run directory tells about how the run was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.wording import Axes, canonical
from w2s_toolkit.stages.rows import ROWS

if TYPE_CHECKING:
    from w2s_toolkit.report.artefacts import Artefacts
    from w2s_toolkit.report.spending import Spent

_PACKAGES = (
    "w2s-toolkit",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "numpy",
    "openai",
    "ray",
)
"""Packages that results depend on most; the page lists the others apart."""


class RunFiles:
    """Reads the files of a run directory and keeps a list of those that are missing.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.missing: list[str] = []

    @property
    def status(self) -> str:
        """``done``, ``partial``, ``failed``, ``stopped``, ``running``; empty where it is not known."""
        try:
            return (self.path / "status").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def ended_well(self) -> bool:
        """Whether the run should have results; a run that failed or was stopped has none to miss."""
        written = (self.path / "results.json").exists()
        return written or self.status not in ("failed", "stopped", "running")

    def text(self, name: str) -> str:
        """A file's text; empty, with a line in ``missing``, when there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except OSError:
            self.missing.append(f"{name} is not in the run directory")
        except UnicodeDecodeError:
            self.missing.append(f"{name} is not UTF-8 text")
        return ""

    def json(self, name: str, kind: type[Any]) -> Any:
        """A JSON file's value, or an empty one of ``kind`` with a line in ``missing``."""
        before = len(self.missing)
        text = self.text(name)
        if len(self.missing) > before:
            return kind()
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, kind):
            self.missing.append(f"{name} is damaged")
            return kind()
        return value

    def yaml(self, name: str) -> dict[str, Any]:
        """A YAML file's mapping, likewise."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        text = self.text(name)
        try:
            value = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, ValueError):
            value = None
        if text and not isinstance(value, dict):
            self.missing.append(f"{name} is damaged")
        return value if isinstance(value, dict) else {}

    def events(self) -> list[dict[str, Any]]:
        """The beginning of the run and the ends of its stages, from ``events.jsonl``."""
        out = []
        for line in self.text("events.jsonl").splitlines():
            # Cheap first: long trainings write many events of other kinds.
            if "run_started" not in line and "stage_finished" not in line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                # The last line of a run that was killed may be cut off.
                continue
            if isinstance(event, dict):
                out.append(event)
        return out


def about(given: str) -> list[str]:
    """Paragraphs of the comment that a recipe begins with: what it is about, in its author's words."""
    lines = []
    for line in given.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return [p.replace("\n", " ") for p in "\n".join(lines).split("\n\n") if p.strip()]


def task(
    recipe: Mapping[str, Any], given: Mapping[str, Any], overrides: Iterable[str]
) -> tuple[str, str]:
    """Name of the task, and what was chosen for it in the recipe or on the command line, but for splits."""
    block = _mapping(recipe.get("task"))
    made = _chosen(block, given.get("task"), "task", overrides)
    return str(block.get("use") or ""), settings({k: v for k, v in made.items() if k != "splits"})


def _chosen(
    block: Mapping[str, Any], given: Any, place: str, overrides: Iterable[str]
) -> dict[str, Any]:
    """Settings of a block that the recipe makes, or the command line, in place of all with defaults."""
    paths = [line.partition("=")[0] for line in overrides]
    more = [p.removeprefix(f"{place}.").split(".")[0] for p in paths if p.startswith(f"{place}.")]
    names = dict.fromkeys([*_mapping(given), *more])
    return {k: block[k] for k in names if k in block and k != "use"}


def digest(artefacts: Artefacts) -> str:
    """The first digits of the SHA-256 of the rows that the splits were cut from."""
    made = artefacts.by_id.get("data")
    files = _mapping(made.manifest.get("files")) if made else {}
    return str(_mapping(files.get(ROWS)).get("sha256") or "")[:12]


def gold(used: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """Gold labels as (stage, how many stages of that name, labels of each), all cells together."""
    found: dict[str, list[int]] = {}
    for item in used:
        found.setdefault(str(item["stage"]).partition("[")[0], []).append(int(item["labels"]))
    return [
        (name, len(sizes), "–".join(map(str, sorted({min(sizes), max(sizes)}))))
        for name, sizes in found.items()
    ]


def models(
    recipe: Mapping[str, Any], given: Mapping[str, Any], overrides: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Models of the recipe as (name, identity, kind and settings that were chosen)."""
    out = []
    for name, block in _mapping(recipe.get("models")).items():
        block, own = _mapping(block), _mapping(given.get("models")).get(name)
        identity = str(block.get("id") or block.get("use") or "")
        made = _chosen(block, own, f"models.{name}", overrides)
        use = str(block.get("use") or "") if block.get("id") else ""
        more = settings({k: v for k, v in made.items() if k != "id"})
        out.append((str(name), identity, ", ".join(filter(None, (use, more)))))
    return out


def phases(recipe: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Phases of the recipe, each with what it uses for what."""
    out = []
    for phase in recipe.get("phases") or []:
        phase = _mapping(phase)
        pool, repeat = phase.get("pool") or "", _mapping(phase.get("repeat"))
        if isinstance(pool, dict):
            pool = f"{pool.get('split')}{', a fold a round' * bool(pool.get('fold_by_round'))}"
        rounds = f"up to {repeat.get('max_rounds')}" if repeat else ""
        parts = [("pool", str(pool)), ("rounds", rounds)]
        kinds = ("supervisors", "oversight", "ensemble", "refine", "student", "ladder", "evaluate")
        for field in kinds:
            value = phase.get(field)
            used = value if isinstance(value, list) else [value] if value else []
            said = ", ".join(_component(_mapping(u), short=field == "evaluate") for u in used)
            parts.append((field.removesuffix("s"), said))
        out.append((str(phase.get("name") or ""), [(k, v) for k, v in parts if v]))
    return out


def matrix(cells: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Axes and their values, the seed last."""
    groups = [{k: v for k, v in c["axes"].items() if k != "seed"} for c in cells]
    groups = list({canonical(g): g for g in groups}.values())
    axes = Axes(groups)
    out = [
        (name, list(dict.fromkeys(axes.value(g, axis) for g in groups)))
        for axis, name in axes.names.items()
    ]
    seeds = list(dict.fromkeys(str(c.get("seed")) for c in cells))
    return [*out, ("seed", seeds)] if seeds else out


def tally(stages: Iterable[Spent]) -> str:
    """How the stages ended: ``20 ran, 5 cached of 25``."""
    words: dict[str, int] = {}
    for stage in stages:
        words[stage.status] = words.get(stage.status, 0) + 1
    said = ", ".join(f"{n} {word}" for word, n in words.items())
    return f"{said} of {sum(words.values())}"


def versions(env: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Python, the platform, the code's revision and the packages that matter most."""
    packages = _mapping(env.get("packages"))
    out = [(name, str(env[name])) for name in ("python", "platform") if env.get(name)]
    if env.get("git"):
        out.append(("git revision", str(env["git"])))
    return out + [(name, str(packages[name])) for name in _PACKAGES if name in packages]


def settings(block: Mapping[str, Any]) -> str:
    """``use: hf, peft: {r: 16}`` in one line."""
    return ", ".join(f"{key}: {_plain(value)}" for key, value in block.items())


def _component(block: Mapping[str, Any], *, short: bool) -> str:
    name = str(block.get("use") or "")
    if short:
        return name
    told = {
        k: v
        for k, v in block.items()
        if k in ("model", "train_on", "loss", "on", "epochs", "assistant", "debater") and v
    }
    return f"{name} ({settings(told)})" if told else name


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        used = value.get("use")
        rest = {k: v for k, v in value.items() if k != "use" and v is not None}
        text = settings(rest)
        if used:
            return f"{used} ({text})" if text else str(used)
        return f"{{{text}}}"
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
