"""Ensembles of members that write: boosting by tokens, mixing, votes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scripted import TOKENS, Scripted, answers, knows_what_weighs_most, nothing

from w2s_ensembles.config import TokenBoostingConfig, WritersConfig
from w2s_ensembles.mixing import mixing_weights
from w2s_ensembles.samme import clamped, token_alpha
from w2s_ensembles.token_boosting import TokenBoosting
from w2s_ensembles.writers import SHARPNESS, Writers
from w2s_toolkit import load_run
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError
from w2s_toolkit.jagged import Jagged


def test_experts_learn_what_those_before_them_got_wrong(context):
    members = Scripted(knows_what_weighs_most, nothing)
    config = TokenBoostingConfig(rounds=3, cross_fit=0)
    ref = TokenBoosting(config).build(members, answers(), None, context())
    before, error = 5 / 6, 1 / 3
    assert ref.details["error_before"] == pytest.approx(before)
    assert ref.details["errors"][0] == pytest.approx(error)
    assert ref.details["weights"][0] == pytest.approx(token_alpha(error, before))
    # Round 2 weighs the token that round 1 missed; together they know all three.
    asked = {one["index"]: one for one in members.asked}
    second = np.mean(asked[1]["token_weights"], axis=0)
    assert second.argmax() == 2
    assert np.concatenate(asked[1]["token_weights"]).mean() == pytest.approx(1)
    assert asked[0]["token_weights"] is None  # plain training, under its usual key
    # Under the weights of the round after, an expert is as often wrong as the bare model was.
    assert second[2] / second.sum() == pytest.approx(before)
    third = np.mean(asked[2]["token_weights"], axis=0)
    missed = ~knows_what_weighs_most(asked[1], answers(1))[0]
    assert third[missed].sum() / third.sum() == pytest.approx(before)


def test_errors_come_from_rows_an_expert_has_not_seen(context):
    members = Scripted(knows_what_weighs_most, nothing)
    config = TokenBoostingConfig(rounds=2, cross_fit=4)
    train = answers()
    ref = TokenBoosting(config).build(members, train, None, context())
    helpers = [a for a in members.asked if a["index"] >= 1000]
    assert len(helpers) == 8 and len(ref.details["members"]) == 2
    held_out = [set(train.ids) - set(a["rows"]) for a in helpers[:4]]
    assert sorted(x for part in held_out for x in part) == sorted(train.ids)
    for asked in helpers:
        if asked["token_weights"] is not None:
            assert np.concatenate(asked["token_weights"]).mean() == pytest.approx(1)


def test_supervisors_take_turns_in_the_rounds_of_boosting(context):
    members = Scripted(knows_what_weighs_most, nothing)
    TokenBoosting(TokenBoostingConfig(rounds=2, cross_fit=2)).build(
        members, answers(), None, context()
    )
    turns = [(a["index"] >= 1000, a["variation"]["supervisor"]) for a in members.asked]
    assert sorted(turns) == [(False, 0), (False, 1), (True, 0), (True, 0), (True, 1), (True, 1)]


def test_experts_with_other_tokens_cannot_be_boosted_or_weighed(context):
    class Longer(Scripted):
        """Its trained members cut an answer into one token more."""

        def score_all(self, refs, data):
            plain = super().score_all(refs, data)
            hits = np.zeros((len(data), TOKENS + 1), bool)
            return [
                one if ref is None else self._scores(hits, data)
                for ref, one in zip(refs, plain, strict=True)
            ]

    boosting = TokenBoosting(TokenBoostingConfig(rounds=2, cross_fit=0))
    with pytest.raises(DataError, match="into different tokens") as caught:
        boosting.build(Longer(knows_what_weighs_most, nothing), answers(), None, context())
    assert "one tokenizer" in caught.value.next_step
    short, long = (
        Scripted._scores(np.zeros((4, many), bool), answers(4)) for many in (TOKENS, TOKENS + 1)
    )
    with pytest.raises(DataError, match="into different tokens"):
        mixing_weights([short, long])


def test_a_round_that_does_not_beat_the_bare_model_ends_boosting(context):
    def good_once(asked, data):
        if asked["token_weights"] is None:
            return knows_what_weighs_most(asked, data)
        return np.zeros((len(data), TOKENS), bool)

    members, ctx = Scripted(good_once, nothing), context()
    config = TokenBoostingConfig(rounds=4, cross_fit=0, retries=2)
    ref = TokenBoosting(config).build(members, answers(), None, ctx)
    assert len(ref.details["members"]) == 1
    assert [w["code"] for w in ctx.warnings] == ["boosting_stopped"]
    seeds = {a["variation"].get("seed") for a in members.asked if a["token_weights"] is not None}
    assert len(seeds) == 3 and None in seeds  # as it was, and two other seeds

    ctx = context()
    hopeless = Scripted(lambda asked, data: np.zeros((len(data), TOKENS), bool), nothing)
    ref = TokenBoosting(config).build(hopeless, answers(), None, ctx)
    assert ref.details["weights"] == [1.0] and len(ref.details["members"]) == 1
    assert "one stays alone" in ctx.warnings[0]["message"]


def test_an_expert_that_is_always_right_ends_boosting(context):
    members = Scripted(lambda asked, data: np.ones((len(data), TOKENS), bool), nothing)
    ctx = context()
    config = TokenBoostingConfig(rounds=4, cross_fit=2)
    ref = TokenBoosting(config).build(members, answers(), None, ctx)
    assert len(ref.details["members"]) == 1
    assert ref.details["weights"][0] == pytest.approx(token_alpha(clamped(0, 120), 5 / 6))
    assert "right on every token" in ctx.warnings[0]["message"]


def test_the_number_of_rounds_is_chosen_on_validation_data(context):
    members = Scripted(knows_what_weighs_most, nothing)
    config = TokenBoostingConfig(rounds=3, cross_fit=0, stop="val", pick="best")
    val = answers(20, "val")
    boosting = TokenBoosting(config)
    ref = boosting.build(members, answers(), val, context())
    curve = ref.details["curve"]
    assert [point["size"] for point in curve] == [1, 2, 3]
    best = min(curve, key=lambda point: point["log_loss"])
    assert ref.details["size"] == best["size"]
    boosting.label(ref, members, answers(5, "pool").blind(), context())
    assert len(members.together[-1].refs) == best["size"]
    with pytest.raises(DataError, match="validation data"):
        boosting.build(members, answers(), None, context())


@pytest.mark.parametrize(
    "ensembler", [TokenBoosting(TokenBoostingConfig()), Writers(WritersConfig())]
)
def test_classes_are_refused(ensembler, context):
    info = TaskInfo("classification", ("no", "yes"), "")
    data = Dataset.from_examples([Example("a", "p", ("no", "yes"), 0)], info, "weak_train")
    with pytest.raises(DataError, match="written, not for classes"):
        ensembler.build(Scripted(None, None), data, None, context())


def test_votes_go_by_whole_answers(context):
    members = Scripted(knows_what_weighs_most, nothing)
    writers = Writers(WritersConfig(members=3, combine="vote"))
    ref = writers.build(members, answers(), None, context())
    pool = answers(4, "pool").blind()
    assert list(writers.label(ref, members, pool, context()).texts) == ["three"] * 4
    with pytest.raises(DataError, match="no probability"):
        writers.score(ref, members, answers(4, "test"), context())
    two = Writers(WritersConfig(members=2, combine="vote"))
    ref = two.build(members, answers(), None, context())
    said = two.label(ref, members, pool, context())
    assert list(said.texts) == ["one two"] * 4  # of equally many, the first member's


class Judges(Scripted):
    """Three members: the first two write "one two", the last "three"; each rates an answer as told.

    Args:
        likely: (number of the member, answer) -> probability of each of its tokens.
        silent: (number of the member, rows) -> which of its answers it holds back.
    """

    def __init__(self, likely, silent=lambda number, n: np.zeros(n, bool)):
        super().__init__(knows_what_weighs_most, nothing)
        self.likely, self.silent, self.rated = likely, silent, []

    def predict_all(self, refs, data):
        n, probs = len(data), np.zeros((len(data), 0))
        said = (["one two"] * n, ["one two"] * n, ["three"] * n)
        return [
            LabelSet(data.ids, probs, texts=text, abstain=self.silent(number, n))
            for number, text in enumerate(said)
        ]

    def score_all(self, refs, data, answers=None):
        self.rated.append(list(answers))
        return [
            self._scores(None, data, np.array([[self.likely(n, a)] * len(a) for a in answers]))
            for n in range(len(refs))
        ]

    @staticmethod
    def _scores(hits, data, likely):
        hits = Jagged.of(likely > 0.5, np.bool_)
        probs = np.zeros((len(data), 0))
        return LabelSet(data.ids, probs, token_log_probs=Jagged.of(np.log(likely)), token_hits=hits)


def rescored(members, data, context):
    writers = Writers(WritersConfig(members=3, combine="rescore"))
    ref = writers.build(members, answers(), None, context())
    with pytest.raises(DataError, match="no probability"):
        writers.score(ref, members, answers(4, "test"), context())
    return writers.label(ref, members, data, context())


def test_the_answer_that_all_find_most_probable_is_chosen(context):
    pool = answers(4, "pool").blind()
    # The last member alone writes it, but the others like it better than what they wrote.
    members = Judges(lambda number, answer: 0.6 if answer == "three" else 0.3 + 0.1 * number)
    assert list(rescored(members, pool, context).texts) == ["three"] * 4
    # What two wrote was rated once, and the number of tokens does not count.
    assert members.rated == [["one two"] * 4, ["three"] * 4]
    same = Judges(lambda number, answer: 0.5)
    assert list(rescored(same, pool, context).texts) == ["one two"] * 4  # the first of equals


def test_answers_that_are_held_back_are_not_chosen(context):
    pool = answers(4, "pool").blind()

    def silent(number, n):
        return (np.arange(n) == 3) | ((number == 2) & (np.arange(n) == 0))

    members = Judges(lambda number, answer: 0.6 if answer == "three" else 0.3, silent)
    said = rescored(members, pool, context)
    assert list(said.texts)[:3] == ["one two", "three", "three"]
    assert list(said.abstain) == [False, False, False, True]


def test_how_much_certainty_counts_is_chosen_on_validation_data(context):
    class Graded(Scripted):
        def score(self, together, data):
            self.together.append(together)
            likely = np.full((len(data), TOKENS), 0.9 - 0.2 * abs(together.sharpness - 1.0))
            return self._scores(likely > 0.5, data, np.maximum(likely, 0.01))

    members = Graded(knows_what_weighs_most, nothing)
    writers = Writers(WritersConfig(members=3, combine="gate"))
    ref = writers.build(members, answers(), answers(20, "val"), context())
    assert ref.details["sharpness"] == 1.0
    assert sorted(one.sharpness for one in members.together) == sorted(SHARPNESS)
    writers.label(ref, members, answers(5, "pool").blind(), context())
    assert members.together[-1].sharpness == 1.0
    with pytest.raises(DataError, match="combine: gate is decided on validation data"):
        writers.build(members, answers(), None, context())


def test_writers_differ_by_bootstrap_samples(context):
    members = Scripted(knows_what_weighs_most, nothing)
    Writers(WritersConfig(members=3)).build(members, answers(), None, context())
    rows = [tuple(a["rows"]) for a in members.asked]
    assert len(set(rows)) == 3 and all(a["weights"].sum() == 40 for a in members.asked)


def test_learned_weights_are_the_most_likely_ones():
    rng = np.random.default_rng(0)
    data = answers(60)
    likely = rng.random((3, 60, TOKENS)) * [[[0.9]], [[0.6]], [[0.05]]]

    def scores(values):
        hits = values > 0.5
        return Scripted._scores(hits, data, values)

    weights = np.array(mixing_weights([scores(v) for v in likely]))
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()

    def loss(w):
        return -np.log(np.tensordot(w, likely, 1)).mean()

    for _ in range(200):
        other = rng.dirichlet(np.ones(3))
        assert loss(weights) <= loss(other) + 1e-9
    order = [2, 0, 1]
    turned = np.array(mixing_weights([scores(likely[i]) for i in order]))
    np.testing.assert_allclose(turned, weights[order], atol=1e-6)


COLORS = ("red", "blue", "green", "black")


@pytest.fixture
def recipe(tmp_path):
    """A teacher and a student of random weights; an answer follows from a number's last digit."""
    pytest.importorskip("torch")
    from w2s_hf.tiny import make_tiny_model

    rng = np.random.default_rng(3)
    rows = []
    for number in range(700):
        digit = int(rng.integers(4))
        color = COLORS[digit]
        rows.append({"q": f"stone {number} of kind {digit}", "a": f"{color} stone"})
    texts = [f"{row['q']} {row['a']}" for row in rows]
    make_tiny_model(tmp_path / "weak", texts, hidden=32, layers=1, vocabulary=300)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = f"""
schema: 1
name: writing
models:
  weak: {{use: hf, id: {tmp_path}/weak}}
task:
  use: table
  path: {tmp_path}/rows.jsonl
  template: "{{q}}"
  answer: a
  splits: {{weak_train: 200, pool: 100, val: 60, test: 100}}
baselines: [weak_floor]
phases:
  - name: p
    pool: pool
    supervisors:
      - {{use: sft, model: weak, epochs: 6, lr: 0.01, batch_size: 8, max_new_tokens: 5}}
    ensemble: {{use: token_boosting, rounds: 2, cross_fit: 2, choose_on: val, stop: val}}
    student: {{use: sft, model: weak, epochs: 6, lr: 0.01, batch_size: 8, max_new_tokens: 5}}
    evaluate: [accuracy, token_accuracy, perplexity]
"""
    path = tmp_path / "writing.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def forks(torch_forks):
    return torch_forks


@pytest.mark.slow(seconds=28)
@pytest.mark.parametrize(
    "ensemble",
    [
        "{use: writers, members: 2, by: [seeds], combine: rescore}",
        "{use: token_boosting, rounds: 2, cross_fit: 2, choose_on: val, stop: val}",
    ],
)
def test_a_recipe_of_writers_runs(ensemble, recipe, w2s):
    change = ["--set", f"phases.p.ensemble={ensemble}"]
    if "rescore" in ensemble:
        change += ["--set", "phases.p.evaluate=[accuracy]"]
    done = w2s("run", recipe, *change)
    assert done.returncode == 0, done.stderr
    run = load_run("last")
    values = run.results.set_index(["role", "metric", "split"])["value"]
    assert values["supervisor", "accuracy", "test"] > 0.5
    said = run.predictions("student", "test")
    assert set(said["gold"]) <= {f"{color} stone" for color in COLORS}
    assert isinstance(said["predicted"].iloc[0], str)
    card = (run.stage("p/student/train") / "model" / "README.md").read_text()
    taught = "token_boosting" if "token_boosting" in ensemble else "writers"
    assert f"Supervised by | ensemblers/{taught} of supervisors/sft" in card
    if "token_boosting" in ensemble:
        folder = run.stage("p/supervisor/build")
        details = json.loads((folder / "ref.json").read_text())["details"]
        assert all(weight > 0 for weight in details["weights"])
        (chosen,) = json.loads((run.path / "results.json").read_text())["sizes"]
        assert chosen["size"] == details["size"] and chosen["by"] == "log_loss"
        assert [point["size"] for point in chosen["points"]] == [1, 2][: len(chosen["points"])]
        scores = pd.read_parquet(run.stage("p/supervisor/score/test") / "labels.parquet")
        assert {"token_log_probs", "token_hits"} <= set(scores.columns)
    again = w2s("run", recipe, *change)
    assert "0 stages run" in again.stdout + again.stderr
