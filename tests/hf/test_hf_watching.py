"""A student that is looked at while it learns learns the same."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_hf_resume import FAST, interrupt, weights_of

from w2s_hf.classifier import Classifier
from w2s_hf.config import ClassifierConfig
from w2s_toolkit.stages.watch import GoldWatch


def _watched(ctx, val, weak, points=4):
    ctx.watch = GoldWatch(val, weak, points, ctx.scratch / "curve.json")
    return ctx


@pytest.fixture
def student():
    return Classifier(ClassifierConfig(model="gpt2", **FAST, watch={"on": "val"}))


def test_looks_change_nothing_and_end_at_the_student_itself(student, make_ctx, make_data, one_hot):
    data, val = make_data(64), make_data(40, seed=7)
    weak = one_hot(val)
    alone = make_ctx(seed=3)
    expected = weights_of(student.train(data.blind(), one_hot(data), alone), alone)
    ctx = _watched(make_ctx(seed=3), val, weak)
    ref = student.train(data.blind(), one_hot(data), ctx)
    assert weights_of(ref, ctx) == expected
    looks = json.loads(ctx.watch.text)
    assert [look["step"] for look in looks] == [3, 6, 9, 12]
    labels = student.label(ref, val.blind(), ctx)
    assert looks[-1]["accuracy"] == pytest.approx(np.mean(labels.predicted == val.gold))
    assert looks[-1]["agreement"] == looks[-1]["accuracy"]  # the weak labels are gold here
    assert looks[0]["accuracy"] < looks[-1]["accuracy"]


def test_looks_go_on_after_an_interruption(student, make_ctx, make_data, one_hot):
    data, val = make_data(64), make_data(40, seed=7)
    whole = _watched(make_ctx(seed=3), val, one_hot(val))
    student.train(data.blind(), one_hot(data), whole)
    ctx = _watched(make_ctx(seed=3), val, one_hot(val))
    interrupt(ctx, 8)
    with pytest.raises(KeyboardInterrupt):
        student.train(data.blind(), one_hot(data), ctx)
    after = make_ctx(seed=3)
    after.scratch = ctx.scratch
    _watched(after, val, one_hot(val))
    student.train(data.blind(), one_hot(data), after)
    assert after.counters["resumed_at_step"] == 7
    assert after.watch.text == whole.watch.text


def test_looks_are_part_of_the_key_only_when_there_are_any():
    digest = str
    plain = ClassifierConfig(model="m").key_parts(digest)
    assert "watch" not in plain
    watched = ClassifierConfig(model="m", watch={"on": "val", "points": 3}).key_parts(digest)
    assert watched == {**plain, "watch": {"on": "val", "points": 3}}
    assert ClassifierConfig(model="m", watch={}).ceiling().key_parts(digest) == plain


def _quickstart(*overrides):
    from w2s_toolkit.recipe.load import find_recipe, load_recipe
    from w2s_toolkit.registry import Registry

    registry = Registry()
    return load_recipe(find_recipe("quickstart", registry), registry, overrides)


WATCH = "phases.bootstrap.student.watch.on"


def test_the_student_alone_is_looked_at(tmp_path):
    from w2s_toolkit.plan.export import plan_recipe
    from w2s_toolkit.store import Store

    plan = plan_recipe(_quickstart(f"{WATCH}=val"), Store(tmp_path))
    inputs = {s.name: set(s.inputs) for s in plan.graph if s.kind == "train"}
    assert inputs["bootstrap/student/train"] == {"pool", "labels", "watch", "watch_labels"}
    assert inputs["bootstrap/strong_ceiling/train"] == {"pool"}


@pytest.mark.parametrize(
    ("split", "said"),
    [("weak_train", "would label 'weak_train', on which it was trained"), ("vall", "'vall'")],
)
def test_a_split_that_cannot_be_watched_is_refused(split, said):
    from w2s_toolkit.errors import RecipeError

    with pytest.raises(RecipeError) as found:
        _quickstart(f"{WATCH}={split}")
    assert said in str(found.value)
