from __future__ import annotations

import numpy as np
import pytest

from w2s_metrics.agreement import Agreement
from w2s_metrics.config import AgreementConfig
from w2s_toolkit.contracts import Observation

AGREEMENT = Agreement(AgreementConfig(replicates=1000))


def test_split_by_weak_right_and_wrong(make_data, right_on, context):
    data = make_data(np.arange(10) % 2)
    weak, student = right_on(data, range(6)), right_on(data, [0, 1, 2, 6])
    values = AGREEMENT.evaluate(student, data, context(supervisor=weak)).values
    # Weak right on 0..5, student with it on 0, 1, 2; weak wrong on 6..9, student with it on 7, 8, 9.
    assert (values["agreement_weak_right"].value, values["agreement_weak_right"].n) == (0.5, 6)
    assert (values["agreement_weak_wrong"].value, values["agreement_weak_wrong"].n) == (0.75, 4)
    assert (values["agreement"].value, values["agreement"].n) == (0.6, 10)
    assert all(v.low < v.value < v.high and not v.reason for v in values.values())


def test_supervisor_without_errors_has_no_weak_wrong(make_data, right_on, context):
    data = make_data([0, 1])
    weak = right_on(data, [0, 1])
    found = AGREEMENT.evaluate(weak, data, context(supervisor=weak)).values
    assert found["agreement_weak_wrong"].value is None
    assert found["agreement_weak_wrong"].reason == "there is no such row"
    assert found["agreement"].value == 1.0


def test_abstaining_rows_are_left_out_of_all(make_data, right_on, context):
    data = make_data(np.arange(10) % 2)
    weak = right_on(data, range(6), abstain=[0])
    student = right_on(data, range(6), abstain=[9])
    values = AGREEMENT.evaluate(student, data, context(supervisor=weak)).values
    assert [values[k].n for k in values] == [8, 5, 3]
    assert "2 rows are not answered by both" in values["agreement"].reason


def test_no_supervisor_has_no_value(make_data, right_on, context):
    data = make_data([0, 1])
    found = AGREEMENT.evaluate(right_on(data, [0]), data, context()).values["agreement"]
    assert found.value is None and "supervisor" in found.reason


def test_mean_over_seeds(make_data, right_on, context):
    data = make_data(np.arange(100) % 2)
    weak = right_on(data, range(60))
    seeds = [
        Observation(s, data, right_on(data, range(k)), {"supervisor": weak})
        for s, k in enumerate((60, 80))
    ]
    found = AGREEMENT.aggregate(seeds, context())
    assert found.values["agreement"].value == pytest.approx(0.9)
    assert found.values["agreement_weak_wrong"].value == pytest.approx(0.75)
    assert [r["agreement_weak_wrong"] for r in found.tables["seeds"]] == [1.0, 0.5]


def test_different_rows_are_said(make_data, right_on, context):
    seeds = []
    for seed, prefix in enumerate("ab"):
        data = make_data(np.arange(20) % 2, prefix=prefix)
        weak = right_on(data, range(12))
        seeds.append(Observation(seed, data, right_on(data, range(15)), {"supervisor": weak}))
    assert "within each seed" in AGREEMENT.aggregate(seeds, context()).values["agreement"].reason
