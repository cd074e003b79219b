"""The contract of evaluators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.config import ComponentConfig, EvaluatorConfig
from w2s_toolkit.contracts import Evaluator, Observation, SeedAggregator, StageJob
from w2s_toolkit.data import Dataset, LabelSet, Metric, Metrics
from w2s_toolkit.stages.work import METRICS
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply, expected_to_work, works_or_explains
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.made_up import tiny_dataset, tiny_labels
from w2s_toolkit.testing.same import difference, fingerprint
from w2s_toolkit.testing.stages import StageContract

SKILL = {"weak_floor": 0.6, "supervisor": 0.7, "student": 0.8, "strong_ceiling": 0.95}
SKILL |= {"generation_0": 0.7, "previous": 0.75}
References = Mapping[str, LabelSet]


class EvaluatorContract(StageContract):
    """Measures of labels or predictions against gold.

    Attributes:
        bounds: least and greatest possible value by metric; None where there is none.
        needs_no_answers: metrics that have a value though no row is answered.
    """

    kind: ClassVar[str] = "evaluators"
    protocol: ClassVar[type | None] = Evaluator
    config_base: ClassVar[type[ComponentConfig]] = EvaluatorConfig

    rows: ClassVar[int] = 60
    bounds: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {}
    needs_no_answers: ClassVar[tuple[str, ...]] = ()

    def subject(self, data: Dataset) -> LabelSet:
        """Predictions of the measured role."""
        return tiny_labels(data, skill=SKILL["student"], abstain=0.1, seed=3)

    def references(self, bench: Bench, data: Dataset) -> References:
        """Predictions of the roles its config names."""
        config = bench.config()
        assert isinstance(config, EvaluatorConfig)
        return {
            role: tiny_labels(data, skill=SKILL[role], seed=number)
            for number, role in enumerate(config.references)
        }

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Evaluate."""
        data = self.make_data("test")
        inputs = {"data": bench.put(data), "subject": bench.put_labels(self.subject(data))}
        for role, labels in self.references(bench, data).items():
            inputs[f"reference:{role}"] = bench.put_labels(labels)
        return [bench.job("evaluate", inputs, values=values)]

    def read(self, folder: Path) -> Any:
        """See :meth:`StageContract.read`."""
        return Metrics.from_json(json.loads((folder / METRICS).read_text(encoding="utf-8")))

    def measured(
        self, bench: Bench, data: Dataset, subject: LabelSet, references: References, rule: str
    ) -> Metrics:
        """Its metrics, in good order; an exception is a breach of the rule."""
        with expected_to_work(rule, "give Metric(None, reason=...) where there is no value"):
            metrics: Metrics = bench.instance().evaluate(
                subject, data, bench.context(references=references)
            )
        self._check(metrics)
        return metrics

    def _usual(self, bench: Bench, classes: int = 0) -> tuple[Dataset, LabelSet, References]:
        data = tiny_dataset(self.rows, classes=classes) if classes else self.make_data("test")
        return data, self.subject(data), self.references(bench, data)

    def _check(self, metrics: Metrics) -> None:
        """Every value finite or explained, inside its interval and bounds; tables are JSON."""
        if not metrics.values:
            breach(
                "an evaluator gives at least one value", "no value", "give Metric(None, reason=…)"
            )
        for name, metric in metrics.values.items():
            if metric.value is None:
                if not metric.reason.strip():
                    breach("a missing value says why", name, "give Metric(None, reason=...)")
                continue
            self._check_number(name, metric)
        try:
            json.dumps(metrics.to_json(), allow_nan=False)
        except (TypeError, ValueError) as error:
            breach(
                "metrics are JSON: numbers, texts, and null for what is missing",
                str(error),
                "convert NumPy numbers with float() and int(), and NaN to None",
            )

    def _check_number(self, name: str, metric: Metric) -> None:
        value = metric.value
        assert value is not None
        low, high = self.bounds.get(name, (None, None))
        for end, sign in ((low, 1), (high, -1)):
            if end is not None and sign * (value - end) < -1e-12:
                breach("values lie in their bounds", f"{name} = {value}", "correct it or `bounds`")
        for interval, sign in ((metric.low, 1), (metric.high, -1)):
            if interval is not None and sign * (value - interval) < -1e-9:
                breach(
                    "a value lies in its interval",
                    f"{name} = {value} in [{metric.low}, {metric.high}]",
                    "make value and interval from the same rows",
                )

    # --- tests ---------------------------------------------------------------------------------

    def test_values_are_numbers_or_explained(self, bench: Bench) -> None:
        """Finite, in bounds, inside the interval; or null with a reason."""
        self.measured(bench, *self._usual(bench), "it measures ordinary predictions")

    def test_more_than_two_classes(self, bench: Bench) -> None:
        """Three and four classes give values, or null with a reason."""
        for classes in (3, 4):
            rule = f"it measures a task with {classes} classes"
            self.measured(bench, *self._usual(bench, classes), rule)

    def test_order_of_rows_does_not_matter(self, bench: Bench) -> None:
        """Permuted rows, each set in an order of its own, give the same values."""
        data, subject, references = self._usual(bench)
        known = self.measured(bench, data, subject, references, "it measures predictions")
        rng = np.random.default_rng(5)
        turned = data.take(rng.permutation(len(data)))
        aligned = {role: labels.align(turned) for role, labels in references.items()}
        values = self.measured(bench, turned, subject.align(turned), aligned, "permuted rows work")
        if found := difference(known, values, max(self.tolerance, 1e-9)):
            breach(
                "metrics do not depend on the order of rows",
                found,
                "resample and sum in an order of its own, such as that of the groups' names",
            )

    def test_no_rows_are_explained(self, bench: Bench) -> None:
        """Empty data: null with a reason, or an error that says so."""
        data = self.make_data("test").take(np.zeros(0, dtype=np.int64))
        rule = "data without rows gives null with a reason, or an error of the toolkit"
        with works_or_explains(rule, "give Metric(None, n=0, reason='there are no rows')"):
            context = bench.context(references=self.references(bench, data))
            metrics = bench.instance().evaluate(self.subject(data), data, context)
            self._check(metrics)
            self._all_missing(metrics, "of nothing")

    def test_rows_that_abstain_are_left_out(self, bench: Bench) -> None:
        """Probabilities of rows without an answer are ignored; no answer at all is explained."""
        data, subject, references = self._usual(bench)
        known = self.measured(bench, data, subject, references, "abstaining rows are left out")
        turned = np.array(subject.probs)
        texts = subject.texts
        if turned.shape[1]:
            turned[subject.abstain] = np.eye(turned.shape[1])[-1]
        elif texts is not None:
            pairs = zip(subject.abstain, texts, strict=True)
            texts = ["another" if silent else text for silent, text in pairs]
        other = replace(subject, probs=turned, texts=texts)
        values = self.measured(bench, data, other, references, "abstaining rows are left out")
        if found := difference(known, values, 1e-12):
            breach(
                "rows that abstain are not scored",
                f"with other probabilities in abstaining rows: {found}",
                "score rows where ~subject.abstain",
            )
        silent = replace(subject, abstain=np.ones(len(data), dtype=bool))
        nothing = self.measured(bench, data, silent, references, "no answer at all is explained")
        self._all_missing(nothing, "of labels that all abstain")

    def test_missing_references_are_explained(self, bench: Bench) -> None:
        """Without a role it compares with: null with a reason."""
        data, subject, references = self._usual(bench)
        if not references:
            does_not_apply("it compares with no other role")
        for role in references:
            rest = {r: labels for r, labels in references.items() if r != role}
            rule = f"a recipe without {role} gives null with a reason"
            self.measured(bench, data, subject, rest, rule)

    def test_generated_text_is_explained(self, bench: Bench) -> None:
        """On a task without classes: a value, null with a reason, or an error of the toolkit."""
        data = tiny_dataset(self.rows, kind="generation")
        labels = LabelSet(tuple(data.ids), np.zeros((len(data), 0)), texts=("text",) * len(data))
        rule = "a task of generated text gives values, null with a reason, or an error of ours"
        with works_or_explains(rule, "give Metric(None, reason='not defined for generated text')"):
            references = dict.fromkeys(self.references(bench, self.make_data("test")), labels)
            context = bench.context(references=references)
            self._check(bench.instance().evaluate(labels, data, context))

    def test_inputs_are_left_as_they_are(self, bench: Bench) -> None:
        """Data, subject and references are shared with other evaluators."""
        data, subject, references = self._usual(bench)
        things: list[Any] = [data, subject, *references.values()]
        before = [fingerprint(thing) for thing in things]
        self.measured(bench, data, subject, references, "it measures predictions")
        if [fingerprint(thing) for thing in things] != before:
            breach("inputs are left as they are", "some have changed", "work on copies")

    def test_seeds_that_are_alike_change_no_value(self, bench: Bench) -> None:
        """Over seeds with the same predictions, each value is that of one seed."""
        instance = bench.instance()
        if not isinstance(instance, SeedAggregator):
            does_not_apply("it does not join seeds itself")
        data, subject, references = self._usual(bench)
        known = self.measured(bench, data, subject, references, "it measures predictions")
        seeds = [Observation(seed, data, subject, references) for seed in (0, 1, 2)]
        with expected_to_work("aggregate() joins seeds", "see SeedAggregator"):
            joined = instance.aggregate(seeds, bench.context())
        self._check(joined)
        for name, metric in known.values.items():
            other = joined.values.get(name, Metric(None, reason="it is not there"))
            if metric.value is None or other.value is None:
                continue
            if abs(metric.value - other.value) > max(self.tolerance, 1e-9):
                breach(
                    "over seeds that are alike, a value is that of one of them",
                    f"{name}: {metric.value} and {other.value}",
                    "join seeds by the mean (of the parts of a ratio, too)",
                )

    def test_a_seed_without_answers_is_explained(self, bench: Bench) -> None:
        """One of several seeds with nothing to score: null with a reason, or an error of ours."""
        instance = bench.instance()
        if not isinstance(instance, SeedAggregator):
            does_not_apply("it does not join seeds itself")
        data, subject, references = self._usual(bench)
        silent = replace(subject, abstain=np.ones(len(data), dtype=bool))
        seeds = [
            Observation(seed, data, labels, references)
            for seed, labels in enumerate((subject, silent))
        ]
        rule = "a seed without answers gives null with a reason, or an error of the toolkit"
        with works_or_explains(rule, "give Metric(None, reason=...) for what cannot be joined"):
            self._check(instance.aggregate(seeds, bench.context()))

    def _all_missing(self, metrics: Metrics, of_what: str) -> None:
        there = [
            n
            for n, m in metrics.values.items()
            if m.value is not None and n not in self.needs_no_answers
        ]
        if there:
            breach(
                f"there is no value {of_what}",
                f"{', '.join(there)} has a value",
                "give Metric(None, n=0, reason=...), or list it in `needs_no_answers`",
            )
