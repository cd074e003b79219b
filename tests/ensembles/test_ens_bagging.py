from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from learners import NAMES, SklearnMembers, blobs, make_data

from w2s_ensembles.bagging import Bagging
from w2s_ensembles.config import BaggingConfig
from w2s_ensembles.gathered import gather
from w2s_toolkit.data import Dataset, LabelSet, ModelRef, TaskInfo
from w2s_toolkit.errors import AlignmentError, DataError, MissingDependencyError
from w2s_toolkit.groups import group_codes
from w2s_toolkit.testing import tiny_dataset
from w2s_toolkit.testing.members import TinyMembers, patiently

RULES = ("mean", "log_odds", "product", "vote", "oob", "gate", "stacking")
GROUPS = np.arange(200) // 2


@pytest.fixture
def train():
    return make_data(*blobs(200, classes=3, seed=1), GROUPS, name="train", classes=3)


@pytest.fixture
def val():
    return make_data(*blobs(120, classes=3, seed=2), name="val", classes=3)


@pytest.fixture
def test_rows():
    return make_data(*blobs(300, classes=3, seed=3), name="test", classes=3)


def bagging(**config):
    return Bagging(BaggingConfig(**config))


def accuracy(labels, data):
    return (labels.predicted == data.gold).mean()


# --- what is asked -------------------------------------------------------------------------------


def test_members_see_whole_groups_weighted_by_draws(train, context):
    members = SklearnMembers()
    bagging(members=3).build(members, train, None, context())
    for asked in members.asked:
        of_group = {}
        for row, weight in zip(train.rows_of(asked.ids), asked.weights, strict=True):
            of_group.setdefault(GROUPS[row], []).append(weight)
        assert all(len(w) == 2 and w[0] == w[1] for w in of_group.values())
        assert sum(w[0] for w in of_group.values()) == 100 > len(of_group)
        assert set(asked.variation) == {"supervisor"} and asked.target is None
    assert len({asked.ids for asked in members.asked}) == 3


@pytest.mark.parametrize("by", [["data"], ["features", "layers"], ["data", "models", "seeds"]])
def test_growing_from_4_to_8_keeps_the_first_4_requests(by, train, context):
    few, many = SklearnMembers(), SklearnMembers()
    bagging(members=4, by=by).build(few, train, None, context())
    bagging(members=8, by=by).build(many, train, None, context())
    assert [a.key for a in few.asked] == [a.key for a in many.asked[:4]]
    assert len({a.key for a in many.asked}) == 8


def test_another_seed_asks_for_other_members(train, context):
    one, other = SklearnMembers(), SklearnMembers()
    for seed, members in enumerate((one, other)):
        bagging(members=3, by=["data", "seeds"]).build(members, train, None, context(seed))
    assert not {a.ids for a in one.asked} & {a.ids for a in other.asked}
    assert not {a.variation["seed"] for a in one.asked} & {a.variation["seed"] for a in other.asked}


def test_each_way_to_differ_asks_for_what_it_says(train, context):
    def asked(by, **more):
        members = SklearnMembers()
        bagging(members=6, by=by, **more).build(members, train, None, context())
        assert all(a.weights is None and len(a.ids) == 200 for a in members.asked)
        # Several supervisors of a phase take turns, however else members differ.
        assert [a.variation["supervisor"] for a in members.asked] == list(range(6))
        return [{k: v for k, v in a.variation.items() if k != "supervisor"} for a in members.asked]

    seeds = [v["seed"] for v in asked(["seeds"])]
    assert len(set(seeds)) == 6
    assert asked(["features"], features=0.3) == [{"seed": s, "features": 0.3} for s in seeds]
    layers = [v["layer"] for v in asked(["layers"], shallowest=0.4)]
    assert len(set(layers)) == 6 and 0.4 <= min(layers) < 0.55 and 0.85 < max(layers) <= 1
    assert asked(["models"]) == [{}] * 6


def test_all_members_are_trained_side_by_side(context):
    train, val = tiny_dataset(80, name="train"), tiny_dataset(40, name="val")
    members = TinyMembers(waits=True)
    ensembler = bagging(members=4, combine="gate", size="oob")
    patiently(members, lambda: ensembler.build(members, train, val, context()))
    # Once for all members and what they say of the training rows, once for validation rows.
    assert members.rounds - 1 == 2
    plain = TinyMembers(waits=True)
    patiently(plain, lambda: bagging().build(plain, train, None, context()))
    assert plain.rounds - 1 == 0


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", RULES)
def test_order_of_members_does_not_matter(combine, train, val, test_rows, context):
    members, ensembler = SklearnMembers(depth=2), bagging(members=5, combine=combine)
    ref = ensembler.build(members, train, val, context())
    one = ensembler.label(ref, members, test_rows.blind(), context())

    details = json.loads(json.dumps(ref.to_json()))
    turned = ModelRef.from_json(details)
    turned.details["members"].reverse()
    state = turned.details["combine"]
    if combine == "stacking":
        weights = np.asarray(state["weights"]).reshape(3, 5, 3)[:, ::-1]
        state["weights"] = weights.reshape(3, 15).tolist()
    else:
        state["weights"].reverse()
    other = ensembler.label(turned, members, test_rows.blind(), context())
    np.testing.assert_allclose(one.probs, other.probs, atol=1e-9)


@pytest.mark.parametrize("combine", RULES[:-1])  # stacking needs more rows than 25 members have
def test_bagged_trees_are_better_than_one(combine, train, val, test_rows, context):
    def build(count):
        members = SklearnMembers(depth=None)
        ensembler = bagging(members=count, combine=combine)
        ref = ensembler.build(members, train, val, context())
        return accuracy(ensembler.label(ref, members, test_rows.blind(), context()), test_rows)

    lone = SklearnMembers(depth=None)
    alone = accuracy(lone.predict(lone.fit(0, train), test_rows), test_rows)
    assert build(25) > alone + 0.04


def test_a_row_on_which_all_abstain_abstains(train, test_rows, context):
    def silent(asked, data, probs):
        rows = np.arange(len(data))
        return probs, (rows < 5) | ((rows < 10) & (asked.index > 0))

    members, ensembler = SklearnMembers(distort=silent), bagging(members=3)
    ref = ensembler.build(members, train, None, context())
    labels = ensembler.label(ref, members, test_rows.blind(), context())
    assert labels.abstain.tolist() == [True] * 5 + [False] * 295
    alone = members.predict(ModelRef.from_json(ref.details["members"][0]), test_rows)
    np.testing.assert_allclose(labels.probs[5:10], alone.probs[5:10])


def test_classes_in_another_order_are_put_right(train, test_rows, context):
    class Turned(SklearnMembers):
        def predict(self, ref, data):
            labels = super().predict(ref, data)
            return replace(labels, probs=labels.probs[:, ::-1], classes=labels.classes[::-1])

    plain, turned, ensembler = SklearnMembers(), Turned(), bagging(members=3)
    for members in (plain, turned):
        ref = ensembler.build(members, train, None, context())
    one, other = (ensembler.label(ref, m, test_rows, context()) for m in (plain, turned))
    assert one.classes == other.classes == NAMES[:3]
    np.testing.assert_allclose(one.probs, other.probs)


@pytest.mark.parametrize("named", [True, False])
def test_columns_are_in_the_order_of_the_ensemble_or_of_the_first_member(named, test_rows):
    class Turning(SklearnMembers):
        """Every second member has its columns the other way round."""

        def predict(self, ref, data):
            labels = super().predict(ref, data)
            turn = slice(None, None, -1 if self._models[ref.key][0].index % 2 else 1)
            return replace(labels, probs=labels.probs[:, turn], classes=NAMES[:3][turn])

    plain, members = SklearnMembers(), Turning()
    rows = test_rows if named else Dataset(test_rows.table, TaskInfo("classification"), "own")
    refs = [members.fit(index, test_rows) for index in range(2)]
    expected = plain.predict(plain.fit(0, test_rows), test_rows).probs
    for classes in ((), NAMES[:3][::-1]):
        said = gather(members, refs, rows, classes)
        assert said.classes == (classes or NAMES[:3])
        for probs in said.probs:
            np.testing.assert_allclose(probs, expected[:, ::-1] if classes else expected)


# --- choices -------------------------------------------------------------------------------------


def broken(asked, data, probs):
    """Members from the third on say the opposite of what they know."""
    return probs if asked.index < 2 else (1 - probs) / (probs.shape[1] - 1)


@pytest.mark.parametrize("size", ["oob", "val"])
def test_the_size_leaves_out_members_that_do_harm(size, train, val, context):
    members = SklearnMembers(depth=3, distort=broken)
    config = {"members": 6, "size": size, "pick": "best"}
    ref = bagging(**config).build(members, train, val, context())
    assert [p["size"] for p in ref.details["curve"]] == [1, 2, 3, 4, 5, 6]
    assert ref.details["size"] <= 3 and len(ref.details["members"]) == 6
    labels = bagging(**config).label(ref, members, val.blind(), context())
    kept = [ModelRef.from_json(r) for r in ref.details["members"][: ref.details["size"]]]
    mean = np.mean([m.probs for m in members.predict_all(kept, val)], axis=0)
    np.testing.assert_allclose(labels.probs, mean)


def test_out_of_bag_curve_scores_rows_that_voters_have_not_seen(train, context):
    # A tree without a bound on its depth knows every row it was trained on.
    members = SklearnMembers(depth=None)
    ref = bagging(members=12, size="oob").build(members, train, None, context())
    curve = ref.details["curve"]
    left = 200 - len(members.asked[0].ids)
    assert curve[0]["n"] == left < curve[-1]["n"] <= 200
    new = make_data(*blobs(1000, classes=3, seed=9), name="new", classes=3)
    alone = accuracy(members.predict(ModelRef.from_json(ref.details["members"][0]), new), new)
    assert curve[0]["accuracy"] == pytest.approx(alone, abs=4 * curve[0]["accuracy_se"])
    assert curve[0]["accuracy"] < 0.9


def test_out_of_bag_no_member_speaks_of_a_group_it_was_trained_on(train, context):
    groups = group_codes(train)
    members = SklearnMembers()
    ref = bagging(members=5, size="oob").build(members, train, None, context())
    voted = np.zeros(len(train), bool)
    for size, asked in enumerate(members.asked, 1):
        voted |= ~np.isin(groups, groups[train.rows_of(asked.ids)])
        assert ref.details["curve"][size - 1]["n"] == voted.sum()
    assert voted.sum() > 0 and len(members.asked) == 5


def test_out_of_bag_weights_silence_members_that_know_nothing(train, context):
    members = SklearnMembers(depth=3, distort=broken)
    ref = bagging(members=4, combine="oob").build(members, train, None, context())
    weights = ref.details["combine"]["weights"]
    assert min(weights[:2]) > 0.3 and weights[2:] == [0.0, 0.0]
    assert sum(weights) == pytest.approx(1)


def test_out_of_bag_weights_are_how_far_recall_on_unseen_rows_exceeds_chance(train, context):
    members = SklearnMembers(depth=None)  # right on all that they were trained on
    ref = bagging(members=4, combine="oob").build(members, train, None, context())
    above = []
    for raw, asked in zip(ref.details["members"], members.asked, strict=True):
        unseen = train.take(np.setdiff1d(np.arange(200), train.rows_of(asked.ids)))
        right = members.predict(ModelRef.from_json(raw), unseen).predicted == unseen.gold
        above.append(np.mean([right[unseen.gold == k].mean() for k in range(3)]) - 1 / 3)
    expected = np.array(above) / np.sum(above)
    np.testing.assert_allclose(ref.details["combine"]["weights"], expected)
    assert expected.max() - expected.min() > 0.01


def test_members_all_at_chance_count_alike_with_a_warning(train, context):
    def ignorant(asked, data, probs):
        return np.tile([0.5, 0.25, 0.25], (len(data), 1))

    ctx, members = context(), SklearnMembers(distort=ignorant)
    ref = bagging(members=4, combine="oob").build(members, train, None, ctx)
    assert ref.details["combine"]["weights"] == [0.25] * 4
    assert [w["code"] for w in ctx.warnings] == ["members_at_chance"]


def test_a_gate_finds_the_member_that_knows(train, val, context):
    def only_one(asked, data, probs):
        return probs if asked.index == 1 else np.full_like(probs, 1 / 3)

    members = SklearnMembers(depth=3, distort=only_one)
    ref = bagging(members=3, combine="gate").build(members, train, val, context())
    assert ref.details["combine"]["weights"][1] > 0.5


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{"combine": "gate"}, {"combine": "stacking"}, {"size": "val"}])
def test_without_validation_data_nothing_is_trained(config, train, context):
    members = SklearnMembers()
    with pytest.raises(DataError, match="validation data") as caught:
        bagging(**config).build(members, train, None, context())
    ((field, value),) = config.items()
    assert f"{field}: {value}" in caught.value.what and caught.value.next_step
    assert not members.asked
    assert BaggingConfig(**config).needs_val and not BaggingConfig(size="oob").needs_val


def test_without_scikit_learn_nothing_is_trained(train, val, context, monkeypatch):
    members = SklearnMembers()
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingDependencyError):
        bagging(combine="stacking").build(members, train, val, context())
    assert not members.asked


def test_without_validation_rows_of_a_class_nothing_is_stacked(train, val, context):
    members, some = SklearnMembers(), val.take(np.flatnonzero(val.gold != 1))
    with pytest.raises(DataError, match="there is none of green") as caught:
        bagging(combine="stacking").build(members, train, some, context())
    assert caught.value.where == "val" and caught.value.next_step and not members.asked


@pytest.mark.parametrize("config", [{"combine": "oob"}, {"size": "oob"}])
def test_too_few_rows_out_of_bag_are_refused(config, context):
    x, y = blobs(60, seed=1)
    y[:] = 0
    y[:3] = 1
    members = SklearnMembers()
    with pytest.raises(DataError, match=r"left out \d rows of class green") as caught:
        bagging(members=8, **config).build(members, make_data(x, y), None, context())
    assert caught.value.where == "data" and caught.value.next_step and not members.asked


def test_one_group_cannot_be_bagged(context):
    data = make_data(*blobs(20), groups=np.zeros(20))
    with pytest.raises(DataError, match="at least 2 groups"):
        bagging().build(SklearnMembers(), data, None, context())
    assert bagging(by=["seeds"]).build(SklearnMembers(), data, None, context())


def test_no_rows_and_generated_text_are_refused(train, context):
    with pytest.raises(DataError, match="no rows"):
        bagging().build(SklearnMembers(), train.take([]), None, context())
    texts = tiny_dataset(20, kind="generation")
    with pytest.raises(DataError, match="generated text"):
        bagging().build(SklearnMembers(), texts, None, context())


def test_members_of_other_classes_are_refused(train, test_rows, context):
    class Mixed(SklearnMembers):
        def predict(self, ref, data):
            labels = super().predict(ref, data)
            other = self._models[ref.key][0].index == 1
            return replace(labels, classes=("a", "b", "c")) if other else labels

    members = Mixed()
    ref = bagging(members=3).build(members, train, None, context())
    with pytest.raises(AlignmentError, match=r"member 1 .*'a', 'b', 'c'") as caught:
        bagging(members=3).label(ref, members, test_rows, context())
    assert caught.value.where == "test" and caught.value.next_step


def test_members_that_write_among_members_with_classes_are_refused(train, test_rows, context):
    class Writing(SklearnMembers):
        def predict(self, ref, data):
            if self._models[ref.key][0].index != 1:
                return super().predict(ref, data)
            return LabelSet(data.ids, np.zeros((len(data), 0)), texts=["red"] * len(data))

    members = Writing()
    ref = bagging(members=3).build(members, train, None, context())
    with pytest.raises(AlignmentError, match="member 1 of the ensemble answers in texts"):
        bagging(members=3).label(ref, members, test_rows, context())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"members": 1}, "members: .* is that member; next: use its supervisor without"),
        ({"by": ["data", "data"]}, "by: every word once"),
        ({"by": ["seeds"], "size": "oob"}, "size: oob .* add data to by"),
        ({"by": ["layers"], "combine": "oob"}, "combine: oob .* add data to by"),
    ],
)
def test_settings_that_make_no_sense_are_explained(config, said):
    problems = BaggingConfig(**config).check()
    assert len(problems) == 1 and re.search(said, problems[0])


def test_settings_that_make_sense_are_taken():
    assert BaggingConfig().check() == []
    assert BaggingConfig(by=("models",), members=2).check() == []


def test_labels_that_count_less_count_less_together(context) -> None:
    class Halves(SklearnMembers):
        def predict(self, ref, data):
            labels, first = super().predict(ref, data), refs[0]["key"] == ref.key
            return replace(labels, weight=np.where(first, 1.0, 1 - np.arange(len(data)) % 2 / 2))

    data = make_data(np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2)
    members, bag = Halves(), Bagging(BaggingConfig(members=2, by=("seeds",)))
    ref = bag.build(members, data, None, context())
    refs = ref.details["members"]
    weight = bag.label(ref, members, data, context()).weight
    assert weight.tolist() == [1.0, 0.75] * 10
