"""A run's ``report.html``: one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from w2s_toolkit.report import beside, facts
from w2s_toolkit.report.artefacts import Artefacts
from w2s_toolkit.report.block import Block
from w2s_toolkit.report.blocks import axes_of, blocks, compared, measured, steps, titles
from w2s_toolkit.report.generations import compared_blocks, folds
from w2s_toolkit.report.remarks import by_name, folded, remarks, signatures, unsaid
from w2s_toolkit.report.rounds import rounds
from w2s_toolkit.report.spending import price, spent_by_stage
from w2s_toolkit.report.stagegraph import graphs
from w2s_toolkit.report.wins import wins_of
from w2s_toolkit.report.wording import (
    ROLES,
    SHORT_ROLES,
    amount,
    count,
    duration,
    estimate,
    interval,
    measure,
    metric_name,
    number,
    printable,
    role_name,
)
from w2s_toolkit.whole import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

    from w2s_toolkit.report.canvas import Plot


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run directory and return its path.

    Beside it go the pictures, ``figures/*.svg``, and the numbers, ``results.csv`` and ``seeds.csv``.
    What the directory lacks is named in the page. All of it comes from files that never change
    again, so that the page has the same bytes whenever it is built.
    """
    files, artefacts = facts.RunFiles(run), Artefacts(run)
    results = files.json("results.json", dict) if files.ended_well() else {}
    found = {
        **_run(files, artefacts),
        **_results(results),
        "browser": _browser(files, artefacts, results) if files.ended_well() else None,
    }
    beside.write_numbers(run, results)
    beside.write_figures(run, found["plots"])
    code = _code()
    page = (
        _environment()
        .get_template("page.html")
        .render(
            css=Markup(_part("page.css")),
            js=Markup(code),
            policy=_policy(code),
            **found,
            missing=list(dict.fromkeys(files.missing)),
        )
    )
    target = run / "report.html"
    # A lone surrogate in a name cannot be written as UTF-8.
    write_whole(target, page.encode("utf-8", "replace"))
    return target


def _code() -> str:
    """The page's script: its files one after the other."""
    return "\n".join(map(_part, ("page.js", "examples.js", "example.js")))


def _policy(code: str) -> str:
    """What the page may do: run the one script with this hash, and fetch nothing."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    allowed = ("style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'")
    return "; ".join(("default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'"))


def _browser(
    files: facts.RunFiles, artefacts: Artefacts, results: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Packed examples and transcripts, and what is left out of them."""
    from w2s_toolkit.report.examples import browse
    from w2s_toolkit.report.payload import packed

    found = browse(files, artefacts, results)
    if found is None:
        return None
    examples, talks, notes = packed(found)
    return {"examples": examples, "talks": talks, "notes": notes}


def _run(files: facts.RunFiles, artefacts: Artefacts) -> dict[str, Any]:
    """What was run: everything but the results."""
    recipe, env = files.yaml("resolved.yaml"), files.json("env.json", dict)
    given, overrides = files.text("recipe.yaml"), files.text("overrides.txt").splitlines()
    events = files.events()
    chosen = files.yaml("recipe.yaml") if given else {}
    start = next((e for e in events if e["event"] == "run_started"), {})
    spent = spent_by_stage(files, artefacts)
    tokens, priced = [s.tokens for s in spent if s.tokens], any(s.usd is not None for s in spent)
    totals = [f"{duration(sum(s.seconds or 0 for s in spent))} of work in all"]
    totals += [f"{amount(sum(tokens))} tokens"] if tokens else []
    totals += [f"hosted models: {price(spent, 4)}"] if priced else []
    return {
        "run": str(start.get("id") or files.path.name),
        "started": str(start.get("time") or "")[:16].replace("T", " "),
        "about": [*filter(None, [str(recipe.get("description") or "")]), *facts.about(given)],
        "used_task": facts.task(recipe, chosen, overrides),
        "digest": facts.digest(artefacts),
        "models": facts.models(recipe, chosen, overrides),
        "phases": facts.phases(recipe),
        "stages": spent,
        "tally": facts.tally(spent),
        "totals": totals,
        "priced": priced,
        "graphs": graphs(spent),
        "versions": facts.versions(env),
        "packages": sorted((env.get("packages") or {}).items()),
        "plugins": env.get("plugins") or [],
        "resolved": files.text("resolved.yaml") if recipe else "",
        "given": given,
        "overrides": overrides,
        "predictions": files.json("predictions/index.json", list) if files.ended_well() else [],
        "status": files.status,
        "name": str(recipe.get("name") or ""),
        "failed": [s for s in spent if s.error],
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
        "blocks": found,
        "axes": axes_of(found),
        "compared": compared(found),
        "measured": measured(found),
        "top": compared_blocks(found),
        "several": {
            "phase": len({b.phase for b in found}) > 1,
            "split": len({b.split for b in found}) > 1,
        },
        "plots": _plots(found, task, results),
        "rounds": rounds(results),
        "folds": folds(
            [
                (title, block, wins_of(block, results.get("tables") or []))
                for title, block in zip(titles(found), found, strict=True)
            ]
        ),
        "gold": facts.gold(results.get("gold_labels") or []),
        "signatures": folded(by_name(signatures(results))),
        "remarks": remarks(results),
        "unsaid": unsaid(results),
        "summary": results.get("summary") or [],
        "unfinished": results.get("unfinished") or [],
        "budget": [
            w["message"] for w in results.get("warnings") or [] if w.get("code") == "budget"
        ],
    }


def _plots(
    found: list[Block], task: Mapping[str, Any], results: Mapping[str, Any]
) -> dict[str, Plot]:
    """Pictures by name; those that there is no data for are left out."""
    if not found:
        return {}
    from w2s_toolkit.report import (
        bars,
        curves,
        generations,
        recovered,
        reliability,
        sizes,
        staircase,
    )

    classes = len(task.get("classes") or ())
    phases = generations.without_rounds(found)
    drawn = {
        "scores": bars.scores(phases, classes),
        "staircase": staircase.staircase(
            generations.not_repeated(found), results.get("models") or ()
        ),
        "recovered": recovered.recovered(phases),
        "agreement": bars.agreement(phases),
        "generations": generations.generations(found, results),
        "curves": curves.curves(found, results),
        "sizes": sizes.sizes(found, results),
        "reliability": reliability.reliability(
            phases if any(b.find("student", "ece") for b in phases) else found,
            results.get("tables") or [],
        ),
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
        "amount": amount,
        "count": count,
        "duration": duration,
        "estimate": _typeset(estimate),
        "interval": _typeset(interval),
        "number": _typeset(number),
        "steps": _typeset(steps),
        "measure": _typeset(measure),
        "metric": metric_name,
        "minus": _typeset(str),
        "price": price,
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
