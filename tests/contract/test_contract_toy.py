"""The toy plugin, written as a third party would, keeps every contract."""

from __future__ import annotations

from w2s_toolkit.testing import (
    EnsemblerContract,
    EvaluatorContract,
    ModelContract,
    OversightContract,
    RefinerContract,
    StudentContract,
    SupervisorContract,
)


class TestToyModel(ModelContract):
    use = "toy"
    bad_configs = [{"letters": "many"}]


class TestToyBayes(SupervisorContract):
    use = "toy_bayes"
    config = {"model": "weak", "train_on": "weak_train", "choose_on": "val"}
    models = {"weak": {"use": "toy", "letters": 1}}
    other_values = {"sleep": 0.01}
    fixed = {"fail": "it makes the component fail"}


class TestToyStudent(StudentContract):
    use = "toy_student"
    config = {"model": "strong"}
    models = {"strong": {"use": "toy"}}
    other_values = {"sleep": 0.01}
    fixed = {"fail": "it makes the component fail"}


class TestToyLinear(StudentContract):
    use = "toy_linear"
    config = {"model": "strong"}
    models = {"strong": {"use": "toy"}}


class TestToyHint(OversightContract):
    use = "toy_hint"


class TestToyBag(EnsemblerContract):
    use = "toy_bag"


class TestToySharpen(RefinerContract):
    use = "toy_sharpen"


class TestToyMean(EvaluatorContract):
    use = "toy_mean"
    bounds = {"mean_p": (0.0, 1.0)}
