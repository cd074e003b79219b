"""Baselines without which no gain means anything: no help, the truth, another row's help."""

from __future__ import annotations

import hashlib

import numpy as np

from w2s_oversight.config import BlindConfig, OracleConfig, ShuffledConfig
from w2s_oversight.talk import with_evidence
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.evidence import Evidence, View


class Blind:
    """No help at all: the judge sees the row alone."""

    def __init__(self, config: BlindConfig) -> None:
        self.config = config

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """See :meth:`OversightProtocol.assist`."""
        return data


class Oracle:
    """The judge reads the true passage of the row, never gold: what the best assistant could tell."""

    def __init__(self, config: OracleConfig) -> None:
        self.config = config

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """See :meth:`OversightProtocol.assist`."""
        found = []
        for row in data:
            text = row.meta.get(self.config.passage)
            found.append(Evidence((View(str(text)),) if text else ()))
        without = sum(not evidence.views for evidence in found)
        if without:
            message = (
                f"{without} of {len(data)} rows have no passage under meta.{self.config.passage}"
            )
            ctx.warn("no_passage", f"{message}: their judge is as blind as without help")
        return with_evidence(data, found)


class Shuffled:
    """Each row gets the evidence of another row of another group: whatever lift is left is none of its content."""

    def __init__(self, config: ShuffledConfig) -> None:
        self.config = config

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """See :meth:`OversightProtocol.assist`. The order of rows does not matter."""
        groups = [group or row for group, row in zip(data.groups, data.ids, strict=True)]
        if len(data) and len(set(groups)) < 2:
            raise DataError(
                "all rows belong to one group, so none has another's evidence to get",
                where=data.name,
                next_step="use more rows",
            )

        def luck(text: str) -> str:
            return hashlib.sha256(f"{ctx.seed}/{text}".encode("utf-8", "surrogatepass")).hexdigest()

        # Groups in a drawn order; each row takes from as far on as the largest group is long.
        order = sorted(range(len(data)), key=lambda r: (luck(groups[r]), luck(data.ids[r])))
        sizes = np.unique(np.asarray(groups), return_counts=True)[1] if len(data) else np.zeros(1)
        step = int(sizes.max())
        texts = data.column("evidence").to_pylist()
        source = np.zeros(len(data), dtype=np.int64)
        for at, row in enumerate(order):
            source[row] = order[self._other(at, step, order, groups)]
        taken = [texts[row] for row in source]
        return _replaced(data, taken)

    def _other(self, at: int, step: int, order: list[int], groups: list[str]) -> int:
        """The first place from ``step`` on that belongs to another group."""
        many = len(order)
        for further in range(step, step + many):
            place = (at + further) % many
            if groups[order[place]] != groups[order[at]]:
                return place
        raise AssertionError("there are two groups")


def _replaced(data: Dataset, texts: list[str | None]) -> Dataset:
    import pyarrow as pa

    table = data.table
    at = table.column_names.index("evidence")
    return Dataset(
        table.set_column(at, "evidence", pa.array(texts, pa.string())), data.info, data.name
    )
