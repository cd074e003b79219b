"""Registration: light."""

from toy_w2s import faults
from w2s_toolkit import Component, hookimpl

faults.install()


@hookimpl
def w2s_stage_started(stage):
    faults.now_in(stage["kind"])


@hookimpl
def w2s_stage_finished(stage):
    faults.now_in("")


@hookimpl
def w2s_models():
    yield Component(
        "toy", "toy_w2s.words:ToyModel", "toy_w2s.config:ToyModelConfig", "1", "Counts words."
    )


@hookimpl
def w2s_supervisors():
    yield Component(
        "toy_bayes",
        "toy_w2s.words:BayesSupervisor",
        "toy_w2s.config:BayesSupervisorConfig",
        "1",
        "Naive Bayes on the first letters of words.",
        needs=("train",),
        uses_gold=("train_on", "choose_on"),
    )


@hookimpl
def w2s_students():
    yield Component(
        "toy_student",
        "toy_w2s.words:BayesStudent",
        "toy_w2s.config:BayesStudentConfig",
        "1",
        "Naive Bayes on words.",
        needs=("train",),
    )
    yield Component(
        "toy_linear",
        "toy_w2s.words:LinearStudent",
        "toy_w2s.config:LinearStudentConfig",
        "1",
        "Ridge regression on words.",
        needs=("train",),
    )


@hookimpl
def w2s_ensemblers():
    yield Component("toy_bag", "toy_w2s.words:Bag", "toy_w2s.config:BagConfig", "1", "Bagging.")


@hookimpl
def w2s_oversight_protocols():
    yield Component(
        "toy_hint", "toy_w2s.words:Hint", "toy_w2s.config:HintConfig", "1", "Adds a hint."
    )


@hookimpl
def w2s_refiners():
    yield Component(
        "toy_sharpen",
        "toy_w2s.words:Sharpen",
        "toy_w2s.config:SharpenConfig",
        "1",
        "Sharpens labels by a power fitted on gold.",
        uses_gold=("on",),
    )


@hookimpl
def w2s_evaluators():
    yield Component(
        "toy_mean", "toy_w2s.words:MeanP", "toy_w2s.config:MeanPConfig", "1", "Mean probability."
    )
