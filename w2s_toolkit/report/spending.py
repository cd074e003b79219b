"""What every stage of a run took: time, tokens, money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from w2s_toolkit.report.artefacts import Artefacts
from w2s_toolkit.report.facts import RunFiles
from w2s_toolkit.report.wording import count


@dataclass(frozen=True)
class Spent:
    """One stage.

    Attributes:
        id, component, kind: as in the plan.
        inputs: ids of the stages it reads, those that an ensemble asked for too.
        status: how it ended in this run: ``ran``, ``cached``, ``failed``, or ``not run``.
        seconds: what it took when it was made, in whichever run that was; None where unknown.
        rows: of its output or input, as it counts them.
        tokens: that its models read and wrote, local and hosted.
        usd: of its hosted calls, settled or still reserved; None where it made none.
        unpriced: hosted calls whose price is not known; ``usd`` does not hold them.
        error: why it failed.
    """

    id: str
    component: str
    kind: str
    inputs: tuple[str, ...] = ()
    status: str = "not run"
    seconds: float | None = None
    rows: int | None = None
    tokens: int | None = None
    usd: float | None = None
    unpriced: int = 0
    error: str = ""


def spent_by_stage(files: RunFiles, artefacts: Artefacts) -> list[Spent]:
    """All stages in the order of the plan; those that the plan did not foresee come last."""
    plan = [s for s in files.json("plan.json", dict).get("stages") or [] if _whole(s)]
    known = {str(s["key"]): str(s["id"]) for s in plan}
    more = [made for made in artefacts.by_id.values() if made.key not in known]
    known |= {made.key: made.id for made in more}
    usage = files.json("usage.json", dict)
    took, hosted = _mapping(usage.get("stages")), _hosted(usage)
    ended = {str(e.get("stage")): e for e in files.events() if e.get("event") == "stage_finished"}
    found = [(str(s["id"]), s.get("component"), s.get("kind"), s.get("inputs")) for s in plan]
    found += [(made.id, made.component, made.kind, made.inputs) for made in more]
    out = []
    for name, component, kind, inputs in found:
        end, facts = ended.get(name, {}), _mapping(took.get(name))
        counters = _mapping(facts.get("counters"))
        seconds = facts.get("seconds", end.get("seconds"))
        calls, made = hosted.get(name), artefacts.by_id.get(name)
        keys = [*_mapping(inputs).values(), *((made.manifest.get("members") or ()) if made else ())]
        out.append(
            Spent(
                id=name,
                component=str(component or ""),
                kind=str(kind or ""),
                inputs=tuple(known[k] for k in keys if k in known),
                status=str(end.get("status") or ("made earlier" if facts else "not run")),
                seconds=float(seconds) if isinstance(seconds, int | float) else None,
                rows=_first(counters, ("rows", "labels", "training_rows")),
                tokens=_tokens(counters, calls),
                usd=calls[1] if calls else None,
                unpriced=calls[2] if calls else 0,
                error=str(end.get("error") or ""),
            )
        )
    return out


def _hosted(usage: Mapping[str, Any]) -> dict[str, tuple[int, float, int]]:
    """Tokens, dollars and calls without a price of hosted calls by stage, as this run's ledger has them."""
    run = _mapping(_mapping(usage.get("hosted")).get("this_run"))
    out: dict[str, tuple[int, float, int]] = {}
    for row in run.get("stages") or []:
        row = _mapping(row)
        settled, standing = _mapping(row.get("settled")), _mapping(row.get("standing"))
        tokens, usd, unpriced = out.get(str(row.get("stage")), (0, 0.0, 0))
        tokens += sum(int(settled.get(n) or 0) for n in ("prompt_tokens", "completion_tokens"))
        usd += float(settled.get("usd") or 0) + float(standing.get("usd") or 0)
        unpriced += int(settled.get("unpriced") or 0)
        out[str(row.get("stage"))] = (tokens, usd, unpriced)
    return out


def _tokens(counters: Mapping[str, Any], hosted: tuple[int, float, int] | None) -> int | None:
    """Hosted tokens are in the ledger, and may be among a stage's counters too."""
    local = [int(v) for k, v in counters.items() if k.endswith("_tokens") and _is_number(v)]
    found = ([sum(local)] if local else []) + ([hosted[0]] if hosted else [])
    return max(found, default=None)


def _first(counters: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return next((int(counters[n]) for n in names if _is_number(counters.get(n))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _whole(stage: Any) -> bool:
    return isinstance(stage, dict) and {"id", "key"} <= stage.keys()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def price(stages: Iterable[Spent], digits: int = 2) -> str:
    """What hosted calls cost: ``$0.25``, ``$0.25 and 3 calls of unknown price``; empty without calls."""
    called = [s for s in stages if s.usd is not None]
    usd, unpriced = sum(s.usd or 0 for s in called), sum(s.unpriced for s in called)
    if not called or (unpriced and not usd):
        return "cost unknown" if called else ""
    more = f" and {count(unpriced, 'call')} of unknown price" if unpriced else ""
    return f"${usd:.{digits}f}{more}"
