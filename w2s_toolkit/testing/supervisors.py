"""The contract of supervisors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.config import ComponentConfig, SupervisorConfig
from w2s_toolkit.contracts import StageJob, Supervisor
from w2s_toolkit.data import Dataset
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.labels import LabelContract
from w2s_toolkit.testing.rows import check_soft_labels


class SupervisorContract(LabelContract):
    """Weak teachers: fitted on ``train_on`` where the config names a split, then asked for labels."""

    kind: ClassVar[str] = "supervisors"
    protocol: ClassVar[type | None] = Supervisor
    config_base: ClassVar[type[ComponentConfig]] = SupervisorConfig

    def unanswerable(self) -> Dataset | None:
        """Data on some row of which it abstains; None where it never does."""
        return None

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Fit, if there is something to fit on, and label."""
        config: Any = bench.config(values)
        inputs = {"data": bench.put(self.make_data("test"))}
        if config.train_on is None:
            return [bench.job("label", inputs, values=values)]
        given = {"train": bench.put(self.make_data("weak_train"))}
        if config.choose_on is not None:
            given["val"] = bench.put(self.make_data("val"))
        fit = bench.job("fit", given, values=values)
        return [fit, bench.job("label", {**inputs, "ref": fit.key}, values=values)]

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        """Labels."""
        return bench.instance().label(self.reference(bench), data, context)

    def test_gold_it_reads_is_counted(self, bench: Bench) -> None:
        """As many gold labels are counted as it declares to read: all of ``train_on`` and the like."""
        declared = bench.component.uses_gold
        config: Any = bench.config()
        splits = {"train_on": "weak_train", "choose_on": "val"}
        expected = sum(
            len(self.make_data(split))
            for field, split in splits.items()
            if config.train_on is not None and getattr(config, field) and field in declared
        )
        made = self.undisturbed(bench)[1]
        counted = made[0].counters.get("gold_labels", 0) if len(made) > 1 else 0
        if counted != expected:
            breach(
                "gold labels that a supervisor is given are counted once each",
                f"{counted} are counted, {expected} were given",
                "leave the counting of uses_gold splits to the toolkit",
            )

    def test_rows_without_an_answer_abstain(self, bench: Bench) -> None:
        """A row it cannot answer keeps its id, is marked, and holds no NaN."""
        data = self.unanswerable()
        if data is None:
            does_not_apply("unanswerable() gives no data")
        labels = self.answered(bench, data.blind(), "it works on rows it cannot answer")
        if set(labels.ids) != set(data.ids):
            breach(
                "rows without an answer keep their ids",
                f"{len(labels)} labels for {len(data)} rows",
                "return every id, with abstain set",
            )
        if not np.any(labels.abstain):
            breach(
                "rows of unanswerable() are abstained on",
                "no row abstains",
                "set abstain, or give data that it cannot answer",
            )
        check_soft_labels(labels)
