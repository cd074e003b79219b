"""Failure signatures that come from comparing students, losses, members of ensembles, and judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any, NamedTuple

Row = Mapping[str, Any]

NEAR = 0.01
"""A student this near to its ceiling has nothing left to gain from its size."""


class Score(NamedTuple):
    """The accuracy of one role in one combination and phase."""

    model: str
    value: float
    low: float | None
    high: float | None


class Place(NamedTuple):
    """A combination of axes and a phase, what it used, and its accuracies by role."""

    group: Mapping[str, Any]
    phase: str
    used: Mapping[str, Any]
    scores: Mapping[str, Score]


def comparisons(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Named warnings: ``no_gain_from_size``, ``logconf_below_xent``, ``ensemble_no_better``,
    ``boosting_collapsed``, ``oversight_lowers_accuracy``."""
    places = _places(results)
    return [
        *_sizes(places, results.get("models") or ()),
        *_losses(places),
        *_oversight(places),
        *_ensembles(results),
    ]


def in_order(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Names in the order of ``wanted``; others stay behind, as they come."""
    places = {name: number for number, name in enumerate(wanted)}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def _sizes(places: Sequence[Place], models: Sequence[str]) -> list[dict[str, Any]]:
    """The largest student of a supervisor does no better than a smaller one.

    Recipes list models from weak to strong; those of which ceilings say otherwise are left alone.
    """
    taught: dict[tuple[str, str], dict[str, list[Place]]] = {}
    for place in places:
        if _alone(place, places) and {"supervisor", "student"} <= place.scores.keys():
            key = (repr(place.group), place.scores["supervisor"].model)
            taught.setdefault(key, {}).setdefault(place.scores["student"].model, []).append(place)
    out = []
    for (_, weak), students in taught.items():
        if len(students) < 2 or any(len(same) > 1 for same in students.values()):
            continue
        by_size = [students[name][0] for name in in_order(students, models)]
        last = by_size[-1]
        best = max(by_size[:-1], key=lambda place: place.scores["student"].value)
        own, other = last.scores["student"], best.scores["student"]
        ceiling, other_ceiling = (p.scores.get("strong_ceiling") for p in (last, best))
        if ceiling and other_ceiling and ceiling.value < other_ceiling.value - NEAR:
            continue  # not the larger one
        if own.value > other.value or (ceiling and own.value > ceiling.value - NEAR):
            continue
        scores = ", ".join(
            f"{p.scores['student'].model} {p.scores['student'].value:.3f}" for p in by_size
        )
        message = (
            f"students of growing size under {weak}: {scores}; the largest learns no more than "
            f"{other.model} from the same labels"
        )
        out.append(_said("no_gain_from_size", last, message))
    return out


def _alone(place: Place, places: Sequence[Place]) -> bool:
    """Whether a phase has no rounds: what supervises in them changes from one to the next."""
    rounds = {other.phase.partition("/")[0] for other in places if "/" in other.phase}
    return place.phase.partition("/")[0] not in rounds


def _losses(places: Sequence[Place]) -> list[dict[str, Any]]:
    """The confidence loss does worse than plain cross-entropy where nothing else differs."""
    out = []
    for place in places:
        if place.used.get("loss") != "logconf" or "student" not in place.scores:
            continue
        for other in places:
            if other.used.get("loss") == "xent" and _same_but_loss(place, other):
                a, b = place.scores["student"], other.scores.get("student")
                if b is not None and a.value < b.value:
                    message = f"logconf ({a.value:.3f}) does worse than xent ({b.value:.3f}){_doubt(a, b)}"
                    out.append(_said("logconf_below_xent", place, message))
    return out


def _same_but_loss(a: Place, b: Place) -> bool:
    def rest(place: Place) -> dict[str, Any]:
        return {
            k: v for k, v in place.group.items() if not k.split(".student.")[-1].startswith("loss")
        }

    if a.phase == b.phase:
        return a.group != b.group and rest(a) == rest(b)
    alike = all(a.used.get(k) == b.used.get(k) for k in ("oversight", "ensemble"))
    models = all(a.scores[r].model == b.scores[r].model for r in a.scores.keys() & b.scores.keys())
    return a.group == b.group and alike and models and "/" not in a.phase + b.phase


def _oversight(places: Sequence[Place]) -> list[dict[str, Any]]:
    """A supervisor with oversight, and no ensemble, does worse than the naive one without."""
    out = []
    for place in places:
        floor, judge = place.scores.get("weak_floor"), place.scores.get("supervisor")
        helped = place.used.get("oversight") and not place.used.get("ensemble")
        if not helped or floor is None or judge is None or "/" in place.phase:
            continue
        if judge.value < floor.value:
            protocols = " + ".join(place.used["oversight"])
            message = (
                f"with {protocols} the judge is right on {judge.value:.3f}, without it on "
                f"{floor.value:.3f}{_doubt(judge, floor)}"
            )
            out.append(_said("oversight_lowers_accuracy", place, message))
    return out


def _ensembles(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ensembles no better than their best member, and boosting that came to one member, over seeds."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    groups: dict[str, Mapping[str, Any]] = {}
    scored = {
        (repr(r["group"]), r["phase"], r["split"])
        for r in results["summary"]
        if r["metric"] == "accuracy" and r["role"] != "supervisor"
    }
    for one in results.get("ensembles") or []:
        axes = results["cells"][one["cell"]]["axes"]
        group = {k: v for k, v in axes.items() if k != "seed"}
        if (repr(group), one["phase"], one["split"]) not in scored:
            continue
        groups[repr(group)] = group
        found.setdefault((repr(group), one["phase"], one["split"]), []).append(one)
    out = []
    for (name, phase, split), ones in found.items():
        place = Place(groups[name], phase, {}, {})
        several = [one for one in ones if len(one["members"]) > 1 and one["best"] is not None]
        if several:
            whole = mean(one["accuracy"] for one in several)
            best = mean(one["best"] for one in several)
            usual = mean(mean(one["members"]) for one in several)
            if whole <= best:
                message = (
                    f"the ensemble ({whole:.3f}) is no better on {split} than its best member "
                    f"({best:.3f}, picked on one half of the rows and scored on the other; members "
                    f"are at {usual:.3f} on average)"
                )
                out.append(_said("ensemble_no_better", place, message))
        collapsed = [one for one in ones if "boost" in one["component"] and len(one["members"]) < 2]
        if collapsed:
            seeds = f" with {len(collapsed)} of {len(ones)} seeds" if len(ones) > 1 else ""
            message = (
                f"boosting came to a single member{seeds}: later rounds were no better than chance, had "
                "nothing left to correct, or did not help on validation data"
            )
            out.append(_said("boosting_collapsed", place, message))
    return out


def _places(results: Mapping[str, Any]) -> list[Place]:
    """All combinations and phases with accuracies on the split that students are scored on."""
    out: dict[tuple[str, str], Place] = {}
    for row in results["summary"]:
        key = (repr(row["group"]), row["phase"])
        if key not in out:
            rows = [r for r in results["summary"] if (repr(r["group"]), r["phase"]) == key]
            used = _used(results.get("settings") or [], row["group"], row["phase"])
            out[key] = Place(row["group"], row["phase"], used, _scores(rows))
    return list(out.values())


def _used(settings: Sequence[Row], group: Any, phase: str) -> Row:
    """The settings of a phase, or of the one that a round belongs to."""
    names = (phase, phase.partition("/")[0])
    return next((r for r in settings if r["group"] == group and r["phase"] in names), {})


def _scores(rows: Sequence[Row]) -> dict[str, Score]:
    own = [r for r in rows if r["metric"] == "accuracy" and r["value"] is not None]
    scored = [r["split"] for r in own if r["role"] == "student"] or [
        r["split"] for r in own if r["role"] != "supervisor"
    ]
    out: dict[str, Score] = {}
    for row in own:
        if row["split"] in scored[:1]:
            score = Score(
                str(row.get("model", "")), float(row["value"]), row.get("low"), row.get("high")
            )
            out.setdefault(row["role"], score)
    return out


def _doubt(a: Score, b: Score) -> str:
    """A remark where intervals overlap: then the difference may be chance."""
    if None in (a.low, a.high, b.low, b.high):
        return ""
    apart = float(a.high or 0) < float(b.low or 0) or float(b.high or 0) < float(a.low or 0)
    return "" if apart else "; their intervals overlap"


def _said(name: str, place: Place, message: str) -> dict[str, Any]:
    return {"name": name, "group": place.group, "phase": place.phase, "message": message}
