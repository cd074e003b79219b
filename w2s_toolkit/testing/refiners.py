"""The contract of refiners."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.contracts import Refiner, StageJob
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.work import LABELS
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.made_up import tiny_labels
from w2s_toolkit.testing.rows import RowContract, check_soft_labels
from w2s_toolkit.testing.same import difference, fingerprint


class RefinerContract(RowContract):
    """Steps between labelling and training. A filter may look at all rows, so rows are not told apart."""

    kind: ClassVar[str] = "refiners"
    protocol: ClassVar[type | None] = Refiner
    row_by_row: ClassVar[bool] = False
    counts_rows: ClassVar[bool] = False

    def make_labels(self, data: Dataset) -> LabelSet:
        """Weak labels, some of which abstain."""
        return tiny_labels(data, abstain=0.15)

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Refine, fitted first where the config names a split."""
        pool = self.make_data("test")
        inputs = {"pool": bench.put(pool), "labels": bench.put_labels(self.make_labels(pool))}
        if splits := bench.config(values).uses("split"):
            data = self.make_data(str(splits[0].value))
            inputs["fit_data"] = bench.put(data)
            inputs["fit_labels"] = bench.put_labels(self.make_labels(data))
        return [bench.job("refine", inputs, values=values)]

    def read(self, folder: Path) -> Any:
        """See :meth:`StageContract.read`."""
        return LabelSet.read(folder / LABELS)

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        """Refined labels."""
        return self._refined(bench, data, self.make_labels(data), context)

    def _refined(
        self, bench: Bench, data: Dataset, labels: LabelSet, context: StageContext
    ) -> LabelSet:
        refined: LabelSet = bench.instance().refine(self.state(bench), data, labels, context)
        return refined

    def state(self, bench: Bench) -> Any:
        """What it learns from the split its config names, as it comes back from disk; else nothing."""

        def build() -> Any:
            splits = bench.config().uses("split")
            if not splits:
                return {}
            data = self.make_data(str(splits[0].value))
            labels = self.make_labels(data)
            given = data if bench.component.uses_gold else data.blind()
            with expected_to_work("it is fitted on the split it names", "see Refiner.fit"):
                return json.loads(json.dumps(bench.instance().fit(given, labels, bench.context())))

        return bench.once("state", build)

    def test_labels_are_probabilities(self, bench: Bench) -> None:
        """Refined soft labels are finite, not negative, and sum to one."""
        check_soft_labels(self._blind_answer(bench))

    def test_rows_without_an_answer_change_nothing_else(self, bench: Bench) -> None:
        """Probabilities of rows that abstain are ignored, whatever they are."""
        data = self._test_data().blind()
        labels = self.make_labels(data)
        turned = np.array(labels.probs)
        turned[labels.abstain] = np.eye(labels.probs.shape[1])[0]
        other = replace(labels, probs=turned)
        with expected_to_work("it works on labels some of which abstain", "go by labels.abstain"):
            answer = self._refined(bench, data, other, self.context(bench))
        if found := difference(self._blind_answer(bench), answer, self.tolerance):
            breach(
                "rows that abstain have no say in those that do not",
                f"with other probabilities in abstaining rows: {found}",
                "leave rows with labels.abstain out of means, thresholds and rankings",
            )

    def test_works_when_every_row_abstains(self, bench: Bench) -> None:
        """Nothing to refine is nothing refined, or an error of the toolkit."""
        data = self._test_data().blind()
        silent = replace(self.make_labels(data), abstain=np.ones(len(data), dtype=bool))
        with expected_to_work("it works when every row abstains", "return the labels as they are"):
            check_soft_labels(self._refined(bench, data, silent, self.context(bench)))

    def test_labels_are_left_as_they_are(self, bench: Bench) -> None:
        """The labels it is given are not written to."""
        data = self._test_data().blind()
        labels = self.make_labels(data)
        before = fingerprint(labels)
        self._refined(bench, data, labels, self.context(bench))
        if fingerprint(labels) != before:
            breach("inputs are left as they are", "the labels have changed", "work on a copy")

    def test_gold_it_reads_is_counted(self, bench: Bench) -> None:
        """Gold of the split it is fitted on is there only if declared, and is counted."""
        splits = bench.config().uses("split")
        declared = bool(bench.component.uses_gold)
        expected = len(self.make_data(str(splits[0].value))) if splits and declared else 0
        counted = self.undisturbed(bench)[1][0].counters.get("gold_labels", 0)
        if counted != expected:
            breach(
                "gold labels that a refiner is given are counted once each",
                f"{counted} are counted, {expected} were given",
                "leave the counting of uses_gold splits to the toolkit",
            )
