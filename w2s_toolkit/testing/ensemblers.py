"""The contract of ensemblers: how members are asked for and combined."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np

from w2s_toolkit.contracts import Ensembler
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import RecipeError
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import (
    breach,
    does_not_apply,
    expected_to_work,
    works_or_explains,
)
from w2s_toolkit.testing.component import ComponentContract, Values
from w2s_toolkit.testing.made_up import tiny_dataset
from w2s_toolkit.testing.members import TinyMembers, patiently
from w2s_toolkit.testing.rows import check_soft_labels
from w2s_toolkit.testing.same import difference


class EnsemblerContract(ComponentContract):
    """Ways to train and combine members. Members are made up.

    Attributes:
        rows: rows of each made-up split.
        classes: classes of the made-up task, 2 to 4.
        grows: config fields of which the first that there is says how many members there are.
    """

    kind: ClassVar[str] = "ensemblers"
    protocol: ClassVar[type | None] = Ensembler

    rows: ClassVar[int] = 40
    classes: ClassVar[int] = 2
    grows: ClassVar[tuple[str, ...]] = ("members", "rounds")

    def make_data(self, name: str) -> Dataset:
        """The rows of a split, with gold; override it where the component needs other data."""
        return tiny_dataset(self.rows, name=name, classes=self.classes)

    def try_out(self, bench: Bench, values: Values) -> None:
        """See :meth:`Subject.try_out`."""
        problems = bench.config(values).check()
        if problems:
            raise RecipeError(problems[0], problems=tuple(problems))
        self._build(bench, TinyMembers(), values=values)

    def _build(
        self, bench: Bench, members: TinyMembers, *, seed: int = 1, values: Values | None = None
    ) -> ModelRef:
        data = (self.make_data("weak_train"), self.make_data("val"))
        ref: ModelRef = bench.instance(values).build(members, *data, bench.context(seed=seed))
        return ref

    def _built(
        self, bench: Bench, seed: int = 1, values: Values | None = None
    ) -> tuple[TinyMembers, ModelRef]:
        members = TinyMembers()
        with expected_to_work("build() trains members on made-up data", "see Ensembler.build"):
            ref = self._build(bench, members, seed=seed, values=values)
        return members, ref

    def _labels(self, bench: Bench, members: TinyMembers, ref: ModelRef, data: Dataset) -> Any:
        back = ModelRef.from_json(json.loads(json.dumps(ref.to_json())))
        return bench.instance().label(back, members, data, bench.context())

    # --- tests ---------------------------------------------------------------------------------

    def test_members_are_trained(self, bench: Bench) -> None:
        """At least one, on rows of the training data."""
        members, ref = self._built(bench)
        known = set(self.make_data("weak_train").ids)
        strange = {i for asked in members.asked for i in asked["ids"]} - known
        if not members.asked or strange or not isinstance(ref, ModelRef):
            breach(
                "members are trained on the training data, and a reference is returned",
                f"{len(members.asked)} members, {len(strange)} rows from elsewhere, {ref!r}",
                "train with members.fit(index, train.take(...)), never on val",
            )
        requests = {(asked["index"], asked["hash"]) for asked in members.asked}
        if len({index for index, _ in requests}) < len(requests):
            breach(
                "members that differ have numbers of their own",
                f"{len(requests)} different members have {len({i for i, _ in requests})} numbers",
                "count helpers and retries on from where the numbers of members end",
            )

    def test_the_same_seed_asks_for_the_same_members(self, bench: Bench) -> None:
        """Samples and weights follow from ``ctx.seed``, so members are found again in the store."""
        first, second = self._built(bench)[0], self._built(bench)[0]
        if [a["hash"] for a in first.asked] != [a["hash"] for a in second.asked]:
            breach(
                "the same seed asks for the same members",
                "rows, weights or targets differ between two calls",
                "use np.random.default_rng([ctx.seed, index])",
            )

    def test_growing_keeps_the_first_members(self, bench: Bench) -> None:
        """An ensemble of twice the size asks for all that the smaller one asks for."""
        field = next((f for f in self.grows if hasattr(bench.config(), f)), None)
        if field is None:
            does_not_apply(f"its config has none of the fields {', '.join(self.grows)}")
        larger = {**bench.values, field: 2 * getattr(bench.config(), field)}
        few, many = (self._built(bench, values=v)[0] for v in (None, larger))
        lost = {a["hash"] for a in few.asked} - {a["hash"] for a in many.asked}
        if lost:
            breach(
                "4 members grow to 8 by training 4",
                f"{len(lost)} of {len(few.asked)} members of the smaller ensemble are not asked "
                "for by one of twice the size",
                "draw member i's sample from ctx.seed and i alone",
            )

    def test_it_runs_again_from_its_beginning(self, bench: Bench) -> None:
        """What a prediction raises that is still to be made is let through; then all is as before."""
        data, members = self.make_data("pool").blind(), TinyMembers(waits=True)
        ref = patiently(members, lambda: self._build(bench, members))
        labels = patiently(members, lambda: self._labels(bench, members, ref, data))
        eager, same = self._built(bench)
        other = difference(labels, self._labels(bench, eager, same, data), self.tolerance)
        if ref != same or other:
            breach(
                "build() and label() end alike when they are run repeatedly from their beginning",
                other or f"{ref} and {same}",
                "keep no state between calls, and follow from the arguments and ctx.seed alone",
            )

    def test_works_without_val_or_explains(self, bench: Bench) -> None:
        """A recipe need not give it validation data."""
        with works_or_explains(
            "without validation data it works, or says in an error of ours that it needs them",
            "look for val is None before any member is asked for",
        ):
            train = self.make_data("weak_train")
            bench.instance().build(TinyMembers(), train, None, bench.context(seed=1))

    def test_reference_is_plain_data(self, bench: Bench) -> None:
        """What is built comes back from JSON as it was."""
        ref = self._built(bench)[1]
        with expected_to_work("a reference can be written as JSON", "put plain data in details"):
            back = ModelRef.from_json(json.loads(json.dumps(ref.to_json())))
        if back != ref:
            breach("a reference is plain data", f"{ref} comes back as {back}", "use lists")

    def test_every_row_is_labelled_once(self, bench: Bench) -> None:
        """One row of probabilities an id, for no rows too, without gold."""
        members, ref = self._built(bench)
        data = self.make_data("pool").blind()
        for some in (data, data.take(np.zeros(0, np.int64))):
            with expected_to_work("label() labels blind data, also no rows", "see the error"):
                labels: LabelSet = self._labels(bench, members, ref, some)
            if sorted(labels.ids) != sorted(some.ids):
                breach(
                    "every row gets one label",
                    f"{len(labels)} labels for {len(some)} rows",
                    "return every id of the data, with abstain set where there is no answer",
                )
            check_soft_labels(labels)

    def test_labels_are_the_same_when_asked_again(self, bench: Bench) -> None:
        """Whenever it is asked and in whatever order the rows stand."""
        members, ref = self._built(bench)
        data = self.make_data("pool").blind()
        first = self._labels(bench, members, ref, data)
        for again in (data, data.take(np.arange(len(data))[::-1])):
            found = difference(first, self._labels(bench, members, ref, again), self.tolerance)
            if found:
                breach(
                    "the same reference gives the same labels",
                    found,
                    "draw nothing at random in label(), and go by id",
                )
