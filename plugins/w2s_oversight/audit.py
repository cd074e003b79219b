"""``w2s oversight audit``: does the critic tell right from wrong better than the judge?

A debate, a consultancy or a critique gives the judge reasons. Where those who give them know no more than
the judge, there is nothing in them to find out (Kenton et al. 2024, section 5). So both are measured on
the same rows without any evidence: the recipe's supervisor as it stands, and the critic asked directly, in words
that it knows: those of the recipe's own ``assistant_direct`` if there is one, else of the protocol's prompts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from w2s_oversight.config import PromptConfig, ProtocolConfig
from w2s_oversight.prompt_files import OWN, Prompts
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.errors import RecipeError, StageError
from w2s_toolkit.recipe.checked import Phase, Recipe, Use
from w2s_toolkit.recipe.load import find_recipe, load_recipe
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.stages.work import LABELS

CRITICS = ("debater", "critic", "advisor", "assistant")
"""Fields of protocols that name who gives reasons, the first that is set."""

MEASURES = ("accuracy", "auroc")

CHANCE = 0.5
"""AUROC of answers that say nothing."""


def audit_recipe(
    name: str, overrides: Iterable[str], *, store: Path, runs: Path, rows: int, on: str
) -> dict[str, Any]:
    """Run both and compare them on at most ``rows`` rows of the split ``on``.

    Raises:
        RecipeError: the recipe has no oversight by a model, or no such split.
    """
    from w2s_toolkit.run import run_recipe

    registry = Registry()
    file = find_recipe(name, registry)
    given = load_recipe(file, registry, overrides)
    phase, protocol = _audited(given)
    critic = next(str(v) for f in CRITICS if (v := getattr(protocol.config, f, None)))
    direct = _direct(given, phase, protocol, critic)
    changes = [*overrides, *_changes(given, phase, direct, rows, on)]
    outcome = run_recipe(
        load_recipe(file, registry, changes), registry, store=store, runs=runs, quiet=True
    )
    if outcome.error is not None:
        raise outcome.error
    if outcome.status != "done":
        raise StageError("the audit was stopped", next_step="run it again: it goes on")
    observed = {
        role: _observation(outcome.folder, role, on) for role in ("audit-judge", "audit-critic")
    }
    model = getattr(phase.supervisor.config, "model", None) or phase.supervisor.name
    values = _compare(registry, observed["audit-judge"], observed["audit-critic"])
    return {
        "recipe": given.name,
        "protocol": protocol.name,
        "judge": str(model),
        "critic": critic,
        "asked": {key: direct[key] for key in ("prompt", "prompts") if direct.get(key)},
        "on": on,
        "rows": len(observed["audit-judge"].data),
        "measures": values,
        "answer": _answer(values["auroc"]),
        "remarks": _remarks(values["auroc"], direct),
        "run": str(outcome.folder),
    }


def _audited(recipe: Recipe) -> tuple[Phase, Use]:
    """The first protocol in which somebody speaks, in whichever cell it is."""
    for cell in recipe.cells:
        for phase in cell.phases:
            for use in phase.oversight:
                if any(getattr(use.config, field, None) for field in CRITICS):
                    return phase, use
    raise RecipeError(
        "no phase has an oversight protocol in which a model speaks",
        where=str(recipe.file),
        next_step="audit a recipe with interaction, debate, consultancy, critique or answer_only",
    )


def _direct(recipe: Recipe, phase: Phase, protocol: Use, critic: str) -> dict[str, Any]:
    """The supervisor ``assistant_direct`` by which the critic is asked for its own answer."""
    for other in (one for cell in recipe.cells for one in cell.phases):
        own = other.supervisor
        if own.name == "assistant_direct" and getattr(own.config, "model", None) == critic:
            values: dict[str, Any] = own.config.model_dump(mode="json")
            return {"use": own.name, **values}
    direct: dict[str, Any] = {"use": "assistant_direct", "model": critic}
    judge, spoken = phase.supervisor, protocol.config
    heard = judge.config if judge.name == "judge" else None
    if isinstance(spoken, ProtocolConfig) and (
        _has_direct(spoken) or not getattr(heard, "prompts", None)
    ):
        named = spoken
        if isinstance(heard, PromptConfig) and "answers" not in spoken.model_fields_set:
            named = spoken.model_copy(update={"answers": heard.answers})
        direct |= {"prompt": "direct", "passage": spoken.passage, "prompts": spoken.prompts}
        return direct | {"answers": named.answers, "text": spoken.text}
    if isinstance(heard, PromptConfig):
        direct |= {"answers": heard.answers, "text": heard.text, "prompts": heard.prompts}
    return direct


def _has_direct(spoken: ProtocolConfig) -> bool:
    """Whether the protocol has a prompt of the user's own for direct questions."""
    if spoken.prompts is None:
        return False
    return OWN not in Prompts(spoken.prompts, spoken.prompt_set).find("direct").parents


def _changes(
    recipe: Recipe, phase: Phase, direct: Mapping[str, Any], rows: int, on: str
) -> list[str]:
    """Overrides that make the recipe into one that measures both, each alone."""
    cell = recipe.cells[0]
    if on not in cell.options.splits:
        raise RecipeError(
            f"task.splits has no split {on!r}",
            where=str(recipe.file),
            next_step=f"name one with --on: {', '.join(cell.options.splits)}",
        )
    size = cell.options.splits[on]
    splits = dict(cell.options.splits) | {on: rows if size == "all" else min(rows, size)}
    judge = phase.supervisor
    values = judge.config.model_dump(mode="json")
    if values.get("choose_on") == on:  # the split must not choose what is then measured on it
        values["choose_on"] = None
    measures = [{"use": name, "on": on, "roles": ["supervisor"]} for name in MEASURES]
    both = [
        {
            "name": name,
            "pool": on,
            "supervisors": [block],
            "student": None,
            "evaluate": measures,
            "allow_overlap": True,
        }
        for name, block in (
            ("audit-judge", {"use": judge.name, **values}),
            ("audit-critic", direct),
        )
    ]
    changed = {"task.splits": splits, "baselines": [], "phases": both}
    made = [f"{path}={json.dumps(value)}" for path, value in changed.items()]
    if recipe.document.get("matrix"):
        made += ["matrix={}", f"seed={cell.seed}"]
    return made


def _observation(folder: Path, phase: str, on: str) -> Observation:
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    wanted = f"{phase}/supervisor/label/{on}"
    stage = next(s for s in plan["stages"] if s["id"].partition("[")[0] == wanted)
    keys = {s["key"]: s["id"] for s in plan["stages"]}
    data = Dataset.read(folder / "stages" / keys[stage["inputs"]["data"]] / DATA)
    labels = LabelSet.read(folder / "stages" / stage["id"] / LABELS)
    return Observation(0, data, labels.align(data))


def _compare(registry: Registry, judge: Observation, critic: Observation) -> dict[str, Any]:
    from w2s_toolkit.stages.context import StageContext

    context = StageContext(out=Path(), scratch=Path())
    found: dict[str, Any] = {}
    for name in MEASURES:
        component = registry.get("evaluators", name)
        measure = registry.target(component)(registry.config_model(component)())
        row: dict[str, Any] = {}
        for role, seen in (("judge", judge), ("critic", critic)):
            row[role] = _numbers(measure.evaluate(seen.subject, seen.data, context).values[name])
        row["difference"] = _numbers(measure.compare([judge], [critic], context).values[name])
        found[name] = row
    return found


def _numbers(metric: Any) -> dict[str, Any]:
    names = ("value", "low", "high", "n", "reason")
    return {name: getattr(metric, name) for name in names}


def _answer(auroc: Mapping[str, Any]) -> str:
    difference = auroc["difference"]
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return f"not known: {difference['reason'] or 'there is no interval'}"
    if low > 0:
        return "yes: the critic tells right from wrong better than the judge"
    if high < 0:
        return "no: the judge tells right from wrong better than the critic"
    return "not told apart on these rows"


def _remarks(auroc: Mapping[str, Any], direct: Mapping[str, Any]) -> list[str]:
    """What the answer does not say by itself."""
    found = []
    low = auroc["critic"]["low"]
    if low is not None and low <= CHANCE:
        how = f"with the prompts in {direct['prompts']}" if direct.get("prompts") else "as built in"
        found.append(
            f"asked directly, {how}, the critic is no better than chance. If it should know better, it does not "
            "understand the question: put a direct.txt of its kind into the protocol's prompts, and name answers: that it "
            "would give"
        )
    if auroc["difference"]["low"] is None or auroc["difference"]["low"] <= 0:
        found.append(
            "arguments of this critic have little to tell this judge, if what they know shows in direct "
            "answers; background (interaction) may still help"
        )
    return found


def print_audit(found: Mapping[str, Any]) -> None:
    """The comparison as a table, and what it means."""
    from w2s_toolkit.report.terminal import line, print_with, table
    from w2s_toolkit.report.wording import estimate, metric_name

    def draw(console: Any) -> None:
        rows = list(found["measures"].items())
        columns: list[tuple[str, list[str], bool]] = [
            ("", [metric_name(name) for name, _ in rows], False),
            (f"judge ({found['judge']})", [estimate(r["judge"]) for _, r in rows], True),
            (f"critic ({found['critic']})", [estimate(r["critic"]) for _, r in rows], True),
            ("difference", [estimate(r["difference"], signed=True) for _, r in rows], True),
        ]
        title = f"{found['recipe']} · {found['protocol']} · {found['on']}, {found['rows']} rows"
        table(console, title, columns, 1)
        line(console, str(found["answer"]), "Does the critic discriminate better? ", style="bold")
        for remark in found["remarks"]:
            line(console, str(remark), "note: ", style="dim")

    print_with(draw)
