"""Which supervisors can be members of an ensemble, and what it may choose and be asked by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s_toolkit.config import AlignerConfig, EnsemblerConfig, EvaluatorConfig, SupervisorConfig
from w2s_toolkit.recipe.problems import Problems

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Phase


def check_members(phase: Phase, problems: Problems) -> None:
    """Note supervisors that cannot be members of the phase's ensemble, or that nothing combines."""
    if phase.ensemble is None:
        if len(phase.supervisors) > 1:
            problems.add(
                (*phase.path, "supervisors"),
                f"{len(phase.supervisors)} supervisors label one pool, but nothing combines them",
                "add ensemble: {use: bagging}, or write a phase for each",
            )
        return
    ensemble = phase.ensemble.config
    configs = [use.config for use in phase.trained]
    _check_untrained(phase, ensemble, problems)
    needs_val = isinstance(ensemble, EnsemblerConfig) and ensemble.needs_val
    if needs_val and not any(getattr(config, "choose_on", None) for config in (ensemble, *configs)):
        problems.add(
            phase.ensemble.path,
            f"{phase.ensemble.name!r} chooses on gold labels, but no split is named for it",
            "set choose_on here or in the supervisor, such as choose_on: val",
        )
    most = ensemble.most_members() if isinstance(ensemble, EnsemblerConfig) else None
    if most is not None and most < len(phase.supervisors):
        left = phase.supervisors[most]
        problems.add(
            left.path,
            f"{len(phase.supervisors)} supervisors take turns as members, but {phase.ensemble.name!r} "
            f"has only {most}: this one would never be trained",
            "ask for as many members as supervisors, or leave some supervisors out",
        )
    for key in ("train_on", "choose_on"):
        if len({getattr(config, key) for config in configs}) > 1:
            problems.add(
                (*phase.path, "supervisors"),
                f"the trained supervisors of an ensemble have different {key}",
                "give all of them one split: out-of-bag rows and weights are rows of it",
            )


def _check_untrained(phase: Phase, ensemble: Any, problems: Problems) -> None:
    """Supervisors that are used as they come, and those that could not be trained as members."""
    assert phase.ensemble is not None
    # What is made of students is refused with the rounds.
    others = [use for use in phase.supervisors if not isinstance(use.config, AlignerConfig)]
    for use in others:
        if use in phase.trained and not getattr(use.config, "trains_members", bool)():
            problems.add(
                use.path,
                f"{use.name!r} cannot be trained as a member of an ensemble",
                "leave out its train_on, if it can do without, or use another supervisor",
            )
    untrained = [use for use in others if use not in phase.trained]
    if not untrained or not isinstance(ensemble, EnsemblerConfig):
        return
    if why := ensemble.needs_training(len(phase.trained), len(untrained)):
        problems.add(
            untrained[0].path,
            f"{untrained[0].name!r} here is trained on nothing, but {phase.ensemble.name!r} cannot "
            f"take it: {why[0]}",
            why[1],
        )
    for number, use in enumerate(untrained):
        if any((use.name, use.config) == (one.name, one.config) for one in untrained[:number]):
            problems.add(
                use.path,
                f"{use.name!r} says the same as another supervisor of the ensemble, which it repeats",
                "leave it out, and set as many members as there are supervisors",
            )


def check_scored(phase: Phase, problems: Problems) -> None:
    """Note evaluators that ask for what an ensemble cannot say."""
    ensemble = phase.ensemble.config if phase.ensemble else None
    if phase.ensemble is None or not isinstance(ensemble, EnsemblerConfig):
        return
    for use in phase.evaluate:
        if not isinstance(use.config, EvaluatorConfig) or ensemble.scores_tokens():
            continue
        if use.config.scored() and "supervisor" in use.config.measured():
            problems.add(
                use.path,
                f"{use.name!r} asks what the supervisor gives single tokens, which {phase.ensemble.name!r} "
                "cannot say as it is set",
                "leave it out, name other roles (roles: [student]), or combine members by their tokens",
            )


def check_choice(phase: Phase, supervisor: SupervisorConfig, problems: Problems) -> None:
    """Note a choice that would be made on rows that members are trained on."""
    ensemble = phase.ensemble.config if phase.ensemble else None
    if phase.ensemble is None or not isinstance(ensemble, EnsemblerConfig):
        return
    chosen = ensemble.choose_on or supervisor.choose_on
    if ensemble.needs_val and chosen is not None and chosen == supervisor.train_on:
        problems.add(
            phase.ensemble.path,
            f"{phase.ensemble.name!r} would choose on {chosen!r}, on which its members are trained",
            "set choose_on to a split that they have not seen, such as choose_on: val",
        )
