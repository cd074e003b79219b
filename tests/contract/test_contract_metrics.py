"""The built-in evaluators."""

from __future__ import annotations

import numpy as np

from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.jagged import Jagged
from w2s_toolkit.testing import EvaluatorContract, tiny_dataset

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


class TestDrift(EvaluatorContract):
    use = "drift"
    config = {"replicates": 400}
    bounds = {
        **dict.fromkeys(("kept", "flips", "prior_shift", "ece"), SHARE),
        "over_supervisor": (-1.0, 1.0),
    }
    bad_configs = [TOO_FEW, {"confident": 2.0}]


class TestCalibration(EvaluatorContract):
    use = "calibration"
    bounds = {"ece": SHARE, "brier": (0.0, 2.0), "nll": (0.0, None)}
    bad_configs = [{"bins": 0}, {"binning": "equal"}]


class WrittenContract(EvaluatorContract):
    """Measures of generated answers, on answers of which three in four are right."""

    def make_data(self, name: str) -> Dataset:
        return tiny_dataset(self.rows, name=name, kind="generation")

    def subject(self, data: Dataset) -> LabelSet:
        rows = np.arange(len(data))
        texts = [
            e.gold_text or "" if row % 4 else "no idea" for row, e in zip(rows, data, strict=True)
        ]
        hits = Jagged.of([[row % 4 > 0, row % 3 > 0] for row in rows], np.bool_)
        log_probs = hits.like(np.where(hits.flat, -0.1, -2.0))
        nothing, silent = np.zeros((len(data), 0)), rows % 10 == 9
        if self.use in ("exact_match", "long_answers"):
            return LabelSet(data.ids, nothing, texts=texts, abstain=silent)
        return LabelSet(
            data.ids, nothing, token_log_probs=log_probs, token_hits=hits, abstain=silent
        )


class TestExactMatch(WrittenContract):
    use = "exact_match"
    bounds = {"exact_match": SHARE}
    bad_configs = [TOO_FEW]


class TestLongAnswers(WrittenContract):
    use = "long_answers"
    bounds = {"completion": SHARE, "correctness": SHARE, "coherence": SHARE}
    bad_configs = [TOO_FEW]


class TestTokenAccuracy(WrittenContract):
    use = "token_accuracy"
    bounds = {"token_accuracy": SHARE}
    bad_configs = [TOO_FEW]


class TestPerplexity(WrittenContract):
    use = "perplexity"
    bounds = {"perplexity": (1.0, None), "answer_nll": (0.0, None)}
    bad_configs = [TOO_FEW]
