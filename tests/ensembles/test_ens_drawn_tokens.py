"""Token boosting that draws tokens by their weights and masks the others."""

from __future__ import annotations

import numpy as np
import pytest
from scripted import TOKENS, Scripted, answers, knows_what_weighs_most, nothing

from w2s_ensembles.config import TokenBoostingConfig
from w2s_ensembles.token_boosting import TokenBoosting


def asked(ctx, members=None, **settings):
    """What members were asked to be, by number; and what was built."""
    members = members or Scripted(knows_what_weighs_most, nothing)
    config = TokenBoostingConfig(**{"rounds": 2, "cross_fit": 0, **settings})
    ref = TokenBoosting(config).build(members, answers(), None, ctx)
    return {one["index"]: one for one in members.asked}, ref


def as_lists(requests):
    return {
        index: (one["rows"], one["variation"], np.array(one["token_weights"]).tolist())
        for index, one in requests.items()
    }


def first_two_tokens(asked, data):
    """Members that know the first two tokens of each answer, whatever they were trained on."""
    return np.tile([True, True, False], (len(data), 1))


def test_tokens_are_drawn_in_proportion_to_their_weights(context):
    counts = []
    for seed in range(60):
        members = Scripted(first_two_tokens, nothing)
        requests, ref = asked(context(seed), members, reweight="resample")
        counts.append([np.array(requests[number]["token_weights"]) for number in (0, 1)])
    drawn = np.array(counts)  # (seeds, rounds, rows, tokens)
    assert (drawn.sum((2, 3)) == 40 * TOKENS).all()  # as many as there are
    assert np.array_equal(drawn, np.round(drawn)) and (drawn == 0).any((2, 3)).all()
    shares = drawn.sum((0, 2)) / drawn.sum((0, 2, 3))[:, None]
    np.testing.assert_allclose(shares[0], [1 / 3] * 3, atol=0.015)
    # The weight of what the first expert got wrong is what the bare model's error was, 5/6.
    np.testing.assert_allclose(shares[1], [1 / 12, 1 / 12, 5 / 6], atol=0.015)
    # A sample says nothing of errors: these are of all tokens, under their weights.
    assert ref.details["errors"][0] == pytest.approx(1 / 3)


def test_the_same_seed_draws_the_same_tokens(context):
    settings = {"reweight": "resample", "cross_fit": 2}
    first, again, other = (as_lists(asked(context(s), **settings)[0]) for s in (1, 1, 2))
    assert first == again and first != other
    drawn = [str(weights) for _, _, weights in first.values()]
    assert len(set(drawn)) == len(drawn) == 6  # experts and helpers draw each for themselves


def test_another_attempt_draws_other_tokens(context):
    members = Scripted(lambda asked, data: np.zeros((len(data), TOKENS), bool), nothing)
    requests, ref = asked(context(), members, reweight="resample", retries=2)
    drawn = {str(one["token_weights"]) for one in requests.values()}
    assert len(requests) == len(drawn) == 3
    # Where no attempt succeeds the first expert stays: the one that was tried first.
    assert len(ref.details["members"]) == 1
    assert len({(one["index"], str(one["token_weights"])) for one in members.asked}) == 3


def test_what_weighs_the_loss_is_asked_for_and_named_as_before(context):
    assert as_lists(asked(context())[0]) == as_lists(asked(context(), reweight="loss")[0])
    plain, drawn = (TokenBoostingConfig(reweight=way) for way in ("loss", "resample"))
    assert "reweight" not in plain.key_parts(str)
    assert drawn.key_parts(str) == {**plain.key_parts(str), "reweight": "resample"}
