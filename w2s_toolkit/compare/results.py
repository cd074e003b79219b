"""Results of two runs, metric by metric, with paired intervals where the rows allow it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from w2s_toolkit.compare.observations import Place, Predictions, group_name, unlike_rows
from w2s_toolkit.compare.side import Side
from w2s_toolkit.config import EvaluatorConfig
from w2s_toolkit.contracts import PairedEvaluator
from w2s_toolkit.data import Metric
from w2s_toolkit.errors import W2SError
from w2s_toolkit.registry import Registry
from w2s_toolkit.stages.context import StageContext

Row = Mapping[str, Any]
SAME = 1e-9
"""Values of the same metric that differ by less are one value; they come from other sums."""


class Unit(NamedTuple):
    """What one evaluator said of one subject; ``number`` tells evaluators of one name apart."""

    group: str
    phase: str
    role: str
    split: str
    evaluator: str
    number: int

    @property
    def place(self) -> Place:
        """Where its predictions are found."""
        return self.phase, self.role, self.split


def result_changes(a: Side, b: Side, registry: Registry) -> list[dict[str, Any]]:
    """One row a metric that A or B has.

    ``a`` and ``b`` are summary rows or None; ``difference`` is B minus A with ``low`` and ``high``;
    ``reason`` says why there is no difference or no interval; ``same`` whether the predictions,
    and so the metric, are the same.
    """
    if not a.results or not b.results:
        return []
    units_a, units_b = _units(a), _units(b)
    if len({u.group for u in units_a}) == len({u.group for u in units_b}) == 1:
        # One combination each: they are compared even where the matrix names them differently.
        name = next(iter(units_a)).group
        aliases = {u._replace(group=name): u for u in units_b}
    else:
        aliases = {u: u for u in units_b}
    comparison = _Comparison(a, b, registry)
    out: list[dict[str, Any]] = []
    for unit in dict.fromkeys([*units_a, *aliases]):
        other = aliases.get(unit, unit)
        one, two = units_a.get(unit, {}), units_b.get(other, {})
        found = comparison.of(unit, other, one, two) if one and two else _Found()
        for metric in dict.fromkeys([*one, *two]):
            out.append(_row(unit, metric, one.get(metric), two.get(metric), found))
    return out


class _Found(NamedTuple):
    """What comparing one unit gave."""

    differences: Mapping[str, Metric] = {}
    same: bool = False
    reason: str = ""


class _Comparison:
    def __init__(self, a: Side, b: Side, registry: Registry) -> None:
        self._a, self._registry = a, registry
        self._predictions = (Predictions(a), Predictions(b))

    def of(self, unit: Unit, other: Unit, one: Mapping[str, Row], two: Mapping[str, Row]) -> _Found:
        """Compare what both runs measured; never raises for what a run or plugin may hold."""
        try:
            return self._of(unit, other)
        except W2SError as error:
            return _Found(reason=error.what)
        except Exception as error:  # tables of any age, evaluators of anybody
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            return _Found(reason=f"comparing ended in {what}")

    def _of(self, unit: Unit, other: Unit) -> _Found:
        config, evaluator = self._evaluator(unit)
        first, second = self._predictions
        tables = first.tables(unit.group, unit.place), second.tables(other.group, other.place)
        if reason := unlike_rows(*tables):
            return _Found(reason=reason)
        references = config.references if isinstance(config, EvaluatorConfig) else ()
        places = [unit.place, *((unit.phase, role, unit.split) for role in references)]
        same = all(
            _equal(first.tables(unit.group, place), second.tables(other.group, place))
            for place in places
        )
        if same or not isinstance(evaluator, PairedEvaluator):
            missing = "" if same else f"{unit.evaluator} gives no intervals for differences"
            return _Found(same=same, reason=missing)
        sides = (
            first.observations(unit.group, unit.place, references),
            second.observations(other.group, other.place, references),
        )
        nowhere = Path("unused")  # comparing writes nothing
        context = StageContext(stage="runs diff", out=nowhere, scratch=nowhere)
        return _Found(evaluator.compare(*sides, context).values)

    def _evaluator(self, unit: Unit) -> tuple[Any, Any]:
        component = self._registry.get("evaluators", unit.evaluator)
        model = self._registry.config_model(component)
        blocks = [
            {k: v for k, v in block.items() if k != "use"}
            for phase in self._a.recipe.get("phases") or []
            if phase.get("name") == unit.phase
            for block in phase.get("evaluate") or []
            if block.get("use") == unit.evaluator
        ]
        configs = [model.model_validate(block) for block in blocks] or [model()]
        fitting = [c for c in configs if getattr(c, "on", unit.split) == unit.split] or configs
        config = fitting[min(unit.number, len(fitting) - 1)]
        return config, self._registry.target(component)(config)


def _units(side: Side) -> dict[Unit, dict[str, Row]]:
    """Summary rows by unit and metric."""
    found: dict[Unit, dict[str, Row]] = {}
    seen: Counter[tuple[Any, ...]] = Counter()
    for row in side.results.get("summary") or []:
        fields = [str(row[k]) for k in ("phase", "role", "split", "evaluator")]
        head = (group_name(row["group"]), *fields)
        unit = Unit(*head, seen[head, row["metric"]])  # type: ignore[call-arg, arg-type]
        seen[head, row["metric"]] += 1
        found.setdefault(unit, {})[str(row["metric"])] = row
    return found


def _row(
    unit: Unit, metric: str, one: Row | None, two: Row | None, found: _Found
) -> dict[str, Any]:
    kept = ("value", "low", "high", "n", "reason", "seeds", "model")
    row: dict[str, Any] = {
        **{k: v for k, v in unit._asdict().items() if k != "number"},
        "metric": metric,
        "a": {k: one.get(k) for k in kept} if one else None,
        "b": {k: two.get(k) for k in kept} if two else None,
        "difference": None,
        "low": None,
        "high": None,
        "same": False,
        "reason": "",
    }
    if one is None or two is None:
        return {**row, "reason": f"only {'A' if two is None else 'B'} has it"}
    if one["value"] is None or two["value"] is None:
        said = "; ".join(
            f"{name}: {r['reason']}" for name, r in (("A", one), ("B", two)) if r["value"] is None
        )
        return {**row, "reason": said, "same": one["value"] is two["value"]}
    difference = float(two["value"]) - float(one["value"])
    row |= {"difference": difference, "same": found.same and difference == 0}
    if row["same"]:
        return {**row, "low": 0.0, "high": 0.0}
    paired = found.differences.get(metric)
    if paired is None or paired.value is None:
        why = paired.reason if paired else found.reason
        return {**row, "reason": why or "no paired interval is known for it"}
    if not math.isclose(paired.value, difference, rel_tol=1e-6, abs_tol=SAME):
        why = "the predictions that were kept do not give the recorded values, so there is no interval"
        return {**row, "reason": why}
    return {**row, "low": paired.low, "high": paired.high, "reason": paired.reason}


def _equal(a: Mapping[int, Any], b: Mapping[int, Any]) -> bool:
    return a.keys() == b.keys() and all(a[s].equals(b[s]) for s in a)


def seeds_of(rows: Iterable[Row], side: str) -> list[int]:
    """Seeds that the results of a side (``a`` or ``b``) are over."""
    return sorted({s for row in rows if row[side] for s in row[side]["seeds"] or ()})
