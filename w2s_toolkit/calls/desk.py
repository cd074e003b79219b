"""What a stage is given for its calls: the cache, the ledger, prices, and who pays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_toolkit.calls.cache import CallCache
from w2s_toolkit.calls.hosted import Price
from w2s_toolkit.calls.ledger import Budget, Ledger, Place
from w2s_toolkit.calls.scrub import Scrubber


class Calls:
    """The calls of one stage.

    Attributes:
        cache, ledger: shared with all stages and runs of the store.
        run, stage: who pays.
        scrub: takes this stage's secrets out of texts.
    """

    def __init__(
        self,
        *,
        cache: CallCache | None = None,
        ledger: Ledger | None = None,
        prices: Mapping[str, Price] | None = None,
        run: str = "",
        stage: str = "",
        scrub: Scrubber | None = None,
    ) -> None:
        self.scrub = scrub or Scrubber()
        self.cache = cache or CallCache(None, self.scrub)
        self.ledger = ledger or Ledger()
        self.run, self.stage = run, stage
        self._prices = dict(prices or {})

    @classmethod
    def of_job(cls, facts: Mapping[str, Any], store: Path, stage: str, scrub: Scrubber) -> Calls:
        """Those of a stage whose job holds ``facts``, see :func:`job_facts`."""
        name = str(facts.get("ledger", ""))
        budget = Budget(facts.get("usd"), facts.get("tokens"))
        return cls(
            cache=CallCache(store / "calls", scrub),
            ledger=Ledger(ledger_path(store, name) if name else None, budget),
            prices={k: Price(**p) for k, p in facts.get("prices", {}).items()},
            run=str(facts.get("run", "")),
            stage=stage,
            scrub=scrub,
        )

    def price(self, model: str) -> Price | None:
        """What a model (``id@endpoint``) costs, if it is known."""
        return self._prices.get(model)

    def place(self, model: str) -> Place:
        """Who pays for a call of a model."""
        return Place(self.run, self.stage, model)


def ledger_path(store: Path, recipe: str) -> Path:
    """The ledger of a recipe: going on with it does not start its budget anew."""
    return store / "ledger" / f"{recipe}.jsonl"
