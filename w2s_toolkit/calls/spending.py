"""What was spent, for ``usage.json`` and ``w2s cost``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.calls.desk import ledger_path
from w2s_toolkit.calls.ledger import Budget, Ledger, Place, Spent, Standing


def spent_json(store: Path, facts: Mapping[str, Any], run: str) -> dict[str, Any]:
    """What the runs of a recipe have spent so far, and this run of it.

    Args:
        facts: what the stages were told, see :func:`~w2s_toolkit.calls.prices.job_facts`.
    """
    path = ledger_path(store, str(facts["ledger"]))
    ledger = Ledger(path if path.exists() else None, Budget(facts["usd"], facts["tokens"]))
    try:
        return {
            "budget": {"usd": facts["usd"], "tokens": facts["tokens"]},
            "all_runs": _both(ledger.spent(), ledger.standing()),
            "this_run": _both(ledger.spent(run=run), ledger.standing(run=run)),
        }
    finally:
        ledger.close()


def _both(spent: Mapping[Place, Spent], standing: Mapping[Place, Standing]) -> dict[str, Any]:
    rows = []
    for at in sorted({(p.stage, p.model) for p in (*spent, *standing)}):
        settled = sum((s for p, s in spent.items() if (p.stage, p.model) == at), Spent())
        stands = sum((s for p, s in standing.items() if (p.stage, p.model) == at), Standing())
        both = {"settled": _settled(settled), "standing": _standing(stands)}
        rows.append({"stage": at[0], "model": at[1], **both})
    return {
        "settled": _settled(sum(spent.values(), Spent())),
        "standing": _standing(sum(standing.values(), Standing())),
        "stages": rows,
    }


def _settled(spent: Spent) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "usd": round(spent.usd, 9),
        "unpriced": spent.unpriced,
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "calls": standing.calls,
        "tokens": standing.tokens,
        "usd": round(standing.usd, 9),
    }
