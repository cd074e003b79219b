"""The contract of oversight protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from w2s_toolkit.contracts import OversightProtocol, StageJob
from w2s_toolkit.data import Dataset
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.rows import DATA
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.rows import RowContract


class OversightContract(RowContract):
    """Protocols that add evidence to every example and touch nothing else."""

    kind: ClassVar[str] = "oversight"
    protocol: ClassVar[type | None] = OversightProtocol

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Assist."""
        return [bench.job("assist", {"data": bench.put(self.make_data("test"))}, values=values)]

    def read(self, folder: Path) -> Any:
        """See :meth:`StageContract.read`."""
        return Dataset.read(folder / DATA)

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        """Data with evidence."""
        return bench.instance().assist(data, None, context)

    def test_only_evidence_is_added(self, bench: Bench) -> None:
        """Ids, prompts, choices and groups come back as they were, in the same order."""
        data, answer = self._test_data().blind(), self._blind_answer(bench)
        for column in (c for c in data.table.column_names if c != "evidence"):
            if data.table[column].to_pylist() != answer.table[column].to_pylist():
                breach(
                    "an oversight protocol changes the column evidence alone, and no order",
                    f"column {column!r} differs",
                    "return Dataset(data.table.set_column(<evidence>), data.info, data.name)",
                )
