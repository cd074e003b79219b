"""Every hook a plugin can implement. This file is the plugin author's reference.

A plugin is an importable module named in the entry-point group ``w2s_toolkit`` of its
distribution::

    [project.entry-points.w2s_toolkit]
    my-lab = "my_lab.plugin"

It marks its functions with :data:`hookimpl` and must stay light: import torch, transformers or
any client inside the component, never in the module that registers it. The built-in plugins are
registered in just this way.

Registration hooks take no arguments and return an iterable of :class:`Component`. Hooks fire only
in the coordinating process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pluggy

if TYPE_CHECKING:
    import click

PROJECT = "w2s_toolkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Component(NamedTuple):
    """What a plugin says about one component, cheap to make and to list.

    Attributes:
        name: the word a recipe writes after ``use:``.
        target: ``"module:Class"``, imported only when a stage needs it; called with the config.
        config: ``"module:Model"``, a :class:`~w2s_toolkit.config.ComponentConfig` in a module
            that imports nothing heavy, so that a recipe is checked without torch.
        version: raise it whenever the same config and inputs can give another result; it is part
            of every key.
        summary: one line for ``w2s plugins ls``.
        needs: capabilities that the models it names must have: ``generate``, ``choice_probs``,
            ``train``; ``"assistant:generate"`` asks it only of the model in field ``assistant``.
        uses_gold: config fields whose split it reads gold labels from; everything else it is
            given is blind.
        requires: import names that must be installed for ``target`` to be imported.
        extra: the extra of ``w2s-toolkit`` (or a full requirement) that brings ``requires``.
        reads_meta: config fields of an oversight protocol or a supervisor that name an entry of each row's
            ``meta``, such as a passage; it sees these entries of the rows that it helps with or labels, and
            no others.
    """

    name: str
    target: str
    config: str
    version: str
    summary: str
    needs: tuple[str, ...] = ()
    uses_gold: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str = ""
    reads_meta: tuple[str, ...] = ()


class RecipeFile(NamedTuple):
    """A recipe that a plugin ships. ``path`` is absolute."""

    name: str
    path: str
    summary: str


class Finding(NamedTuple):
    """One line of ``w2s doctor``.

    Attributes:
        name: what was looked at, in a word or two.
        status: ``ok``; ``warn`` for what a user should know; ``fail`` for what keeps runs from
            working. Any ``fail`` makes the command end with exit code 1.
        message: what was found, in one sentence. Never a secret: say that there is a token, not
            which.
        next_step: what to do about it, where possible a command; needed unless ``ok``.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    next_step: str = ""


# --- registration -----------------------------------------------------------------------------


@hookspec
def w2s_models() -> Iterable[Component]:  # type: ignore[empty-body]
    """Models that a recipe can name in ``models:``.

    The config derives from :class:`~w2s_toolkit.config.ModelConfig`: it answers fingerprint and
    capabilities without loading weights. Example::

        @hookimpl
        def w2s_models():
            yield Component("ngram", "my_lab.ngram:NGram", "my_lab.config:NGramConfig", "1",
                            "A smoothed n-gram model.")
    """


@hookspec
def w2s_tasks() -> Iterable[Component]:  # type: ignore[empty-body]
    """Data sets turned into examples (:class:`~w2s_toolkit.contracts.Task`).

    Example::

        @hookimpl
        def w2s_tasks():
            yield Component("riddles", "my_lab.riddles:Riddles", "my_lab.config:RiddlesConfig",
                            "1", "Riddles with two candidate answers.")
    """


@hookspec
def w2s_supervisors() -> Iterable[Component]:  # type: ignore[empty-body]
    """Weak teachers (:class:`~w2s_toolkit.contracts.Supervisor`).

    Example::

        @hookimpl
        def w2s_supervisors():
            yield Component("keyword", "my_lab.keyword:Keyword", "my_lab.config:KeywordConfig",
                            "1", "Labels by counting words.", uses_gold=("train_on",))
    """


@hookspec
def w2s_ensemblers() -> Iterable[Component]:  # type: ignore[empty-body]
    """Ways to train and combine several supervisors (:class:`~w2s_toolkit.contracts.Ensembler`).

    Example::

        @hookimpl
        def w2s_ensemblers():
            yield Component("pasting", "my_lab.pasting:Pasting", "my_lab.config:PastingConfig",
                            "1", "Members on samples drawn without replacement.")
    """


@hookspec
def w2s_oversight_protocols() -> Iterable[Component]:  # type: ignore[empty-body]
    """Protocols that add evidence to examples (:class:`~w2s_toolkit.contracts.OversightProtocol`).

    Example::

        @hookimpl
        def w2s_oversight_protocols():
            yield Component("lookup", "my_lab.lookup:Lookup", "my_lab.config:LookupConfig", "1",
                            "Adds a dictionary entry for each rare word.")
    """


@hookspec
def w2s_refiners() -> Iterable[Component]:  # type: ignore[empty-body]
    """Steps between labelling and training (:class:`~w2s_toolkit.contracts.Refiner`).

    Example::

        @hookimpl
        def w2s_refiners():
            yield Component("top_half", "my_lab.filter:TopHalf", "my_lab.config:TopHalfConfig",
                            "1", "Keeps the more confident half of the labels.")
    """


@hookspec
def w2s_students() -> Iterable[Component]:  # type: ignore[empty-body]
    """Strong learners trained on weak labels (:class:`~w2s_toolkit.contracts.Student`).

    Example::

        @hookimpl
        def w2s_students():
            yield Component("ridge", "my_lab.ridge:Ridge", "my_lab.config:RidgeConfig", "1",
                            "Ridge regression on frozen features.", needs=("train",))
    """


@hookspec
def w2s_evaluators() -> Iterable[Component]:  # type: ignore[empty-body]
    """Measures of a model or of labels (:class:`~w2s_toolkit.contracts.Evaluator`).

    Example::

        @hookimpl
        def w2s_evaluators():
            yield Component("f1", "my_lab.f1:F1", "my_lab.config:F1Config", "1", "Macro F1.")
    """


@hookspec
def w2s_executors() -> Iterable[Component]:  # type: ignore[empty-body]
    """Ways to start the process of a stage (:class:`~w2s_toolkit.contracts.Executor`).

    Example::

        @hookimpl
        def w2s_executors():
            yield Component("slurm", "my_lab.slurm:Slurm", "my_lab.config:SlurmConfig", "1",
                            "One srun a stage.")
    """


@hookspec
def w2s_recipes() -> Iterable[RecipeFile]:  # type: ignore[empty-body]
    """Recipes for ``w2s recipes ls`` and ``w2s run NAME``.

    Example::

        @hookimpl
        def w2s_recipes():
            folder = Path(__file__).parent / "recipes"
            yield RecipeFile("riddles", str(folder / "riddles.yaml"), "Riddles, small to large.")
    """


@hookspec
def w2s_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """More commands for ``w2s``. Called only when an unknown command or the help is asked for.

    Example::

        @hookimpl
        def w2s_commands():
            from my_lab.cli import leaderboard
            yield leaderboard
    """


@hookspec
def w2s_doctor() -> Iterable[Finding]:  # type: ignore[empty-body]
    """What a plugin knows about this machine, asked only by ``w2s doctor``.

    Devices, services, accounts: whatever its components need to work. It may import what is heavy,
    inside the function, and take some seconds. An error in it becomes a finding. Example::

        @hookimpl
        def w2s_doctor():
            key = "set" if os.environ.get("MY_LAB_KEY") else "not set"
            yield Finding("my-lab", "ok" if key == "set" else "warn", f"MY_LAB_KEY is {key}",
                          "" if key == "set" else "export MY_LAB_KEY=...")
    """


# --- questions: the first answer that is not None counts ----------------------------------------


@hookspec(firstresult=True)
def w2s_should_stop(history: Sequence[Mapping[str, Any]], phase: str) -> bool | None:
    """Whether a repeated phase should end before its next round.

    ``history`` holds one mapping a finished round, oldest first: ``round``, ``promoted`` and the
    round's metrics. ``True`` stops, ``False`` goes on whatever later plugins say, ``None`` has no
    opinion. Example::

        @hookimpl
        def w2s_should_stop(history, phase):
            if len(history) >= 2 and not any(h["promoted"] for h in history[-2:]):
                return True
    """


@hookspec(firstresult=True)
def w2s_price(model: Mapping[str, Any], usage: Mapping[str, int]) -> float | None:
    """The price in US dollars of a hosted model's usage; ``None`` where it is not known here.

    ``model`` holds ``use``, ``id`` and ``base_url`` (the endpoint); ``usage`` holds ``prompt_tokens``
    and ``completion_tokens``. It is asked when a recipe is checked, for a million tokens of each kind,
    and only of models whose entry has no ``price``. Example::

        @hookimpl
        def w2s_price(model, usage):
            if model["id"] == "house-model":
                return 1e-6 * (usage["prompt_tokens"] + 2 * usage["completion_tokens"])
    """


# --- observers: their errors are logged and never break a run ------------------------------------


@hookspec
def w2s_run_started(run: Mapping[str, Any]) -> None:
    """A run begins. ``run`` holds ``id``, ``dir``, ``recipe`` and ``stages`` (their number).

    Example::

        @hookimpl
        def w2s_run_started(run):
            print("started", run["id"])
    """


@hookspec
def w2s_stage_started(run: Mapping[str, Any], stage: Mapping[str, Any]) -> None:
    """A stage begins. ``stage`` holds ``id``, ``kind``, ``component`` and ``key``.

    Example::

        @hookimpl
        def w2s_stage_started(run, stage):
            print("begin", stage["id"])
    """


@hookspec
def w2s_stage_finished(run: Mapping[str, Any], stage: Mapping[str, Any]) -> None:
    """A stage is done. ``stage`` also holds ``status`` and ``seconds``.

    ``status`` is ``ran``, ``cached``, ``failed``, ``stopped``, or ``partial`` for one that the budget stopped.

    Example::

        @hookimpl
        def w2s_stage_finished(run, stage):
            print(stage["status"], stage["id"], stage["seconds"])
    """


@hookspec
def w2s_round_finished(run: Mapping[str, Any], round: Mapping[str, Any]) -> None:
    """A round of a repeated phase is done. ``round`` holds ``phase``, ``index``, ``promoted``, ``metrics``.

    Example::

        @hookimpl
        def w2s_round_finished(run, round):
            print(round["phase"], round["index"], round["promoted"])
    """


@hookspec
def w2s_run_finished(run: Mapping[str, Any], results: Mapping[str, Any] | None) -> None:
    """A run ended. ``run["status"]`` is ``done``, ``failed``, ``stopped`` or ``partial``; ``results`` is ``results.json``.

    Example::

        @hookimpl
        def w2s_run_finished(run, results):
            if run["status"] == "done":
                print(len(results["rows"]), "results in", run["dir"])
    """


KINDS: dict[str, str] = {
    "models": "w2s_models",
    "tasks": "w2s_tasks",
    "supervisors": "w2s_supervisors",
    "ensemblers": "w2s_ensemblers",
    "oversight": "w2s_oversight_protocols",
    "refiners": "w2s_refiners",
    "students": "w2s_students",
    "evaluators": "w2s_evaluators",
    "executors": "w2s_executors",
}
"""Component kind -> the hook that registers it."""
