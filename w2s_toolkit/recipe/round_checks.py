"""Checks of phases in rounds, and of supervisors that are students of other phases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from w2s_toolkit.config import AlignerConfig, EvaluatorConfig, RefinerConfig
from w2s_toolkit.recipe.problems import Problems
from w2s_toolkit.recipe.references import NEXT, PREVIOUS, is_reference, parse_reference
from w2s_toolkit.registry import suggestion

if TYPE_CHECKING:
    from w2s_toolkit.recipe.checked import Cell, Phase, Use
    from w2s_toolkit.recipe.tree import Path_


def check_rounds(cell: Cell, problems: Problems) -> None:
    """Note every problem of rounds, ladders, folds, anchors and references to students."""
    for index, phase in enumerate(cell.phases):
        _check_shape(cell, phase, problems)
        _check_references(cell, index, phase, problems)
        _check_pool(cell, index, phase, problems)
        if phase.model.repeat and phase.model.repeat.promote:
            _check_anchor(cell, phase, problems)


def idle_rungs(cell: Cell) -> Iterator[str]:
    """Say which ladders have more students than there are rounds."""
    for phase in cell.phases:
        rounds = phase.model.repeat.max_rounds if phase.model.repeat else 0
        if rounds and len(phase.ladder) > rounds:
            left = len(phase.ladder) - rounds
            yield (
                f"the ladder of {phase.name!r} has {len(phase.ladder)} students for {rounds} "
                f"round{'s' * (rounds > 1)}: the last {left if left > 1 else 'one'} will not be trained"
            )


# --- rounds ------------------------------------------------------------------------------------


def _check_shape(cell: Cell, phase: Phase, problems: Problems) -> None:
    repeat, path = phase.model.repeat, phase.path
    if phase.ladder and phase.student:
        problems.add(
            (*path, "ladder"),
            "a phase has either one student or a ladder of them",
            "leave out student: or ladder:",
        )
    if repeat is None:
        if phase.ladder:
            what = "a ladder has one student a round, but the phase is not repeated"
            problems.add((*path, "ladder"), what, "add repeat: {max_rounds: …}, or name a student:")
        if not isinstance(phase.model.pool, str) and phase.model.pool.fold_by_round:
            what = "the pool is folded by round, but the phase is not repeated"
            problems.add((*path, "pool"), what, "add repeat: {max_rounds: …}, or leave it out")
        return
    if not phase.ladder and not phase.student:
        what = "a repeated phase trains a student in every round, but there is none"
        problems.add((*path, "repeat"), what, "add student:, or ladder: with one student a round")
    if phase.ladder and len(phase.ladder) < repeat.max_rounds:
        problems.add(
            (*path, "ladder"),
            f"the ladder has {len(phase.ladder)} students for {repeat.max_rounds} rounds",
            "add students, or lower repeat.max_rounds",
        )
    for use in phase.refine:
        rounds = use.config.rounds if isinstance(use.config, RefinerConfig) else None
        if rounds and not all(1 <= one <= repeat.max_rounds for one in rounds):
            what = f"rounds are counted from 1 to {repeat.max_rounds}"
            problems.add((*use.path, "rounds"), what, "correct the numbers, or leave rounds out")


def _check_pool(cell: Cell, index: int, phase: Phase, problems: Problems) -> None:
    size = cell.options.splits.get(phase.pool)
    path = (*phase.path, "pool")
    if phase.folds and isinstance(size, int) and size < 2 * phase.folds:
        problems.add(
            path,
            f"{phase.pool!r} has {size} rows, too few to be cut into {phase.folds} folds",
            "ask for more rows in task.splits, or for fewer rounds",
        )
    if phase.model.allow_overlap or not isinstance(phase.supervisor.config, AlignerConfig):
        return
    repeat = phase.model.repeat
    if repeat and repeat.max_rounds > 1 and not phase.folds:
        problems.add(
            path,
            f"from round 2 on the supervisor would label {phase.pool!r}, on which it was trained",
            f"write pool: {{split: {phase.pool}, fold_by_round: true}}, or allow_overlap: true",
        )
    for earlier in _ancestors(cell, index, phase):
        if earlier.pool == phase.pool:
            problems.add(
                path,
                f"the supervisor would label {phase.pool!r}, on which it was trained in phase "
                f"{earlier.name!r}",
                "name another split, or set allow_overlap: true in the phase",
            )


def _ancestors(cell: Cell, index: int, phase: Phase) -> Iterator[Phase]:
    """The phases whose students supervise a phase, directly or through others."""
    while index > 0:
        name = _named(phase)
        before = [p for p in cell.phases[:index] if p.name == name] if name else []
        found = before[0] if before else (cell.phases[index - 1] if name == "" else None)
        if found is None:
            return
        yield found
        index, phase = cell.phases.index(found), found


def _named(phase: Phase) -> str | None:
    """The phase that a supervisor made of students begins with; empty for the one before."""
    config = phase.supervisor.config
    if not isinstance(config, AlignerConfig):
        return None
    try:
        return parse_reference(
            phase.model.repeat.start if phase.model.repeat else config.model
        ).phase
    except ValueError:
        return None


# --- references --------------------------------------------------------------------------------


def _check_references(cell: Cell, index: int, phase: Phase, problems: Problems) -> None:
    repeat, config = phase.model.repeat, phase.supervisor.config
    for use in phase.supervisors if phase.ensemble else ():
        if isinstance(use.config, AlignerConfig):
            problems.add(
                use.path,
                f"{use.name!r} is made of earlier students and cannot be a member of an ensemble",
                "leave out ensemble:; generations: all joins the students that were promoted",
            )
    for use in (*phase.supervisors, *phase.oversight):
        for field in use.config.uses("model"):
            if is_reference(field.value) and not isinstance(use.config, AlignerConfig):
                _check_speaker(phase, use, (*use.path, *field.location), str(field.value), problems)
    if not isinstance(config, AlignerConfig):
        if repeat and repeat.start != PREVIOUS:
            problems.add(
                (*phase.path, "repeat", "start"),
                f"{phase.supervisor.name!r} is made of no students, so nothing starts with one",
                "leave start out, or use a supervisor such as auto_aligner",
            )
        return
    at = (*phase.supervisor.path, "model")
    if repeat and config.model != PREVIOUS:
        problems.add(
            at,
            "in a repeated phase the supervisor is @prev.student, the student promoted last",
            f"set model: {PREVIOUS!r}, and repeat.start: {config.model!r} for the first round",
        )
    where = (*phase.path, "repeat", "start") if repeat else at
    _check_student(cell, index, where, repeat.start if repeat else config.model, problems)


def _check_speaker(phase: Phase, use: Use, path: Path_, value: str, problems: Problems) -> None:
    """A reference outside of a supervisor that is made of students."""
    if value != NEXT or use not in phase.oversight:
        problems.add(
            path,
            f"{use.name!r} cannot use {value!r}",
            "name an entry of models:; trained students are for supervisors such as auto_aligner, "
            "and @next.student is for oversight",
        )
    elif not (phase.student or phase.ladder):
        problems.add(path, "there is no student that could be meant", "name an entry of models:")


def _check_student(cell: Cell, index: int, path: Path_, text: str, problems: Problems) -> None:
    try:
        name = parse_reference(text).phase
    except ValueError as error:
        what, _, step = str(error).partition("; ")
        problems.add(path, what, step)
        return
    if not name and index == 0:
        problems.add(
            path,
            "there is no phase before this one whose student could supervise",
            "put a phase with a student before it, or use a supervisor such as finetuned",
        )
        return
    earlier = {p.name: p for p in cell.phases[:index]}
    if name and name not in earlier:
        later = name in [p.name for p in cell.phases]
        what = "comes no earlier than this one" if later else "does not exist"
        near = suggestion(name, earlier)
        step = f"name one of the phases before: {', '.join(earlier) or 'there is none'}"
        problems.add(path, f"phase {name!r} {what}{near}", step)
        return
    found = earlier[name] if name else cell.phases[index - 1]
    if not (found.student or found.ladder):
        what = f"phase {found.name!r} trains no student that could supervise"
        problems.add(path, what, "give it a student:, or name another phase")


# --- the anchor set ----------------------------------------------------------------------------


def _check_anchor(cell: Cell, phase: Phase, problems: Problems) -> None:
    repeat = phase.model.repeat
    assert repeat is not None and repeat.promote is not None
    promote, path = repeat.promote, (*phase.path, "repeat", "promote")
    if promote.on not in cell.options.splits:
        problems.add(
            (*path, "on"),
            f"task.splits has no split {promote.on!r}{suggestion(promote.on, cell.options.splits)}",
            f"it holds: {', '.join(cell.options.splits)}",
        )
        return
    if promote.on.startswith("test"):
        problems.add(
            (*path, "on"),
            f"promotion would be decided on {promote.on!r}, on which results are measured",
            "add a split anchor to task.splits and name it here",
        )
    size, shares = cell.options.splits[promote.on], [promote.calibration_share or 1.0]
    shares.append(1 - promote.calibration_share)
    if isinstance(size, int) and min(shares) * size < 2:
        problems.add(
            (*path, "on"),
            f"{promote.on!r} has {size} rows, too few to calibrate supervisors and to test promotions",
            "ask for more rows in task.splits (1,000 or more are advisable), or change calibration_share",
        )
    for user, at, what in _trained_on(cell, promote.on):
        own = user is phase or _same_cut(user, phase)
        if what == "calibrates" and own and promote.calibration_share:
            continue
        if what == "calibrates" and own:
            what = "calibrates, and calibration_share: 0 leaves no rows for it"
        problems.add(
            at,
            f"{promote.on!r} is kept to test promotions in phase {phase.name!r}, but here it {what}",
            "name another split, or another one in promote.on",
        )
    measured = [u.config for u in phase.evaluate if isinstance(u.config, EvaluatorConfig)]
    if promote.bounds and not any(
        c.on == promote.on and "student" in c.measured() for c in measured
    ):
        problems.add(
            (*path, "bounds"),
            f"no evaluator of the phase measures the student on {promote.on!r}",
            f"add one to evaluate:, such as {{use: drift, on: {promote.on}}}",
        )


def _same_cut(one: Phase, other: Phase) -> bool:
    """Whether both cut the same split in the same way, so that they calibrate on the same part."""
    cuts = [
        (p.model.repeat.promote.on, p.model.repeat.promote.calibration_share)
        for p in (one, other)
        if p.model.repeat and p.model.repeat.promote
    ]
    return len(cuts) == 2 and cuts[0] == cuts[1]


def _trained_on(cell: Cell, split: str) -> Iterator[tuple[Phase, Path_, str]]:
    """Where a split trains or chooses anything: phase, place in the recipe, and what it does."""
    for phase in cell.phases:
        if phase.pool == split:
            yield phase, (*phase.path, "pool"), "is labelled and trains a student"
        for use in (*phase.supervisors, *((phase.ensemble,) if phase.ensemble else ())):
            for name in ("train_on", "choose_on"):
                if getattr(use.config, name, None) == split:
                    aligner = isinstance(use.config, AlignerConfig)
                    what = "calibrates" if aligner else "trains or chooses a supervisor"
                    yield phase, (*use.path, name), what
        for use in phase.refine:
            for field in use.config.uses("split"):
                if field.value == split:
                    yield phase, (*use.path, *field.location), "calibrates"
