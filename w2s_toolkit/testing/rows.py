"""What holds for components that answer row by row: blindness, ids, order, usage."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply, expected_to_work, works_or_explains
from w2s_toolkit.testing.made_up import other_gold
from w2s_toolkit.testing.same import difference, fingerprint
from w2s_toolkit.testing.stages import StageContract


class RowContract(StageContract):
    """Base for supervisors, students, refiners and oversight protocols.

    Attributes:
        row_by_row: whether a row's answer depends on that row alone.
        counts_rows: whether the method under test puts rows through the config's model.
    """

    row_by_row: ClassVar[bool] = True
    counts_rows: ClassVar[bool] = True

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        """What the component makes of data: labels, or data with evidence."""
        raise NotImplementedError

    def context(self, bench: Bench) -> StageContext:
        """A context that finds what the earlier stages made."""
        return bench.context(store=self.prepared(bench)[0])

    def answered(self, bench: Bench, data: Dataset, rule: str) -> Any:
        """The answer; an exception is a breach of the rule."""
        with expected_to_work(rule, "see the error; the data is made by make_data()"):
            return self.answer(bench, data, self.context(bench))

    def _test_data(self) -> Dataset:
        return self.make_data("test")

    def _blind_answer(self, bench: Bench) -> Any:
        rule = "it works on blind data, since it does not declare to read this gold"
        data = self._test_data().blind()
        return bench.once("blind answer", lambda: self.answered(bench, data, rule))

    # --- tests ---------------------------------------------------------------------------------

    def test_works_without_gold(self, bench: Bench) -> None:
        """Data comes without gold and without ``meta``."""
        self._blind_answer(bench)

    def test_gold_is_not_looked_at(self, bench: Bench) -> None:
        """The same answer whatever gold says, also where it is there by mistake."""
        data, known = self._test_data(), self._blind_answer(bench)
        for seen, name in ((data, "with gold"), (other_gold(data), "with another gold")):
            try:
                answer = self.answer(bench, seen, self.context(bench))
            except Exception:
                continue  # it refuses data with gold, which it is never given, and so reads none
            if found := difference(known, answer, 0.0):
                breach(
                    "gold of the rows that are answered changes nothing",
                    f"data {name}: {found}",
                    "do not read gold, gold_text or meta; declare uses_gold for splits of the config",
                )

    def test_answers_exactly_the_rows_asked(self, bench: Bench) -> None:
        """One answer for each id: none missing, none extra, none twice."""
        data, answer = self._test_data(), self._blind_answer(bench)
        ids = list(answer.ids)
        missing, extra = set(data.ids) - set(ids), set(ids) - set(data.ids)
        if missing or extra or len(ids) != len(data):
            breach(
                "every row that is asked gets one answer under its id",
                f"{len(missing)} of {len(data)} rows have none, {len(extra)} answers have no row, "
                f"{len(ids) - len(set(ids))} are double",
                "return ids=tuple(data.ids); abstain where there is no answer",
            )

    def test_order_of_rows_does_not_matter(self, bench: Bench) -> None:
        """Permuted rows get the same answers."""
        order = np.random.default_rng(5).permutation(len(self._test_data()))
        data = self._test_data().blind().take(order)
        answer = self.answered(bench, data, "it works on permuted rows")
        if found := difference(self._blind_answer(bench), answer, self.tolerance):
            breach(
                "a row's answer does not depend on its position",
                f"after a permutation of the rows: {found}",
                "go by id; draw random numbers for rows in the order of their sorted ids",
            )

    def test_a_row_alone_gets_the_same_answer(self, bench: Bench) -> None:
        """A row's answer does not depend on the rows beside it."""
        if not self.row_by_row:
            does_not_apply("rows may depend on each other")
        data, known = self._test_data().blind(), self._blind_answer(bench)
        where = {i: row for row, i in enumerate(known.ids)}
        for row in (0, len(data) // 2, len(data) - 1):
            alone = self.answered(bench, data.take([row]), "it works on a single row")
            same = known.take(np.asarray([where[data.ids[row]]]))
            if found := difference(same, alone, self.tolerance):
                breach(
                    "a row alone gets the answer it gets among others",
                    found,
                    "pad and mask batches so that rows do not see each other; normalise by row",
                )

    def test_empty_data_is_handled(self, bench: Bench) -> None:
        """No rows: no answers, or an error that says so."""
        data = self._test_data().blind().take(np.zeros(0, dtype=np.int64))
        with works_or_explains(
            "data without rows gives an empty answer or an error of the toolkit",
            "return nothing for nothing, or raise DataError('there are no rows')",
        ):
            answer = self.answer(bench, data, self.context(bench))
            if len(answer):
                breach("no rows, no answers", f"{len(answer)} answers", "answer the rows given")

    def test_inputs_are_left_as_they_are(self, bench: Bench) -> None:
        """Data and labels are shared between stages: they are not written to."""
        data = self._test_data().blind()
        before = fingerprint(data)
        self.answered(bench, data, "it works on blind data")
        if fingerprint(data) != before:
            breach("inputs are left as they are", "the data has changed", "work on a copy")

    def test_usage_adds_up(self, bench: Bench) -> None:
        """Counters of two halves are those of the whole; who runs a model counts ``rows``."""
        data = self._test_data().blind()
        half = len(data) // 2
        whole = self._counted(bench, data)
        parts = [self._counted(bench, data.take(r)) for r in (range(half), range(half, len(data)))]
        uses_model = bool(bench.config().uses("model")) and self.counts_rows
        if uses_model and not whole.get("rows"):
            breach(
                "a component that runs a model counts the rows it puts through it",
                f"counted: {whole or 'nothing'}",
                'call ctx.count("rows", len(data))',
            )
        if not self.row_by_row:
            return
        for name in sorted({*whole, *parts[0], *parts[1]}):
            together = parts[0].get(name, 0) + parts[1].get(name, 0)
            if together != whole.get(name, 0):
                breach(
                    "usage adds up: two halves count what the whole counts",
                    f"{name}: {parts[0].get(name, 0)} + {parts[1].get(name, 0)} in halves, "
                    f"{whole.get(name, 0)} at once",
                    "count what belongs to rows, also where it is none of the usual case",
                )

    def _counted(self, bench: Bench, data: Dataset) -> dict[str, int]:
        context = self.context(bench)
        self.answer(bench, data, context)
        return dict(context.counters)


def check_soft_labels(labels: LabelSet, tolerance: float = 1e-5) -> None:
    """Finite, non-negative, rows sum to one; abstaining rows finite as well, so that files are clean."""
    probs = labels.probs
    if not np.all(np.isfinite(probs)):
        rows = int((~np.isfinite(probs)).any(1).sum())
        breach(
            "probabilities are finite numbers, in rows that abstain too",
            f"{rows} of {len(labels)} rows hold NaN or infinity",
            "give rows without an answer 1/K in every column and set abstain",
        )
    if not len(labels) or not probs.shape[1]:
        return
    sums = probs[~labels.abstain].sum(1)
    worst = float(np.abs(sums - 1).max(initial=0.0))
    if probs.min() < 0 or worst > max(tolerance, math.ulp(1.0)):
        breach(
            "probabilities are not negative and sum to one in every row",
            f"smallest {probs.min():.3g}, sums off by up to {worst:.3g}",
            "divide by the sum in float64",
        )
