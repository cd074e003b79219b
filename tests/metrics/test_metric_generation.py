"""Measures of generated answers: exact match, token accuracy, perplexity, and PGR over them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from w2s_metrics.accuracy import Accuracy
from w2s_metrics.agreement import Agreement
from w2s_metrics.auroc import Auroc
from w2s_metrics.by_token import Perplexity, TokenAccuracy
from w2s_metrics.config import (
    AccuracyConfig,
    AgreementConfig,
    AurocConfig,
    ExactMatchConfig,
    PerplexityConfig,
    PgrConfig,
    TokenAccuracyConfig,
)
from w2s_metrics.exact_match import ExactMatch
from w2s_metrics.pgr import Pgr
from w2s_metrics.scored import text_code
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError
from w2s_toolkit.jagged import Jagged

FEW = {"replicates": 500}


def data_of(gold, per_group=1):
    rows = [
        Example(f"e{i}", f"p{i}", gold_text=text, group=f"g{i // per_group}")
        for i, text in enumerate(gold)
    ]
    return Dataset.from_examples(rows, TaskInfo("generation", (), ""), "test")


def said(data, texts, abstain=()):
    silent = np.zeros(len(data), bool)
    silent[list(abstain)] = True
    return LabelSet(data.ids, np.zeros((len(data), 0)), texts=texts, abstain=silent)


def scored(data, log_probs, hits):
    return LabelSet(
        data.ids,
        np.zeros((len(data), 0)),
        token_log_probs=Jagged.of(log_probs),
        token_hits=Jagged.of(hits, np.bool_),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Crown.", "crown"),
        ("  a  red   fox", "red fox"),
        ("ＡＢＣ", "abc"),
        ("x-ray", "xray"),
        ("U.S.", "US"),
        ("कि!", "कि"),
    ],
)
def test_answers_that_differ_in_form_alone_are_equal(one, other):
    assert text_code(one) == text_code(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("12", "21"), ("red", "red fox"), ("", "crown"), ("+", "-"), ("C++", "C#")],
        *[("👍", "👎"), ("कि", "का"), ("A", ""), (".", "")],
    ],
)
def test_other_answers_are_not(one, other):
    assert text_code(one) != text_code(other)


def test_exact_match_is_accuracy_under_its_own_name(context):
    data = data_of(["red", "a fox", "12", "blue"])
    subject = said(data, ["Red.", "fox", "13", "green"], abstain=[3])
    found = ExactMatch(ExactMatchConfig()).evaluate(subject, data, context())
    same = Accuracy(AccuracyConfig()).evaluate(subject, data, context())
    assert found.values["exact_match"] == same.values["accuracy"]
    assert found.values["exact_match"].value == pytest.approx(2 / 3)
    seeds = [Observation(s, data, subject) for s in (0, 1)]
    joined = ExactMatch(ExactMatchConfig(**FEW)).aggregate(seeds, context())
    assert joined.tables["seeds"][0]["exact_match"] == pytest.approx(2 / 3)
    pair = ExactMatch(ExactMatchConfig(**FEW)).compare(seeds, seeds, context())
    assert pair.values["exact_match"].value == 0


def test_pgr_and_agreement_go_by_answers(context):
    data = data_of(["red"] * 20)
    weak = said(data, ["red"] * 8 + ["blue"] * 12)
    student = said(data, ["red"] * 14 + ["blue"] * 6)
    ceiling = said(data, ["red"] * 20)
    roles = {"weak_floor": weak, "supervisor": weak, "strong_ceiling": ceiling}
    ctx = context()
    ctx.references = roles
    found = Pgr(PgrConfig(**FEW)).evaluate(student, data, ctx)
    assert found.values["pgr"].value == pytest.approx(0.5)
    both = Agreement(AgreementConfig(**FEW)).evaluate(student, data, ctx).values
    assert both["agreement"].value == pytest.approx(14 / 20)
    assert both["agreement_weak_wrong"].value == pytest.approx(0.5)


def test_measures_of_probabilities_say_that_they_do_not_apply(context):
    data = data_of(["red", "blue"])
    found = Auroc(AurocConfig()).evaluate(said(data, ["red", "red"]), data, context())
    assert all(m.value is None and "generated" in m.reason for m in found.values.values())


def test_labels_without_texts_cannot_be_compared(context):
    data = data_of(["red", "blue"])
    empty = LabelSet(data.ids, np.zeros((2, 0)))
    with pytest.raises(DataError, match="no generated answers"):
        Accuracy(AccuracyConfig()).evaluate(empty, data, context())


def test_token_accuracy_counts_tokens_not_answers(context):
    data = data_of(["a", "b"])
    subject = scored(data, [[-1.0], [-1.0] * 3], [[True], [False, True, False]])
    found = TokenAccuracy(TokenAccuracyConfig()).evaluate(subject, data, context())
    metric = found.values["token_accuracy"]
    assert (metric.value, metric.n) == (0.5, 4)
    turned = data.take([1, 0])
    again = TokenAccuracy(TokenAccuracyConfig()).evaluate(subject, turned, context())
    assert again.values["token_accuracy"].value == 0.5


def test_tokens_of_an_answer_are_not_independent(context):
    """Four tokens that hit or miss together are worth one answer, not four."""
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.6
    data = data_of(["x"] * 200)
    widths = []
    for many in (1, 4):
        log_probs, hits = [[-1.0] * many] * 200, [[r] * many for r in right]
        subject = scored(data, log_probs, hits)
        found = TokenAccuracy(TokenAccuracyConfig()).evaluate(subject, data, context())
        metric = found.values["token_accuracy"]
        widths.append(metric.high - metric.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_perplexity_is_the_exponential_of_the_mean(context):
    data = data_of(["a", "b"])
    subject = scored(data, [[-1.0], [-2.0, -3.0]], [[True], [False, False]])
    found = Perplexity(PerplexityConfig()).evaluate(subject, data, context()).values
    assert found["answer_nll"].value == pytest.approx(2.0)
    assert found["perplexity"].value == pytest.approx(math.exp(2.0))
    assert found["perplexity"].low <= math.exp(2.0) <= found["perplexity"].high
    sure = replace(subject, token_log_probs=subject.token_log_probs.like(np.full(3, -1e9)))
    huge = Perplexity(PerplexityConfig()).evaluate(sure, data, context()).values
    assert math.isfinite(huge["perplexity"].value)


@pytest.mark.parametrize(
    ("evaluator", "config", "name"),
    [
        (TokenAccuracy, TokenAccuracyConfig, "token_accuracy"),
        (Perplexity, PerplexityConfig, "perplexity"),
    ],
)
def test_seeds_are_joined_and_compared(evaluator, config, name, context):
    rng = np.random.default_rng(1)
    data = data_of(["x"] * 50)
    seeds, better = [], []
    for seed in (0, 1, 2):
        hits = [rng.random(3) < 0.5 for _ in range(50)]
        seeds.append(Observation(seed, data, scored(data, [-np.ones(3)] * 50, hits)))
        more = [row | (rng.random(3) < 0.5) for row in hits]
        better.append(Observation(seed, data, scored(data, [-np.ones(3) / 2] * 50, more)))
    measure = evaluator(config(**FEW))
    joined = measure.aggregate(seeds, context())
    each = [measure.evaluate(s.subject, s.data, context()).values[name].value for s in seeds]
    assert joined.values[name].value == pytest.approx(np.mean(each))
    assert [row[name] for row in joined.tables["seeds"]] == pytest.approx(each)
    moved = measure.compare(seeds, better, context()).values
    only = next(iter(moved.values()))
    assert (only.low > 0) if name == "token_accuracy" else only.value == pytest.approx(-0.5)


def test_what_was_not_scored_has_no_value(context):
    data = data_of(["red"])
    found = TokenAccuracy(TokenAccuracyConfig()).evaluate(said(data, ["red"]), data, context())
    assert found.values["token_accuracy"].value is None
    assert "not scored" in found.values["token_accuracy"].reason


def test_a_supervisor_that_writes_otherwise_than_the_floor_is_compared_with_it() -> None:
    data = data_of([f"yes {i}" for i in range(60)])

    def right(many: int) -> LabelSet:
        return said(data, [f"yes {i}" if i < many else "no" for i in range(60)])

    roles = {"weak_floor": right(20), "strong_ceiling": right(55)}
    alike = Pgr(PgrConfig())._measure(
        [Observation(0, data, right(40), roles | {"supervisor": right(20)})]
    )
    other = Pgr(PgrConfig())._measure(
        [Observation(0, data, right(40), roles | {"supervisor": right(35)})]
    )
    assert "pgr_assisted" not in alike.values
    assert other.values["pgr_assisted"].value == pytest.approx(5 / 20)
