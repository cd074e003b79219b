"""The ladder of verdicts: from probabilities that can be trusted down to a line of text.

A row's verdict comes from one rung in all its orders; which one is recorded. A rung that gives nothing for
one order gives nothing for the row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2s_oversight.asking import Asked, Asking, draw
from w2s_oversight.cases import Case, labels, listed
from w2s_oversight.config import Answers
from w2s_oversight.prompt_files import Prompts
from w2s_toolkit.contracts import ChatRequest, Message
from w2s_toolkit.evidence import View
from w2s_toolkit.transcripts import Verdict

_VERDICT = re.compile(r"^\s*\**verdict\**\s*:\**\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Settings:
    """How verdicts are come to; see :class:`JudgeConfig`."""

    answers: Answers
    rungs: tuple[str, ...] = ("score",)
    min_mass: float = 0.5
    samples: int = 8
    max_tokens: int = 400
    seed: int = 0
    shots: tuple[Mapping[str, Any], ...] = ()
    prompt: str = "judge"

    @property
    def sees_passage(self) -> bool:
        """A model asked for its own answer sees it; a judge sees of it what debaters quote."""
        return self.prompt == "direct"


@dataclass
class _Hearing:
    """One order of one case."""

    case: Case
    number: int
    view: View
    labels: list[str]
    messages: tuple[Message, ...]
    usage: dict[str, int] = field(default_factory=dict)

    def count(self, record: Mapping[str, Any]) -> None:
        for name, value in (record.get("usage") or {}).items():
            self.usage[name] = self.usage.get(name, 0) + int(value)


@dataclass(frozen=True)
class _Found:
    """What a rung gives for one order: probabilities in the order listed, and remarks."""

    p: list[float]
    method: str
    mass: float | None = None
    censored: bool = False


Rung = Callable[[Sequence[_Hearing], str], Awaitable[list[_Found | str]]]


def hearings(views: Sequence[View], choices: int, *, both: bool) -> list[View]:
    """The orders in which a case is heard; evidence without an order is heard with either list of choices."""
    forth = tuple(range(choices))
    found = [View(view.text, view.order) for view in views if view.order]
    if not found:
        texts = [view.text for view in views] or [""]
        found = [View(text, order) for text in texts for order in (forth, forth[::-1])]
    return found if both else found[:1]


class Ladder:
    """Comes to verdicts with one model.

    Args:
        asking: asks it.
        model: name by which ``asking`` knows it.
        prompts: files; ``settings.prompt`` names the one that is used.
    """

    def __init__(self, asking: Asking, model: str, prompts: Prompts, settings: Settings) -> None:
        self._asking, self._model = asking, model
        self._prompts, self._settings = prompts, settings
        self._rungs: dict[str, Rung] = {
            "score": self._score,
            "samples": self._samples,
            "schema": self._schema,
            "verdict": self._line,
        }

    async def verdicts(
        self, cases: Sequence[tuple[Case, Sequence[View]]], place: str
    ) -> list[Verdict]:
        """One verdict a case. ``place`` tells these questions from others about the same rows."""
        heard = [
            [self._hearing(case, number, view) for number, view in enumerate(views)]
            for case, views in cases
        ]
        found: dict[int, list[_Found]] = {}
        reasons = dict[int, str]()
        for rung in self._settings.rungs:
            left = [
                number
                for number, (case, _) in enumerate(cases)
                if number not in found and case.id not in self._asking.dropped
            ]
            if rung == "schema" and left and not self._asking.can(self._model, "schema"):
                continue
            flat = [hearing for number in left for hearing in heard[number]]
            answers = iter(await self._rungs[rung](flat, f"{place}/{rung}"))
            for number in left:
                some = [next(answers) for _ in heard[number]]
                if all(isinstance(one, _Found) for one in some):
                    found[number] = [one for one in some if isinstance(one, _Found)]
                else:
                    reasons[number] = next(one for one in some if isinstance(one, str))
        return [
            self._verdict(case, heard[number], found.get(number), reasons.get(number, ""))
            for number, (case, _) in enumerate(cases)
        ]

    def _hearing(self, case: Case, number: int, view: View) -> _Hearing:
        names = labels(self._settings.answers, case.choices, view.order)
        values = self.values(case, view, names)
        values["shots"] = "".join(self._shot(shot, number) for shot in self._settings.shots)
        messages = self._prompts.messages(self._settings.prompt, values)
        return _Hearing(case, number, view, names, messages)

    def values(self, case: Case, view: View, names: Sequence[str]) -> dict[str, str]:
        """Fields of the judge's prompt."""
        return {
            **case.fields(),
            "passage": case.passage if self._settings.sees_passage else "",
            "choices": listed(self._settings.answers, case.choices, view.order),
            "labels": " or ".join(names),
            "evidence": view.text,
        }

    def _shot(self, shot: Mapping[str, Any], number: int) -> str:
        views = [View(view["text"], tuple(view["order"])) for view in shot["views"]]
        view = views[number % len(views)]
        case = Case(**shot["case"] | {"choices": tuple(shot["case"]["choices"])})
        names = labels(self._settings.answers, case.choices, view.order)
        answer = names[view.order.index(shot["gold"])]
        values = self.values(case, view, names) | {"answer": answer}
        return self._prompts.text("shot", values) + "\n\n"

    def _asked(self, hearing: _Hearing, place: str, **request: Any) -> Asked:
        seed = draw(self._settings.seed, place, hearing.case.id, hearing.number)
        values: dict[str, Any] = {"max_tokens": self._settings.max_tokens, "seed": seed, **request}
        key = f"{place}/{hearing.case.id}/{hearing.number}/{values.get('sample_index', 0)}"
        return Asked(key, hearing.case.id, ChatRequest(hearing.messages, **values))

    # --- rungs: each gives, for every hearing, what it found or why it found nothing ----------------

    async def _score(self, heard: Sequence[_Hearing], place: str) -> list[_Found | str]:
        asked = [self._asked(one, place, max_tokens=1, seed=None) for one in heard]
        records = await self._asking.scores(self._model, asked, [one.labels for one in heard])
        return _each(heard, records, self._from_scores)

    def _from_scores(self, one: _Hearing, record: Mapping[str, Any]) -> _Found | str:
        if record["log_probs"] is None:
            return "the model gives no log-probabilities"
        if record["source"] == "likelihood":
            return _Found(_softmax(record["log_probs"]), "likelihood", record["mass"])
        if record["mass"] < self._settings.min_mass or all(record["censored"]):
            return f"all answers together have probability {record['mass']:.3f}"
        cut = any(record["censored"])
        return _Found(_softmax(record["log_probs"]), "logprobs", record["mass"], cut)

    async def _samples(self, heard: Sequence[_Hearing], place: str) -> list[_Found | str]:
        many = self._settings.samples
        asked = [
            self._asked(one, place, temperature=1.0, sample_index=number)
            for one in heard
            for number in range(many)
        ]
        records = iter(await self._asking.texts(self._model, asked))
        found = list[_Found | str]()
        for one in heard:
            votes = [0] * len(one.labels)
            for record in (next(records) for _ in range(many)):
                if record is not None:
                    one.count(record)
                    if (place_of := named(record["text"], one)) is not None:
                        votes[place_of] += 1
            total = sum(votes)
            if not total:
                found.append(f"none of {many} samples names an answer")
                continue
            p = [(vote + 1) / (total + len(votes)) for vote in votes]
            found.append(_Found(p, "samples", total / many))
        return found

    async def _schema(self, heard: Sequence[_Hearing], place: str) -> list[_Found | str]:
        asked = [self._asked(one, place, schema=_schema_for(one.labels)) for one in heard]
        records = await self._asking.texts(self._model, asked)
        return _each(heard, records, lambda one, said: _from_json(said["text"], one.labels))

    async def _line(self, heard: Sequence[_Hearing], place: str) -> list[_Found | str]:
        records = await self._asking.texts(self._model, [self._asked(one, place) for one in heard])
        return _each(heard, records, lambda one, said: _from_line(said["text"], one))

    def _verdict(
        self, case: Case, heard: Sequence[_Hearing], found: Sequence[_Found] | None, reason: str
    ) -> Verdict:
        usage: dict[str, int] = {}
        for one in heard:
            for name, value in one.usage.items():
                usage[name] = usage.get(name, 0) + value
        if found is None:
            reason = self._asking.dropped.get(case.id) or reason or "no rung gave a verdict"
            return Verdict(case.id, (), None, "none", status="unscored", reason=reason, usage=usage)
        per_order = list[dict[str, Any]]()
        for one, answer in zip(heard, found, strict=True):
            aligned = [0.0] * len(case.choices)
            for place, index in enumerate(one.view.order):
                aligned[index] = answer.p[place]
            per_order.append({"order": list(one.view.order), "p": aligned})
        each = [order["p"] for order in per_order]
        p = tuple(math.fsum(column) / len(each) for column in zip(*each, strict=True))
        tops = {_top(one) for one in each}
        masses = [answer.mass for answer in found if answer.mass is not None]
        return Verdict(
            case.id,
            p,
            _top(p),
            found[0].method,
            mass=min(masses, default=None),
            censored=any(answer.censored for answer in found),
            per_order=tuple(per_order),
            flipped=len(tops) > 1,
            usage=usage,
        )


def named(text: str, hearing: _Hearing) -> int | None:
    """The place of the answer that a text gives: by its last verdict, or as all it says."""
    lines = _VERDICT.findall(text)
    return _place(lines[-1] if lines else text, hearing)


def _place(answer: str, hearing: _Hearing) -> int | None:
    """The place that an answer names by label or by choice; None unless it is exactly one."""
    said = _bare(answer)
    by_label = [place for place, label in enumerate(hearing.labels) if _bare(label) == said]
    by_choice = [
        place
        for place, index in enumerate(hearing.view.order)
        if _bare(hearing.case.choices[index]) == said
    ]
    places = by_label or by_choice
    return places[0] if len(places) == 1 else None


def _bare(text: str) -> str:
    return text.strip().strip("*\"'`.,:;!()[] ").casefold()


def _schema_for(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "answer": {"type": "string", "enum": list(names)},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "required": ["answer", "confidence"],
        "additionalProperties": False,
    }


def _each(
    heard: Sequence[_Hearing],
    records: Sequence[Mapping[str, Any] | None],
    find: Callable[[_Hearing, Mapping[str, Any]], _Found | str],
) -> list[_Found | str]:
    """What each hearing's answer says; an answer counts whether or not it says anything."""
    found = list[_Found | str]()
    for one, record in zip(heard, records, strict=True):
        if record is None:
            found.append("the request failed")
            continue
        one.count(record)
        found.append(find(one, record))
    return found


def _from_line(text: str, one: _Hearing) -> _Found | str:
    lines = _VERDICT.findall(text)
    at = _place(lines[-1], one) if lines else None
    if at is None:
        return "no line says VERDICT: and an answer"
    return _Found([float(place == at) for place in range(len(one.labels))], "verdict")


def _from_json(text: str, names: Sequence[str]) -> _Found | str:
    try:
        said = json.loads(text)
        at, confidence = list(names).index(said["answer"]), float(said["confidence"])
    except (ValueError, KeyError, TypeError):
        return "the answer is not the JSON that was asked for"
    if not 0 <= confidence <= 1:
        return f"a confidence of {confidence} is no probability"
    rest = (1 - confidence) / (len(names) - 1)
    return _Found([confidence if place == at else rest for place in range(len(names))], "schema")


def _softmax(log_probs: Sequence[float]) -> list[float]:
    top = max(log_probs)
    parts = [math.exp(value - top) for value in log_probs]
    total = math.fsum(parts)  # exact, so that permuted choices get the same bits
    return [part / total for part in parts]


def _top(p: Sequence[float]) -> int:
    return max(range(len(p)), key=lambda index: p[index])
