"""Checks across the blocks of one cell: names, splits, leakage. No data is read here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s_toolkit.calls.prices import components
from w2s_toolkit.config import (
    AlignerConfig,
    EnsemblerConfig,
    EvaluatorConfig,
    ModelConfig,
    StudentConfig,
    SupervisorConfig,
)
from w2s_toolkit.recipe.member_checks import check_choice, check_members, check_scored
from w2s_toolkit.recipe.problems import Problems
from w2s_toolkit.recipe.references import is_reference
from w2s_toolkit.recipe.round_checks import check_rounds
from w2s_toolkit.recipe.token_checks import check_tokens
from w2s_toolkit.registry import AUTHORS, suggestion

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Cell, Phase, Use


def check_cell(cell: Cell, problems: Problems) -> None:
    """Note every problem of a cell whose blocks are each right on their own."""
    names = [p.name for p in cell.phases]
    for phase in cell.phases:
        if names.count(phase.name) > 1:
            problems.add(
                (*phase.path, "name"),
                f"two phases are called {phase.name!r}",
                "give each a name of its own: results are listed by it",
            )
        _check_base_classes(phase, problems)
        check_members(phase, problems)
        if phase.pool not in cell.options.splits:
            _unknown_split(cell, problems, (*phase.path, "pool"), phase.pool)
        for use in components(phase):
            _check_names(cell, use, problems)
        check_tokens(cell, phase, problems)
        check_scored(phase, problems)
        _check_leakage(phase, problems)
    for use in (*cell.models.values(), cell.task):
        _check_names(cell, use, problems)
    check_rounds(cell, problems)


def _check_base_classes(phase: Phase, problems: Problems) -> None:
    pairs: list[tuple[Use, type]] = [(use, SupervisorConfig) for use in phase.supervisors]
    pairs += [(phase.ensemble, EnsemblerConfig)] if phase.ensemble else []
    pairs += [(phase.student, StudentConfig)] if phase.student else []
    pairs += [(use, StudentConfig) for use in phase.ladder]
    pairs += [(use, EvaluatorConfig) for use in phase.evaluate]
    for use, base in pairs:
        if not isinstance(use.config, base):
            problems.add(
                use.path,
                f"the config of {use.called} does not derive from {base.__name__}",
                AUTHORS,
            )


def _check_names(cell: Cell, use: Use, problems: Problems) -> None:
    for field in use.config.uses("model"):
        if is_reference(field.value) and use.kind in ("supervisors", "oversight"):
            continue  # checked with the rounds
        if field.value not in cell.models:
            near = suggestion(str(field.value), cell.models)
            problems.add(
                (*use.path, *field.location),
                f"models: has no entry {field.value!r}{near}",
                f"it holds: {', '.join(cell.models) or 'nothing'}",
            )
            continue
        _check_capabilities(cell.models[str(field.value)], use, str(field.location[0]), problems)
    for field in use.config.uses("split"):
        if field.value not in cell.options.splits:
            _unknown_split(cell, problems, (*use.path, *field.location), str(field.value))


def _check_capabilities(model: Use, use: Use, field: str, problems: Problems) -> None:
    if not isinstance(model.config, ModelConfig):
        what = f"the config of {model.called} does not derive from ModelConfig"
        problems.add(model.path, what, AUTHORS)
        return
    needs = [need.rpartition(":") for need in use.component.needs]
    wanted = {capability for owner, _, capability in needs if owner in ("", field)}
    try:
        missing = sorted(wanted - model.config.capabilities())
    except Exception as error:  # whatever a plugin's config may raise
        what = f"{model.called} cannot say what it can: {type(error).__name__}: {error}"
        problems.add(model.path, what, AUTHORS)
        return
    if missing:
        problems.add(
            use.path,
            f"{use.name!r} needs a model that can {', '.join(missing)}; "
            f"models.{model.path[-1]} ({model.name}) cannot",
            "name another model, or another component",
        )


def _unknown_split(cell: Cell, problems: Problems, path: tuple[str | int, ...], name: str) -> None:
    problems.add(
        path,
        f"task.splits has no split {name!r}{suggestion(name, cell.options.splits)}",
        f"it holds: {', '.join(cell.options.splits)}",
    )


def _check_leakage(phase: Phase, problems: Problems) -> None:
    supervisor = phase.learner.config
    if not isinstance(supervisor, SupervisorConfig):
        return
    if supervisor.train_on == phase.pool and not phase.model.allow_overlap:
        problems.add(
            (*phase.learner.path, "train_on"),
            f"the supervisor would label {phase.pool!r}, on which it was trained",
            "train it on another split, or set allow_overlap: true in the phase",
        )
    for use in (phase.learner, phase.ensemble):
        chosen = getattr(use.config, "choose_on", None) if use else None
        if use and chosen == phase.pool and not phase.model.allow_overlap:
            problems.add(
                (*use.path, "choose_on"),
                f"the supervisor would label {phase.pool!r}, by whose gold labels it was chosen",
                "choose on another split, or set allow_overlap: true in the phase",
            )
    check_choice(phase, supervisor, problems)
    fitted = {str(f.value): use for use in phase.refine for f in use.config.uses("split")}
    learned = supervisor.train_on
    if learned in fitted and not isinstance(supervisor, AlignerConfig):
        problems.add(
            fitted[learned].path,
            f"{fitted[learned].name!r} would be fitted on {learned!r}, on which the supervisor was trained",
            "fit it on a split that the supervisor has not seen, such as val",
        )
    student = phase.student.config if phase.student else None
    watched = student.watched() if isinstance(student, StudentConfig) else None
    if phase.student and watched and watched.on == supervisor.train_on:
        problems.add(
            (*phase.student.path, "watch"),
            f"the supervisor would label {watched.on!r}, on which it was trained",
            "watch the student on another split",
        )
    repeat = phase.model.repeat
    kept = repeat.promote.on if repeat and repeat.promote else ""
    for use in phase.evaluate:
        if not isinstance(use.config, EvaluatorConfig) or use.config.on == kept:
            continue  # of an anchor set, what is measured on calibrates nothing
        on, roles = use.config.on, set(use.config.measured())
        taught, reason = phase.student or phase.ladder, ""
        if on == phase.pool and taught and roles & {"student", "strong_ceiling"}:
            reason = "the student trains on it"
        elif on == supervisor.train_on and roles - {"strong_ceiling"}:
            reason = "the supervisor trains on it"
        elif on == supervisor.choose_on and roles - {"strong_ceiling"}:
            reason = "it chooses the supervisor's checkpoint"
        elif phase.ensemble and on == getattr(phase.ensemble.config, "choose_on", None):
            reason = "it chooses size and weights of the ensemble"
        elif on in fitted and roles - {"strong_ceiling", "weak_floor"}:
            reason = f"{fitted[on].name!r} is fitted on it"
        if reason:
            problems.add(
                use.path,
                f"{use.name!r} would be measured on {on!r}, but {reason}",
                "measure on a split that nothing was trained or chosen on, or name other roles",
            )
