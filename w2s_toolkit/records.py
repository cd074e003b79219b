"""Model references and metrics: small records that live as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from w2s_toolkit.errors import DataError


@dataclass(frozen=True)
class ModelRef:
    """A model as data: what made it, where its files are, what it can do.

    Attributes:
        component: ``"students/classifier"``: the component whose ``label`` reads it.
        key: store key of the artefact that holds its files; filled in when it is committed.
        folder: folder inside that artefact; empty when the reference has no files of its own.
        capabilities: of ``generate``, ``choice_probs``, ``train``.
        classes: class names in the order of its outputs.
        details: anything JSON-able its component wants back.
    """

    component: str
    key: str = ""
    folder: str = ""
    capabilities: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping, the same after it was written and read."""
        lists = {"capabilities": list(self.capabilities), "classes": list(self.classes)}
        return {**asdict(self), **lists}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ModelRef:
        """Read what :meth:`to_json` gave."""
        return cls(
            **{
                **raw,
                "capabilities": tuple(raw["capabilities"]),
                "classes": tuple(raw["classes"]),
            }
        )


@dataclass(frozen=True)
class Metric:
    """One number with what is needed to trust it.

    Attributes:
        value: None where it cannot be given; then ``reason`` says why.
        low, high: 95% interval; None where there is none.
        n: number of scored items.
        reason: why there is no value, or a remark on it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise DataError(f"a metric's {name} is {number}; use None and a reason")


@dataclass(frozen=True)
class Metrics:
    """What an evaluator found: numbers by name, and tables (lists of flat rows) by name."""

    values: Mapping[str, Metric] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return {
            "values": {k: asdict(v) for k, v in self.values.items()},
            "tables": {k: [dict(r) for r in rows] for k, rows in self.tables.items()},
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Metrics:
        """Read what :meth:`to_json` gave."""
        values = {k: Metric(**v) for k, v in raw["values"].items()}
        return cls(values, {k: list(rows) for k, rows in raw["tables"].items()})
