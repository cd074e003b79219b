"""A run's ``report.html``: one file that needs nothing else, neither network nor script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report import facts
from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import axes_of, blocks, titles
from w2s_toolkit.report.remarks import remarks, signatures, unsaid
from w2s_toolkit.report.wording import (
    ROLES,
    SHORT_ROLES,
    count,
    estimate,
    interval,
    metric_name,
    number,
    printable,
    role_name,
)

if TYPE_CHECKING:
    from jinja2 import Environment

    from w2s_toolkit.report.canvas import Plot


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run directory and return its path.

    What the directory lacks is named in the page. Times and costs come from the event log alone,
    so that the page has the same bytes whenever it is built.
    """
    from markupsafe import Markup

    files = facts.RunFiles(run)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            css=Markup(_part("page.css")),
            **_run(files),
            **_results(files.json("results.json", dict)),
            missing=files.missing,
        )
    )
    target = run / "report.html"
    part = target.with_name(".report.html.part")
    # A lone surrogate in a name cannot be written as UTF-8.
    part.write_bytes(page.encode("utf-8", "replace"))
    part.replace(target)
    return target


def _run(files: facts.RunFiles) -> dict[str, Any]:
    """What was run: everything but the results."""
    recipe, env = files.yaml("resolved.yaml"), files.json("env.json", dict)
    events = files.events()
    start = next((e for e in events if e["event"] == "run_started"), {})
    finished, tally = facts.stages(events)
    return {
        "run": str(start.get("id") or files.path.name),
        "started": str(start.get("time") or "")[:16].replace("T", " "),
        "description": str(recipe.get("description") or ""),
        "models": facts.models(recipe),
        "phases": facts.phases(recipe),
        "stages": finished,
        "tally": tally,
        "seconds": sum(float(e.get("seconds") or 0) for e in finished),
        "planned": len(files.json("plan.json", dict).get("stages") or []),
        "versions": facts.versions(env),
        "packages": sorted((env.get("packages") or {}).items()),
        "plugins": env.get("plugins") or [],
        "resolved": files.text("resolved.yaml") if recipe else "",
        "given": files.text("recipe.yaml"),
        "overrides": files.text("overrides.txt").splitlines(),
        "predictions": files.json("predictions/index.json", list),
    }


def _results(results: Mapping[str, Any]) -> dict[str, Any]:
    """What was found out."""
    found = blocks(results)
    task = results.get("task") or {}
    return {
        "results": bool(results),
        "recipe": str(results.get("recipe") or ""),
        "task": task,
        "matrix": facts.matrix(results.get("cells") or []),
        "blocks": list(zip(titles(found), found, strict=True)),
        "axes": axes_of(found),
        "several": {
            "phase": len({b.phase for b in found}) > 1,
            "split": len({b.split for b in found}) > 1,
        },
        "plots": _plots(found, task, results),
        "gold": results.get("gold_labels") or [],
        "signatures": signatures(results),
        "remarks": remarks(results),
        "unsaid": unsaid(results),
        "summary": results.get("summary") or [],
    }


def _plots(
    found: list[Block], task: Mapping[str, Any], results: Mapping[str, Any]
) -> dict[str, Plot]:
    """Pictures by name; those that there is no data for are left out."""
    if not found:
        return {}
    from w2s_toolkit.report import bars, recovered, reliability, staircase

    classes = len(task.get("classes") or ())
    drawn = {
        "scores": bars.scores(found, classes),
        "staircase": staircase.staircase(found),
        "recovered": recovered.recovered(found),
        "agreement": bars.agreement(found),
        "reliability": reliability.reliability(found, results.get("tables") or []),
    }
    return {name: plot for name, plot in drawn.items() if plot}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "count": count,
        "estimate": _typeset(estimate),
        "interval": _typeset(interval),
        "number": _typeset(number),
        "metric": metric_name,
        "minus": _typeset(str),
        "role": role_name,
        "short_role": lambda role: SHORT_ROLES.get(role, role),
    }
    made.filters.update(filters)
    made.globals["ROLES"] = ROLES
    made.finalize = _clean
    return made


def _part(name: str) -> str:
    return resources.files("w2s_toolkit.report").joinpath(name).read_text(encoding="utf-8")


def _clean(value: Any) -> Any:
    """Control characters as escapes; our own markup as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return value if value.isprintable() else printable(value)
    return value


def _typeset(say: Callable[..., str]) -> Callable[..., str]:
    """Numbers with a minus sign in place of a hyphen."""

    def said(*args: Any, **options: Any) -> str:
        return say(*args, **options).replace("-", "−")

    return said
