from __future__ import annotations

import math

import numpy as np
import pytest

from w2s_metrics.config import PgrConfig
from w2s_metrics.contrast import ratio_interval
from w2s_metrics.pgr import Pgr
from w2s_toolkit.contracts import Observation
from w2s_toolkit.data import Dataset, LabelSet, TaskInfo

PGR = Pgr(PgrConfig(replicates=4000))


@pytest.fixture
def measure(make_data, right_on, context):
    """PGR of 1000 rows of which floor, student and ceiling get the first so many right."""

    def run(weak, student, ceiling, *, supervisor=None, n=1000, pgr=PGR):
        data = make_data(np.arange(n) % 2)
        roles = {"weak_floor": weak, "strong_ceiling": ceiling, "supervisor": supervisor}
        references = {r: right_on(data, range(k)) for r, k in roles.items() if k is not None}
        return pgr.evaluate(right_on(data, range(student)), data, context(**references))

    return run


def seeds_of(data, right_on, scores):
    return [
        Observation(
            seed,
            data,
            right_on(data, range(s)),
            {"weak_floor": right_on(data, range(w)), "strong_ceiling": right_on(data, range(c))},
        )
        for seed, (w, s, c) in enumerate(scores)
    ]


def test_half_of_the_gap(measure):
    values = measure(600, 700, 800).values
    assert values["pgr"].value == pytest.approx(0.5)
    assert values["pgr"].low < 0.5 < values["pgr"].high
    assert values["pgr"].n == 1000
    assert values["gain"].value == pytest.approx(0.1)
    assert values["gap"].value == pytest.approx(0.2)
    assert [values[r].value for r in ("weak_floor", "student", "strong_ceiling")] == [0.6, 0.7, 0.8]


def test_student_below_its_floor_is_negative_and_not_clipped(measure):
    assert measure(600, 500, 800).values["pgr"].value == pytest.approx(-0.5)


def test_student_above_the_ceiling_is_more_than_one(measure):
    assert measure(600, 900, 800).values["pgr"].value == pytest.approx(1.5)


def test_gap_below_one_point_gives_no_value(measure):
    # 9 of 10,000 rows: far more than two standard errors, yet below 0.01.
    pgr = measure(6000, 6050, 6090, n=10_000).values["pgr"]
    assert pgr.value is None
    assert "0.0090, below 0.0100" in pgr.reason


def test_gap_of_exactly_one_point_is_enough_when_it_is_certain(measure):
    assert measure(6000, 6050, 6100, n=10_000).values["pgr"].value == pytest.approx(0.5)


def test_gap_within_two_standard_errors_gives_no_value(make_data, right_on, context):
    # 500 rows, floor right on 100..399, ceiling on 120..429: gap 10/500 = 0.02, discordant 50.
    data = make_data(np.arange(500) % 2)
    references = {"weak_floor": right_on(data, range(100, 400))}
    references["strong_ceiling"] = right_on(data, range(120, 430))
    pgr = PGR.evaluate(right_on(data, range(430)), data, context(**references)).values["pgr"]
    exact = 2 * math.sqrt(50 / 500 - 0.02**2) / math.sqrt(500)
    assert pgr.value is None
    assert float(pgr.reason.split("below ")[1].split(",")[0]) == pytest.approx(exact, rel=0.05)


def test_ceiling_below_the_floor_gives_no_value_but_a_gain(measure):
    values = measure(800, 900, 600).values
    assert values["pgr"].value is None
    assert "-0.2000" in values["pgr"].reason
    assert values["gain"].value == pytest.approx(0.1)


def test_assisted_supervisor_stands_beside_the_floor(measure):
    values = measure(600, 750, 800, supervisor=700).values
    assert values["pgr"].value == pytest.approx(0.75)
    assert values["pgr_assisted"].value == pytest.approx(0.5)
    assert values["supervisor"].value == 0.7


def test_supervisor_that_is_the_floor_is_not_repeated(measure):
    assert "pgr_assisted" not in measure(600, 700, 800, supervisor=600).values


def test_missing_baselines_are_named(make_data, right_on, context):
    data = make_data([0, 1])
    pgr = PGR.evaluate(right_on(data, [0]), data, context()).values["pgr"]
    assert pgr.value is None
    assert "weak_floor" in pgr.reason and "strong_ceiling" in pgr.reason


def test_rows_on_which_any_role_abstains_are_left_out(make_data, right_on, context):
    data = make_data(np.arange(100) % 2)
    roles = {
        "weak_floor": right_on(data, range(40), abstain=range(10)),
        "strong_ceiling": right_on(data, range(80), abstain=range(90, 100)),
    }
    values = PGR.evaluate(right_on(data, range(60), abstain=[50]), data, context(**roles)).values
    # Rows 10..89 without 50: floor 30, student 49, ceiling 69 of 79.
    assert values["pgr"].n == 79
    assert values["pgr"].value == pytest.approx((49 - 30) / (69 - 30))
    assert "21 of 100 rows" in values["pgr"].reason


def test_nothing_answered_gives_no_value(make_data, right_on, context):
    data = make_data([0, 1])
    roles = {r: right_on(data, [0], abstain=[0, 1]) for r in ("weak_floor", "strong_ceiling")}
    values = PGR.evaluate(right_on(data, [0]), data, context(**roles)).values
    assert values["pgr"].value is None and values["pgr"].n == 0


def test_several_seeds_use_mean_scores(make_data, right_on, context):
    data = make_data(np.arange(1000) % 2)
    scores = [(600, 700, 800), (620, 680, 800), (580, 720, 860)]
    found = PGR.aggregate(seeds_of(data, right_on, scores), context())
    assert found.values["pgr"].value == pytest.approx(100 / 220)
    assert found.values["pgr"].low < 100 / 220 < found.values["pgr"].high
    assert [row["pgr"] for row in found.tables["seeds"]] == pytest.approx([0.5, 1 / 3, 0.5])
    assert [row["student"] for row in found.tables["seeds"]] == [0.7, 0.68, 0.72]


def test_a_seed_without_a_gap_of_its_own_still_counts_in_the_mean(make_data, right_on, context):
    data = make_data(np.arange(1000) % 2)
    found = PGR.aggregate(
        seeds_of(data, right_on, [(600, 700, 800), (600, 700, 600)] * 3), context()
    )
    rows = found.tables["seeds"]
    assert rows[1]["pgr"] is None and "below" in rows[1]["reason"]
    assert found.values["gap"].value == pytest.approx(0.1)
    # The gap differs by 0.2 between seeds: the guard sees it on the aggregate.
    assert (found.values["pgr"].value is None) == (found.values["gap"].low <= 0)


def test_one_seed_aggregates_to_itself(make_data, right_on, context):
    data = make_data(np.arange(500) % 2)
    (seed,) = seeds_of(data, right_on, [(300, 350, 400)])
    alone = PGR.evaluate(seed.subject, data, context(**seed.references))
    assert PGR.aggregate([seed], context()).values == alone.values


def test_seeds_differ_so_the_interval_is_wider(make_data, right_on, context):
    data = make_data(np.arange(1000) % 2)
    same = PGR.aggregate(seeds_of(data, right_on, [(600, 700, 800)] * 3), context()).values["pgr"]
    scores = [(600, 640, 800), (600, 700, 800), (600, 760, 800)]
    apart = PGR.aggregate(seeds_of(data, right_on, scores), context()).values["pgr"]
    assert apart.high - apart.low > 1.5 * (same.high - same.low)


def test_different_test_rows_are_resampled_within_each_seed(make_data, right_on, context):
    sets = [make_data(np.arange(400) % 2, prefix=p) for p in "ab"]
    seeds = [seeds_of(d, right_on, [(240, 280, 320)])[0] for d in sets]
    pgr = PGR.aggregate(seeds, context()).values["pgr"]
    assert pgr.value == pytest.approx(0.5)
    assert "resampled within each seed" in pgr.reason
    # Independent rows halve the variance that the same rows would leave.
    together = PGR.aggregate(seeds_of(sets[0], right_on, [(240, 280, 320)] * 2), context())
    assert pgr.high - pgr.low < 0.85 * (together.values["pgr"].high - together.values["pgr"].low)


def test_row_order_changes_nothing(make_data, right_on, context):
    data = make_data(np.arange(300) % 2, per_group=3)
    scores = [(150, 200, 250), (160, 210, 240)]
    seeds = seeds_of(data, right_on, scores)
    order = np.random.default_rng(1).permutation(300)
    mixed = [
        Observation(
            s.seed,
            data.take(order),
            s.subject.take(order),
            {r: v.take(order[::-1]) for r, v in s.references.items()},
        )
        for s in seeds
    ]
    # One seed in its old order: items are joined by id.
    assert PGR.aggregate([mixed[0], seeds[1]], context()) == PGR.aggregate(seeds, context())


def test_class_swap_changes_nothing(make_data, right_on, context):
    data, swapped = make_data(np.arange(200) % 3 == 0), make_data(np.arange(200) % 3 != 0)
    found = [
        PGR.aggregate(seeds_of(d, right_on, [(100, 130, 160), (105, 120, 170)]), context())
        for d in (data, swapped)
    ]
    assert found[0] == found[1]


def test_interval_is_that_of_the_paired_differences(measure):
    # Nested answers: of the 2000 rows 200 are gained, 200 more are in the gap. By the delta
    # method for g/(g+h) with multinomial counts: var = p(1-p)/(g+h) with p = 1/2.
    pgr = measure(1200, 1400, 1600, n=2000).values["pgr"]
    half = 1.96 * math.sqrt(0.25 / 400)
    assert pgr.high - pgr.low == pytest.approx(2 * half, rel=0.08)


def test_interval_covers_the_truth_about_as_often_as_it_says(make_data, right_on, context):
    rng = np.random.default_rng(5)
    evaluator = Pgr(PgrConfig(replicates=400))
    data, covered, trials = make_data(np.arange(300) % 2), 0, 120
    for _ in range(trials):
        u = rng.random(300)
        roles = {"weak_floor": u < 0.6, "strong_ceiling": u < 0.9}
        made = {r: right_on(data, np.flatnonzero(hit)) for r, hit in roles.items()}
        pgr = evaluator.evaluate(right_on(data, np.flatnonzero(u < 0.75)), data, context(**made))
        covered += pgr.values["pgr"].low <= 0.5 <= pgr.values["pgr"].high
    assert 0.9 <= covered / trials <= 0.99


def test_vanishing_gaps_leave_an_end_open():
    gains = np.full(1000, 0.02)
    gaps = np.linspace(-0.002, 0.04, 1000)  # 4.7% of them are not positive
    low, high = ratio_interval(gains, gaps)
    assert low == pytest.approx(0.5, rel=0.05)
    assert high is None


def test_few_vanishing_gaps_leave_both_ends():
    gaps = np.linspace(-0.0004, 0.04, 1000)  # 1%
    low, high = ratio_interval(np.full(1000, 0.02), gaps)
    assert low is not None and high is not None and high > 5


def test_vanishing_gap_of_a_losing_student_opens_the_lower_end():
    low, high = ratio_interval(np.full(1000, -0.02), np.linspace(-0.002, 0.04, 1000))
    assert low is None and high is not None


def test_no_rows_are_explained(context):
    data = Dataset.from_examples([], TaskInfo("generation"), "test")
    subject = LabelSet((), np.zeros((0, 0)), texts=())
    assert "no rows" in PGR.evaluate(subject, data, context()).values["pgr"].reason
