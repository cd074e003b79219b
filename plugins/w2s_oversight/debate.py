"""The protocol ``debate``: two debaters argue for opposite sides before a judge that knows less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from w2s_oversight.cases import Case
from w2s_oversight.config import DebateConfig
from w2s_oversight.talk import Protocol, Speech, Talk, other_side, sides_of
from w2s_toolkit.evidence import View
from w2s_toolkit.transcripts import Turn

PROMPTS = {1: "opening", 2: "critique"}
"""Prompt file of a round; all later ones are ``rebuttal``."""


def _verified(turn: Turn) -> float:
    """Share of a turn's quotes that are verified; less than any for a turn without one."""
    if not turn.quotes:
        return -1.0
    return sum(bool(quote["verified"]) for quote in turn.quotes) / len(turn.quotes)


@dataclass
class _Debate:
    """One debate about one row, in one order.

    ``speakers`` are the two debaters, first the one that speaks first, and ``side`` what each argues for.
    """

    case: Case
    order: int
    speakers: tuple[str, str]
    side: dict[str, int]
    turns: list[Turn] = field(default_factory=list)

    def name(self, turn: Turn, reader: str = "") -> str:
        """How a speaker is called: by its place, or by what it is to the reader."""
        if turn.speaker == "judge":
            return "Judge"
        if reader:
            return "You" if turn.speaker == reader else "Your opponent"
        return f"Debater {'AB'[self.speakers.index(turn.speaker)]}"


class Debate(Protocol[DebateConfig]):
    """Opening, critique, rebuttals; simultaneous or one after the other; best of several candidates.

    Which debater argues for which side is drawn for each row. A simultaneous debate does not depend on who is
    shown first, so one debate is shown in both orders; a sequential one is held in both.

    Source: Khan et al. 2024 (arXiv 2402.06782), sections 3 and 4; Kenton et al. 2024 (arXiv 2407.04622).
    """

    name = "debate"

    async def hold(
        self, cases: list[Case], talk: Talk[DebateConfig]
    ) -> dict[str, tuple[View, ...]]:
        """See :meth:`Protocol.hold`."""
        sides = await sides_of(talk, "debater", cases)
        debates = [
            debate
            for case in talk.alive(cases)
            if case.id in sides
            for debate in self._debates(case, sides[case.id], talk)
        ]
        for number in range(1, self.config.rounds + 1):
            if number > 1 and self.config.questions:
                await self._question(debates, talk, number)
            if self.config.turns == "simultaneous":
                await self._speak(debates, talk, number, [0, 1])
            else:
                await self._speak(debates, talk, number, [0])
                await self._speak(debates, talk, number, [1])
        for debate in debates:
            talk.keep(debate.turns)
        alive = {case.id for case in talk.alive(cases)}
        finished = [debate for debate in debates if debate.case.id in alive]
        return {
            row: tuple(view for debate in some for view in self._views(debate, talk))
            for row, some in groupby(finished, key=lambda debate: debate.case.id)
        }

    def _debates(
        self, case: Case, sides: tuple[int, int], talk: Talk[DebateConfig]
    ) -> list[_Debate]:
        """One debate about a row, or one in each order; who comes first is drawn."""
        first = sides[talk.coin("sides", case.id)]
        side = {"debater_0": first, "debater_1": other_side(first, sides)}
        speakers = ("debater_0", "debater_1")
        if talk.coin("first", case.id):
            speakers = ("debater_1", "debater_0")
        debates = [_Debate(case, 0, speakers, side)]
        if self.config.turns == "sequential":
            debates.append(_Debate(case, 1, speakers[::-1], side))
        return debates

    async def _speak(
        self,
        debates: Sequence[_Debate],
        talk: Talk[DebateConfig],
        number: int,
        places: Sequence[int],
    ) -> None:
        """The turns of a round of those in these places, all at once."""
        said = list[tuple[_Debate, Turn]]()
        for model, speaker in (("debater", "debater_0"), ("opponent", "debater_1")):
            model = model if getattr(self.config, model) else "debater"
            some = [
                debate
                for debate in self._alive(debates, talk)
                if debate.speakers.index(speaker) in places
            ]
            speeches = [
                self._speech(debate, speaker, talk, number, sample)
                for debate in some
                for sample in range(self.config.best_of)
            ]
            turns = await talk.say(model, speeches)
            for at, debate in enumerate(some):
                own = turns[at * self.config.best_of : (at + 1) * self.config.best_of]
                said += [(debate, turn) for turn in own if turn is not None]
        await self._choose(said, talk, number)

    def _speech(
        self, debate: _Debate, speaker: str, talk: Talk[DebateConfig], number: int, sample: int
    ) -> Speech:
        case, side = debate.case, debate.side[speaker]
        other = next(s for s in debate.side.values() if s != side)
        fields = {
            "other": case.choices[other],
            "transcript": self._transcript(debate, talk, speaker),
        }
        prompt = PROMPTS.get(number, "rebuttal")
        return Speech(case, speaker, number, prompt, fields, debate.order, side, sample)

    async def _choose(
        self, said: Sequence[tuple[_Debate, Turn]], talk: Talk[DebateConfig], number: int
    ) -> None:
        """Add turns to their debates; of several candidates the one that the scorer finds best."""
        if self.config.best_of == 1:
            for debate, turn in said:
                debate.turns.append(turn)
            return
        if self.config.scorer == "quotes":
            scores: list[float | None] = [_verified(turn) for _, turn in said]
        else:
            scores = await self._believed(said, talk, number)
        best: dict[tuple[str, int, str], tuple[float, int]] = {}
        for (_, turn), score in zip(said, scores, strict=True):
            if score is not None:
                key = (turn.example_id, turn.order, turn.speaker)
                candidate = (score, -turn.sample)
                best[key] = max(best.get(key, candidate), candidate)
        for debate, turn in said:
            key = (turn.example_id, turn.order, turn.speaker)
            taken = key in best and -best[key][1] == turn.sample
            debate.turns.append(turn if taken else replace(turn, visibility="nobody"))

    async def _believed(
        self, said: Sequence[tuple[_Debate, Turn]], talk: Talk[DebateConfig], number: int
    ) -> list[float | None]:
        """The probability that the judge gives the side of each candidate, after what was said so far."""
        heard = [
            (debate.case, self._evidence(replace(debate, turns=[*debate.turns, turn]), talk))
            for debate, turn in said
        ]
        # One place for each candidate, so that no two questions about a row share a key.
        by_place: dict[str, list[int]] = {}
        for at, (debate, turn) in enumerate(said):
            place = f"best/{debate.order}/{number}/{turn.speaker}/{turn.sample}"
            by_place.setdefault(place, []).append(at)
        found: list[float | None] = [None] * len(said)
        for place, rows in by_place.items():
            verdicts = await talk.verdicts("judge", [heard[at] for at in rows], place)
            for at, verdict in zip(rows, verdicts, strict=True):
                side = said[at][1].side
                assert side is not None
                if verdict.status == "ok":
                    found[at] = verdict.p[side]
        return found

    async def _question(
        self, debates: Sequence[_Debate], talk: Talk[DebateConfig], number: int
    ) -> None:
        """The judge asks both debaters something before a round."""
        some = self._alive(debates, talk)
        speeches = [
            Speech(
                debate.case,
                "judge",
                number,
                "question",
                {"transcript": self._transcript(debate, talk)},
                debate.order,
            )
            for debate in some
        ]
        for debate, turn in zip(some, await talk.say("judge", speeches), strict=True):
            if turn is not None:
                debate.turns.append(turn)

    def _alive(self, debates: Sequence[_Debate], talk: Talk[DebateConfig]) -> list[_Debate]:
        return [one for one in debates if one.case.id not in talk.asking.dropped]

    def _transcript(self, debate: _Debate, talk: Talk[DebateConfig], reader: str = "") -> str:
        """What was said, by rounds; within one by who is shown first."""
        shown = [turn for turn in debate.turns if turn.visibility == "all"]
        places = {"judge": -1, **{speaker: at for at, speaker in enumerate(debate.speakers)}}
        shown.sort(key=lambda turn: (turn.round, places[turn.speaker]))
        told = [talk.told(turn, debate.case, debate.name(turn, reader)) for turn in shown]
        return "\n\n".join(told)

    def _evidence(self, debate: _Debate, talk: Talk[DebateConfig]) -> str:
        first, second = (debate.case.choices[debate.side[s]] for s in debate.speakers)
        names = f"Debater A argues for: {first}\nDebater B argues for: {second}"
        turns = self._transcript(debate, talk)
        return talk.evidence(debate.case, turns, names=names, answer=first, other=second)

    def _views(self, debate: _Debate, talk: Talk[DebateConfig]) -> list[View]:
        """The debate as the judge sees it: a simultaneous one with either debater first."""
        shown = [debate]
        if self.config.turns == "simultaneous":
            shown.append(replace(debate, speakers=debate.speakers[::-1]))
        return [View(self._evidence(one, talk), self._order(one)) for one in shown]

    def _order(self, debate: _Debate) -> tuple[int, ...]:
        """Choices as they are listed: those argued for by who is shown first, then the others."""
        argued = [debate.side[speaker] for speaker in debate.speakers]
        return (*argued, *(i for i in range(len(debate.case.choices)) if i not in argued))
