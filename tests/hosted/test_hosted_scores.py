"""Scores by log-probabilities are those of the model itself, and what is not listed is not made up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

from asked import ask, questions, score
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_openai.scores import AROUND, choice_scores
from w2s_toolkit.contracts import ChatFailure

Make = Callable[..., Any]


def test_scores_equal_those_of_the_model_in_this_process(
    lab_api: Any, model: Make, context: Make
) -> None:
    url, api = lab_api
    requests = [*questions(4), ask("What color is the sea?"), ask("Is it true?")]
    choices: list[tuple[str, ...]] = []
    expected = []
    for request in requests:
        messages = [{"role": "user", "content": request.messages[0].content}]
        log_probs = api.next_log_probs(api.prompt(messages))
        best = [
            (api.tokenizer.decode([int(i)]), float(log_probs[i])) for i in log_probs.topk(20)[1]
        ]
        words: list[str] = []
        for token, _ in best:
            word = token.strip(AROUND)
            if word and not any(w.casefold().startswith(word[0].casefold()) for w in words):
                words.append(word)
        pair = tuple(words[:2])
        choices.append(pair)
        sums = [
            math.fsum(math.exp(v) for t, v in best if _speaks_for(t, word, pair)) for word in pair
        ]
        expected.append(sums)
    hosted = model(url, top_logprobs=20, min_mass=0)
    for found, sums in zip(score(hosted, context(), requests, choices), expected, strict=True):
        assert found.source == "logprobs" and found.censored == (False, False)
        assert [math.exp(v) for v in found.log_probs] == pytest.approx(sums, rel=1e-4)
        assert found.mass == pytest.approx(sum(sums), rel=1e-4)
        assert found.usage.completion_tokens == 1 and found.request_key


def _speaks_for(token: str, word: str, choices: tuple[str, ...]) -> bool:
    """Written without the code under test: the token is the word, or begins it alone."""
    bare = token.strip(AROUND).casefold()
    starts = [c for c in choices if bare and c.casefold().startswith(bare)]
    return starts == [word]


def test_scores_come_from_the_cache_the_second_time(
    proxied: Make, model: Make, context: Make
) -> None:
    with proxied() as proxy:
        hosted = model(proxy.url, top_logprobs=20, min_mass=0)
        first = score(hosted, context(), questions(3), [("A", "The")] * 3)
        again = score(hosted, context(), questions(3), [("A", "The")] * 3)
        assert sum(proxy.sent.values()) == 3
    assert first == again


def test_below_the_least_mass_there_is_no_score(lab_api: Any, model: Make, context: Make) -> None:
    hosted = model(lab_api[0], top_logprobs=20, min_mass=0.5)
    assert score(hosted, context(), questions(2), [("zebra", "quince")] * 2) == [None, None]


def test_an_endpoint_without_log_probabilities_is_not_asked(
    proxied: Make, model: Make, context: Make
) -> None:
    with proxied() as proxy:
        assert score(model(proxy.url), context(), questions(2), [("A", "B")] * 2) == [None, None]
        assert not proxy.sent


def test_an_endpoint_that_lost_its_log_probabilities_is_noticed(
    proxied: Make, model: Make, context: Make, lab_server: str
) -> None:
    from w2s_lab.family import folder

    hosted = model(lab_server, str(folder("lab-l")), top_logprobs=20)
    [found] = score(hosted, context(), questions(1), [("A", "B")])
    assert isinstance(found, ChatFailure) and found.code == "malformed"
    assert "w2s probe" in found.reason


TOP = [(" A", -0.5), ("A", -1.5), ("b", -3.0), ("The", -4.0), ("(a)", -5.0)]


def test_variants_of_a_label_are_summed_and_a_missing_one_is_censored() -> None:
    found = choice_scores(TOP, ["A", "B"])
    assert math.exp(found.log_probs[0]) == pytest.approx(sum(math.exp(v) for v in (-0.5, -1.5, -5)))
    assert found.log_probs[1] == pytest.approx(-3.0)
    missing = choice_scores(TOP, ["A", "C"])
    assert missing.censored == (False, True)
    listed = sum(math.exp(v) for _, v in TOP)
    assert math.exp(missing.log_probs[1]) == pytest.approx(max(1 - listed, math.exp(-5.0)))
    assert missing.mass == pytest.approx(math.exp(found.log_probs[0]))


def test_a_longer_label_is_met_by_its_beginning_unless_that_begins_another() -> None:
    top = [(" pos", -0.4), (" neg", -1.4), (" econ", -5.0)]
    found = choice_scores(top, ["positive", "negative"])
    assert found.log_probs == (pytest.approx(-0.4), pytest.approx(-1.4))
    unsure = choice_scores([("eco", -0.1), ("ecol", -3.0)], ["economy", "ecology"])
    assert unsure.censored == (True, False) and unsure.mass == pytest.approx(math.exp(-3.0))


def test_letter_case_counts_only_where_choices_differ_by_it() -> None:
    found = choice_scores([("a", -1.0), ("A", -2.0)], ["a", "A"])
    assert found.log_probs == (pytest.approx(-1.0), pytest.approx(-2.0))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text('aAbB (."▁', max_size=4), st.floats(-30, 0)), min_size=1, max_size=20
    ),
    st.permutations(["A", "B", "ab"]),
)
def test_scores_follow_their_choices_when_these_are_reordered(
    top: list[tuple[str, float]], choices: list[str]
) -> None:
    plain = dict(zip(["A", "B", "ab"], choice_scores(top, ["A", "B", "ab"]).log_probs, strict=True))
    turned = choice_scores(top, choices)
    assert dict(zip(choices, turned.log_probs, strict=True)) == pytest.approx(plain)
    assert 0 <= turned.mass <= 1
    assert all(value <= math.log(1.0) + 1e-6 or not cens for value, cens in zip(turned.log_probs, turned.censored, strict=True))  # fmt: skip
