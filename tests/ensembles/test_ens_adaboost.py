from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from learners import SklearnMembers, blobs, make_data

from w2s_ensembles.adaboost import AdaBoost
from w2s_ensembles.config import AdaBoostConfig
from w2s_ensembles.samme import alpha, reweighted
from w2s_toolkit.data import Dataset, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.testing import tiny_dataset
from w2s_toolkit.testing.members import TinyMembers, patiently

GROUPS = np.arange(240) // 2


@pytest.fixture
def train():
    return make_data(*blobs(240, classes=3, seed=1), GROUPS, name="train", classes=3)


@pytest.fixture
def val():
    return make_data(*blobs(200, classes=3, seed=2), name="val", classes=3)


def adaboost(**config):
    return AdaBoost(AdaBoostConfig(**config))


def real(members):
    """Requests for members; the others are helpers and retries."""
    return [a for a in members.asked if a.index < 1000]


def opposite(probs):
    """Certain of a class that the member would not choose: worse than chance where it is good."""
    return np.eye(probs.shape[1])[probs.argmin(1)]


# --- weights -------------------------------------------------------------------------------------


def test_weights_handed_to_members_are_n_times_those_of_samme(train, context):
    members = SklearnMembers()
    ref = adaboost(rounds=3, cross_fit=0).build(members, train, None, context())
    weights = np.full(240, 1 / 240)
    assert members.asked[0].weights is None  # all alike: plain training
    for number, asked in enumerate(members.asked[1:]):
        before = ModelRef.from_json(ref.details["members"][number])
        wrong = members.predict(before, train).predicted != train.gold
        assert ref.details["errors"][number] == pytest.approx(weights[wrong].sum())
        weights = reweighted(weights, wrong, alpha(weights[wrong].sum(), 3))
        np.testing.assert_allclose(asked.weights, 240 * weights, rtol=1e-9)


def test_learning_rate_shrinks_what_members_have_to_say(train, context):
    def says(rate):
        config = {"rounds": 2, "cross_fit": 0, "learning_rate": rate}
        return adaboost(**config).build(SklearnMembers(), train, None, context()).details["weights"]

    assert says(0.5)[0] == pytest.approx(0.5 * says(1.0)[0])


@pytest.mark.parametrize("cross_fit", [0, 3])
def test_boosted_trees_are_better_than_one(cross_fit, context):
    train = make_data(*blobs(1000, classes=3, noise=0.3, seed=1), name="train", classes=3)
    new = make_data(*blobs(2000, classes=3, noise=0.3, seed=2), name="new", classes=3)
    ensembler, members = adaboost(rounds=8, cross_fit=cross_fit), SklearnMembers(depth=4)
    ref = ensembler.build(members, train, None, context())
    labels = ensembler.label(ref, members, new.blind(), context())
    alone = members.predict(ModelRef.from_json(ref.details["members"][0]), new)
    assert (labels.predicted == new.gold).mean() > (alone.predicted == new.gold).mean() + 0.02


def test_labels_are_the_mean_weighted_by_alpha(train, val, context):
    ensembler, members = adaboost(rounds=4), SklearnMembers()
    ref = ensembler.build(members, train, None, context())
    labels = ensembler.label(ref, members, val.blind(), context())
    refs = [ModelRef.from_json(r) for r in ref.details["members"]]
    parts = np.stack([m.probs for m in members.predict_all(refs, val)])
    says = np.array(ref.details["weights"])
    np.testing.assert_allclose(labels.probs, np.einsum("m,mnk->nk", says / says.sum(), parts))


# --- cross-fitting -------------------------------------------------------------------------------


def test_helpers_do_not_see_the_groups_they_are_asked_about(train, context):
    members = SklearnMembers()
    adaboost(rounds=2, cross_fit=4).build(members, train, None, context())
    first = [a for a in members.asked if a.index >= 1000][:4]
    left = [set(train.ids) - set(a.ids) for a in first]
    assert sorted(i for rows in left for i in rows) == sorted(train.ids)
    for rows, helper in zip(left, first, strict=True):
        groups = {train.groups[r] for r in train.rows_of(rows)}
        assert not groups & {train.groups[r] for r in train.rows_of(helper.ids)}
    assert all(len(a.ids) == 240 for a in real(members))


def test_numbers_of_helpers_retries_and_members_do_not_collide(train, context):
    def hopeless(asked, data, probs):
        return opposite(probs) if asked.index >= 1000 and "seed" not in asked.variation else probs

    members = SklearnMembers(distort=hopeless)
    adaboost(rounds=3, cross_fit=3, retries=2).build(members, train, None, context())
    keys = {(a.index, a.key) for a in members.asked}
    assert len({index for index, _ in keys}) == len(keys) == 3 * (3 + 3 + 1)


def test_errors_are_those_on_unseen_rows(train, context):
    # Unpruned trees are right on all they were trained on.
    members = SklearnMembers(depth=None)
    seen = adaboost(rounds=3, cross_fit=0).build(members, train, None, context())
    unseen = adaboost(rounds=3, cross_fit=3).build(members, train, None, context())
    assert seen.details["errors"] == [0.0] and min(unseen.details["errors"]) > 0.15
    assert len(unseen.details["members"]) == 3


def test_a_round_right_on_all_rows_ends_boosting_with_a_warning(train, val, context):
    ctx, members = context(), SklearnMembers(depth=None)
    ensembler = adaboost(rounds=3, cross_fit=0)
    ref = ensembler.build(members, train, None, ctx)
    assert len(members.asked) == 1
    assert ref.details["weights"] == [pytest.approx(alpha(0.5 / 240, 3))]
    assert [w["code"] for w in ctx.warnings] == ["boosting_stopped"]
    assert len(ensembler.label(ref, members, val.blind(), ctx)) == 200


def test_members_are_trained_side_by_side_in_the_end(context):
    data, val = tiny_dataset(200, name="train"), tiny_dataset(40, name="val")
    noisy = np.random.default_rng(0).random(200) < 0.2
    rows = [
        replace(row, gold=1 - row.gold) if turned else row
        for row, turned in zip(data, noisy, strict=True)
    ]
    train = Dataset.from_examples(rows, data.info, "train")
    members = TinyMembers(waits=True)
    ensembler = adaboost(rounds=3, stop="val", learning_rate=0.3)
    ref = patiently(members, lambda: ensembler.build(members, train, val, context()))
    assert len(ref.details["members"]) == 3
    # Helpers round by round, then all members at once for what they say of validation rows.
    assert members.rounds - 1 == 3 + 1


# --- rounds that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize("cross_fit", [0, 3])
def test_a_round_at_chance_is_discarded_and_tried_with_another_seed(cross_fit, train, context):
    def bad_second(asked, data, probs):
        """The second round is worse than chance until its second retry."""
        seed = (asked.variation or {}).get("seed")
        if seed not in seeds:
            seeds.append(seed)
        return opposite(probs) if asked.weights is not None and len(seeds) < 3 else probs

    seeds: list[int | None] = []
    members = SklearnMembers(distort=bad_second)
    config = {"rounds": 2, "cross_fit": cross_fit, "retries": 3}
    ref = adaboost(**config).build(members, train, None, context())
    assert ref.details["attempts"] == [1, 3] and len(seeds) == 3
    assert max(ref.details["errors"]) < 2 / 3
    last = next(a for a in members.asked if a.key == ref.details["members"][1]["key"])
    assert last.variation and last.variation["seed"] == seeds[2]


@pytest.mark.parametrize("cross_fit", [0, 3])
def test_if_every_first_round_fails_one_member_stays(cross_fit, train, val, context):
    ctx = context()
    members = SklearnMembers(distort=lambda asked, data, probs: opposite(probs))
    ensembler = adaboost(rounds=4, cross_fit=cross_fit, retries=2, stop="val")
    ref = ensembler.build(members, train, val, ctx)
    assert len(ref.details["members"]) == 1 and ref.details["weights"] == [1.0]
    assert [w["code"] for w in ctx.warnings] == ["boosting_stopped"]
    assert "3 attempts" in ctx.warnings[0]["message"]
    assert len(members.asked) == (3 if cross_fit == 0 else 3 * 3 + 1)
    labels = ensembler.label(ref, members, val.blind(), ctx)
    assert len(labels) == 200 and not labels.abstain.any()


def test_a_later_round_that_fails_keeps_those_before_it(train, context):
    ctx = context()
    members = SklearnMembers(
        distort=lambda asked, data, probs: probs if asked.weights is None else opposite(probs)
    )
    ref = adaboost(rounds=4, retries=1, cross_fit=0).build(members, train, None, ctx)
    assert len(ref.details["members"]) == 1 and ref.details["weights"][0] != 1.0
    assert "round 2 of 4 was no better" in ctx.warnings[0]["message"]


def test_learners_that_never_answer_end_well(train, val, context):
    ctx = context()
    members = SklearnMembers(
        distort=lambda asked, data, probs: (probs, np.ones(len(data), dtype=bool))
    )
    ensembler = adaboost(rounds=2, retries=0)
    ref = ensembler.build(members, train, None, ctx)
    assert ensembler.label(ref, members, val.blind(), ctx).abstain.all()


# --- choices -------------------------------------------------------------------------------------


def test_the_number_of_rounds_is_chosen_on_validation_data(train, val, context):
    def harm(asked, data, probs):
        spoilt = 2 <= asked.index < 1000 and data.name == "val"
        return opposite(probs) if spoilt else probs

    config = {"rounds": 6, "stop": "val", "pick": "best", "learning_rate": 0.2}
    members = SklearnMembers(distort=harm)
    ref = adaboost(**config).build(members, train, val, context())
    assert len(ref.details["curve"]) == 6 and ref.details["size"] <= 3


def test_growing_keeps_the_rounds_there_are(train, context):
    few, many = SklearnMembers(), SklearnMembers()
    adaboost(rounds=3).build(few, train, None, context())
    adaboost(rounds=6).build(many, train, None, context())
    assert [a.key for a in few.asked] == [a.key for a in many.asked[: len(few.asked)]]
    assert len(many.asked) == 2 * len(few.asked)


def test_resampling_draws_rows_by_their_weight(train, context):
    members = SklearnMembers()
    adaboost(rounds=12, cross_fit=0, reweight="resample").build(members, train, None, context())
    by_loss = SklearnMembers()
    adaboost(rounds=2, cross_fit=0).build(by_loss, train, None, context())
    assert all(a.weights.sum() == 240 and len(a.ids) < 240 for a in members.asked)
    assert len({a.ids for a in members.asked}) == len(members.asked)
    # The rows that the first member got wrong are drawn more often than their share.
    first = members.predict(ModelRef("", key=members.asked[0].key), train)
    wrong = set(np.array(train.ids)[first.predicted != train.gold])
    second = members.asked[1]
    drawn = sum(w for i, w in zip(second.ids, second.weights, strict=True) if i in wrong)
    assert drawn / 240 > 1.2 * len(wrong) / 240


# --- errors --------------------------------------------------------------------------------------


def test_without_validation_data_nothing_is_trained(train, context):
    members = SklearnMembers()
    with pytest.raises(DataError, match="stop: val") as caught:
        adaboost(stop="val").build(members, train, None, context())
    assert caught.value.next_step and not members.asked
    assert AdaBoostConfig(stop="val").needs_val and not AdaBoostConfig().needs_val


def test_more_folds_than_groups_are_refused(context):
    data = make_data(*blobs(20), groups=np.arange(20) // 5)
    with pytest.raises(DataError, match="at least 5 groups of rows; there are 4"):
        adaboost(cross_fit=5).build(SklearnMembers(), data, None, context())


def test_settings_that_make_no_sense_are_explained():
    assert "without an ensembler" in AdaBoostConfig(rounds=1).check()[0]
    assert "cross_fit: one fold" in AdaBoostConfig(cross_fit=1).check()[0]
    assert AdaBoostConfig().check() == AdaBoostConfig(cross_fit=0).check() == []


@pytest.mark.parametrize("classes", [2, 3])
def test_exactly_at_chance_is_no_better_than_chance(classes, context) -> None:
    """By floating point, a learner of one answer on balanced rows often errs a hair less than 1 - 1/K."""

    def constant(asked, data, probs):
        return np.eye(classes)[np.zeros(len(data), int)]

    for rows in range(4 * classes, 40 * classes, classes):
        data = make_data(np.zeros((rows, 1)), np.arange(rows) % classes, classes=classes)
        members = SklearnMembers(distort=constant)
        made = adaboost(rounds=2, cross_fit=0).build(members, data, None, context())
        assert made.details["errors"] == [], rows
