"""The contract of students."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.config import ComponentConfig, StudentConfig
from w2s_toolkit.contracts import StageJob, Student
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.errors import W2SError
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.testing.bench import Bench, unequal_files
from w2s_toolkit.testing.breach import breach, does_not_apply, expected_to_work
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.labels import LabelContract
from w2s_toolkit.testing.made_up import tiny_labels


class StudentContract(LabelContract):
    """Strong learners: trained on weak soft labels, then asked for labels."""

    kind: ClassVar[str] = "students"
    protocol: ClassVar[type | None] = Student
    config_base: ClassVar[type[ComponentConfig]] = StudentConfig

    def make_labels(self, data: Dataset) -> LabelSet:
        """Weak labels, some of which abstain and some of which weigh nothing."""
        labels = tiny_labels(data, abstain=0.15)
        weight = np.ones(len(labels))
        weight[::7] = 0.0
        weight[1::7] = 0.5
        return replace(labels, weight=weight)

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Train and label."""
        pool = self.make_data("pool")
        train = self._training(bench, self.make_labels(pool), values)
        inputs = {"data": bench.put(self.make_data("test")), "ref": train.key}
        return [train, bench.job("label", inputs, values=values)]

    def answer(self, bench: Bench, data: Dataset, context: StageContext) -> Any:
        """Labels."""
        return bench.instance().label(self.reference(bench), data, context)

    def _training(self, bench: Bench, labels: LabelSet, values: Values | None = None) -> StageJob:
        inputs = {
            "pool": bench.put(self.make_data("pool")),
            "labels": bench.put_labels(labels),
        }
        return bench.job("train", inputs, values=values, args={"labels": "weak"})

    def test_rows_left_out_change_nothing(self, bench: Bench) -> None:
        """Whatever stands in rows that abstain or weigh nothing, the same model comes out."""
        labels = self.make_labels(self.make_data("pool"))
        out = labels.abstain | (labels.weight == 0)
        if not out.any():
            does_not_apply("make_labels() leaves no row out")
        turned = labels.probs.copy()
        texts = labels.texts
        if texts is None:
            turned[out] = np.eye(turned.shape[1])[0]
        else:
            texts = ["other" if gone else text for gone, text in zip(out, texts, strict=True)]
        job = self._training(bench, replace(labels, probs=turned, texts=texts))
        known = self.undisturbed(bench)[1][0]
        other = bench.run([job], bench.store())[0]
        # The reference names the key, which the changed labels change.
        apart = unequal_files(_but_ref(known.files), _but_ref(other.files))
        if apart:
            breach(
                "rows that abstain or have weight 0 are not trained on",
                f"with other probabilities in {int(out.sum())} such rows: another {apart}",
                "keep the rows where ~labels.abstain & (labels.weight > 0)",
            )

    def test_nothing_to_train_on_is_explained(self, bench: Bench) -> None:
        """When every row abstains the student ends with an error that says so."""
        pool = self.make_data("pool")
        nothing = replace(self.make_labels(pool), abstain=np.ones(len(pool), dtype=bool))
        job, store = self._training(bench, nothing), bench.store()
        try:
            bench.perform(job, store, bench.context(store=store))
        except W2SError:
            return
        breach(
            "a student without a single label ends with an error",
            "it trained on nothing",
            "raise DataError('no row has a label to train on')",
        )

    def test_ceiling_is_a_config_of_the_same_kind(self, bench: Bench) -> None:
        """``ceiling()`` gives a valid config on the same model, and that of a ceiling is itself."""
        config: Any = bench.config()
        with expected_to_work("ceiling() gives a config", "see StudentConfig.ceiling"):
            ceiling = config.ceiling()
            again = ceiling.ceiling()
        if type(ceiling) is not type(config) or ceiling.model != config.model or again != ceiling:
            breach(
                "ceiling() changes the method, never the model, and changes nothing the second time",
                f"{ceiling!r}, then {again!r}",
                "return self.model_copy(update=...) with the settings of plain training",
            )

    def test_trains_on_gold_as_a_ceiling(self, bench: Bench) -> None:
        """The strong ceiling is the same call with one-hot labels from gold."""
        values = bench.config().ceiling().model_dump(mode="json")  # type: ignore[attr-defined]
        inputs = {"pool": bench.put(self.make_data("pool"))}
        job = bench.job("train", inputs, values=values, args={"labels": "gold"})
        made = bench.run([job], bench.store())[0]
        if made.counters.get("gold_labels") != len(self.make_data("pool")):
            breach(
                "the ceiling's gold labels are counted once each",
                f"{made.counters.get('gold_labels')} for {len(self.make_data('pool'))} rows",
                "leave the counting of gold to the toolkit",
            )


def _but_ref(files: Any) -> dict[str, str]:
    return {n: h for n, h in files.items() if n != "ref.json"}
