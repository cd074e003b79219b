"""Long answers, sentence by sentence."""

from __future__ import annotations

import numpy as np
import pytest

from w2s_metrics.config import LongAnswersConfig
from w2s_metrics.long_answers import LongAnswers, rate
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo
from w2s_toolkit.errors import DataError

GOLD = "The fox is red. It smells of hay. It costs 12 coins."


@pytest.mark.parametrize(
    ("said", "completion", "correctness", "coherence"),
    [
        (GOLD, 1, 1, 1),
        ("It costs 12 coins. the fox is RED.", 2 / 3, 1, 1),  # order and form do not count
        ("It smells of hay. It smells of hay. It smells of hay.", 1 / 3, 1, 1 / 3),
        ("The fox is red. It smells of", 1 / 3, 1 / 2, 1 / 2),  # broken off
        ("The fox is blue. It costs 1.5 coins.", 0, 0, 1),
        ("", 0, 0, 0),
        ("  ", 0, 0, 0),
    ],
)
def test_sentences_are_counted(said, completion, correctness, coherence):
    assert rate(said, GOLD) == pytest.approx((completion, correctness, coherence))


def data(n=8):
    rows = [Example(f"e{i}", f"p{i}", gold_text=GOLD, group=f"g{i // 2}") for i in range(n)]
    return Dataset.from_examples(rows, TaskInfo("generation", (), ""), "test")


def said(of, texts, abstain=()):
    silent = np.isin(np.arange(len(of)), abstain)
    return LabelSet(of.ids, np.zeros((len(of), 0)), texts=texts, abstain=silent)


def test_rows_without_an_answer_are_left_out(context):
    of = data()
    texts = [GOLD, "The fox is red."] * 4
    measure = LongAnswers(LongAnswersConfig())
    found = measure.evaluate(said(of, texts, abstain=[1, 3]), of, context()).values
    assert found["completion"].value == pytest.approx((4 + 2 / 3) / 6)
    assert found["completion"].n == 6 and "2 of 8 rows" in found["completion"].reason
    assert found["completion"].low < found["completion"].value <= found["completion"].high
    nobody = measure.evaluate(said(of, texts, abstain=range(8)), of, context()).values
    assert nobody["coherence"].value is None


def test_seeds_are_joined_and_runs_compared(context):
    of = data()
    measure = LongAnswers(LongAnswersConfig(replicates=500))
    weak = [
        Observation(s, of, said(of, ["The fox is red."] * (8 - s) + [GOLD] * s)) for s in (1, 2)
    ]
    strong = [Observation(s, of, said(of, [GOLD] * 8, abstain=[s])) for s in (1, 2)]
    joined = measure.aggregate(weak, context())
    assert [row["completion"] for row in joined.tables["seeds"]] == pytest.approx(
        [10 / 24, 12 / 24]
    )
    assert joined.values["completion"].value == pytest.approx(11 / 24)
    moved = measure.compare(weak, strong, context()).values
    assert moved["completion"].value == pytest.approx(13 / 24)
    assert moved["completion"].low > 0
    assert measure.compare(weak, weak, context()).values["coherence"].value == 0


def test_what_has_no_sentences_is_refused(context):
    of = data(2)
    with pytest.raises(DataError, match="no generated answers"):
        LongAnswers(LongAnswersConfig()).evaluate(LabelSet(of.ids, np.zeros((2, 0))), of, context())
    info = TaskInfo("classification", ("no", "yes"), "")
    classes = Dataset.from_examples([Example("a", "p", ("no", "yes"), 0)], info, "test")
    found = LongAnswers(LongAnswersConfig()).evaluate(
        LabelSet(classes.ids, np.array([[1.0, 0.0]]), ("no", "yes")), classes, context()
    )
    assert found.values["coherence"].value is None


@pytest.mark.parametrize("text", ["你好。再见。", "“Yes.” I do.)", "Is it red? It is!"])
def test_an_answer_of_whole_sentences_is_all_of_itself(text):
    assert rate(text, text) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("text", ["...", ".", "  !? "])
def test_signs_alone_are_no_answer(text):
    assert rate(text, "A.") == (0.0, 0.0, 0.0)
