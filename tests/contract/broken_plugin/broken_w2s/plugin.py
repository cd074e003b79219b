"""Registration."""

from w2s_toolkit import Component, hookimpl

SUPERVISORS = (
    "Fine", "Peeks", "NeedsGold", "DropsARow", "AddsARow", "ByPosition", "ByBatch", "FailsOnNothing",
    "GlobalRandom", "MovesGlobalRandom", "SpinsOnHash", "NotANumber", "Nan", "NotOne", "DoubleCount",
    "NoCount", "NegativeCount", "WritesInputs", "Unseeded", "FalseNeutral", "Forgetful", "Lax",
    "Stuck", "PathByName", "BadValidator", "Accepts", "NoMethod", "UnstableKey", "SilentAbstention", "OtherClasses",
)  # fmt: skip
FITTED = (
    "Fitted",
    "Pickles",
    "CountsGold",
    "AbsoluteFolder",
    "KeepsInMemory",
    "TrustsScratch",
    "StepsAtRandom",
)
STUDENTS = ("TrainsOnAbstained", "OtherCeiling")


@hookimpl
def w2s_supervisors():
    for name in SUPERVISORS:
        yield _component(name, "supervisors")
    for name in FITTED:
        yield _component(name, "fitted", uses_gold=("train_on",))


@hookimpl
def w2s_students():
    for name in STUDENTS:
        yield _component(name, "students")


@hookimpl
def w2s_refiners():
    for name in ("RanksAbstained", "NoiseByPosition", "Careless"):
        yield _component(name, "others")


@hookimpl
def w2s_oversight_protocols():
    yield _component("Rewrites", "others")


@hookimpl
def w2s_evaluators():
    for name in (
        "LastRow",
        "OutOfBounds",
        "TwoClassesOnly",
        "ScoresAbstained",
        "NoReason",
        "Sums",
        "NeedsReference",
    ):
        yield _component(name, "others")


@hookimpl
def w2s_tasks():
    for name in ("TellsGold", "CutsGroups", "NumberedIds", "NoGold", "OneClass", "PathInMeta"):
        yield _component(name, "others")


@hookimpl
def w2s_models():
    for name in ("NamedByPath", "OddChoices"):
        yield _component(name, "others")


@hookimpl
def w2s_executors():
    for name in ("Raises", "Reseeds", "OneJob"):
        yield _component(name, "others")


@hookimpl
def w2s_ensemblers():
    for name in (
        "Pasting",
        "UnseededPasting",
        "SampleBySize",
        "NoMembers",
        "NeedsVal",
        "OneNumber",
        "Impatient",
        "Moody",
    ):
        yield _component(name, "others")


def _component(name, module, *, uses_gold=()):
    return Component(
        f"broken_{name}",
        f"broken_w2s.{module}:{name}",
        f"broken_w2s.configs:{name}Config",
        "1",
        f"Breaks a contract: {name}.",
        uses_gold=uses_gold,
    )
