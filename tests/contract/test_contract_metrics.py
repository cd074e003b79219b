"""The built-in evaluators."""

from __future__ import annotations

from w2s_toolkit.testing import EvaluatorContract

SHARE = (0.0, 1.0)
RESAMPLES = {"bootstrap_seed": 5}
TOO_FEW = {"replicates": 0}


class TestAccuracy(EvaluatorContract):
    use = "accuracy"
    bounds = {"accuracy": SHARE}
    bad_configs = [TOO_FEW, {"on": "no_such_split"}, {"roles": ["nobody"]}]


class TestAuroc(EvaluatorContract):
    use = "auroc"
    bounds = {"auroc": SHARE}
    bad_configs = [TOO_FEW]


class TestPgr(EvaluatorContract):
    use = "pgr"
    config = {"replicates": 200}
    rows = 200
    bounds = {
        **dict.fromkeys(("weak_floor", "student", "strong_ceiling", "supervisor"), SHARE),
        "gain": (-1.0, 1.0),
        "gap": (-1.0, 1.0),
    }
    needs_no_answers = ("supervisor", "weak_floor", "strong_ceiling")
    bad_configs = [TOO_FEW]


class TestAgreement(EvaluatorContract):
    use = "agreement"
    bounds = dict.fromkeys(("agreement", "agreement_weak_right", "agreement_weak_wrong"), SHARE)


class TestCalibration(EvaluatorContract):
    use = "calibration"
    bounds = {"ece": SHARE, "brier": (0.0, 2.0), "nll": (0.0, None)}
    bad_configs = [{"bins": 0}, {"binning": "equal"}]
