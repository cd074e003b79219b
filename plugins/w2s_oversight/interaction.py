"""The protocol ``interaction``: a weak model asks, a strong one answers, and the weak one judges with that."""

from __future__ import annotations

from w2s_oversight.cases import Case
from w2s_oversight.config import InteractionConfig
from w2s_oversight.talk import Protocol, Speech, Talk
from w2s_toolkit.evidence import View
from w2s_toolkit.transcripts import Turn


class Interaction(Protocol[InteractionConfig]):
    """Background from an assistant that sees neither the choices nor what anybody thinks of them.

    In each round the judge asks, or a fixed request is put, and the assistant answers. With
    ``confident`` a row is done as soon as the judge's probability reaches it.

    Source: Sang et al. 2024 (arXiv 2402.00667), section 3.2.
    """

    name = "interaction"
    compares = False

    async def hold(
        self, cases: list[Case], talk: Talk[InteractionConfig]
    ) -> dict[str, tuple[View, ...]]:
        """See :meth:`Protocol.hold`."""
        said: dict[str, list[Turn]] = {case.id: [] for case in cases}
        going = talk.alive(cases)
        for number in range(1, self.config.rounds + 1):
            if not going:
                break
            requests = await self._requests(going, talk, said, number)
            going = talk.alive(going)
            speeches = [
                Speech(
                    case,
                    "assistant",
                    number,
                    "answer",
                    self._so_far(case, talk, said) | {"request": requests[case.id]},
                )
                for case in going
            ]
            for turn in await talk.say("assistant", speeches):
                if turn is not None:
                    said[turn.example_id].append(turn)
            going = talk.alive(going)
            if number < self.config.rounds:
                going = await self._unsure(going, talk, said, number)
        for case in cases:
            talk.keep(said[case.id])
        done = talk.alive(cases)
        return {case.id: (View(self._evidence(case, talk, said)),) for case in done}

    async def _requests(
        self,
        cases: list[Case],
        talk: Talk[InteractionConfig],
        said: dict[str, list[Turn]],
        number: int,
    ) -> dict[str, str]:
        """What the assistant is asked about each row."""
        if self.config.asks == "fixed":
            return {case.id: talk.prompts.text("request", case.fields()) for case in cases}
        speeches = [
            Speech(case, "judge", number, "ask", self._so_far(case, talk, said)) for case in cases
        ]
        asked = {}
        for case, turn in zip(cases, await talk.say("judge", speeches), strict=True):
            if turn is not None:
                said[case.id].append(turn)
                asked[case.id] = talk.read(turn, case)
        return asked

    async def _unsure(
        self,
        cases: list[Case],
        talk: Talk[InteractionConfig],
        said: dict[str, list[Turn]],
        number: int,
    ) -> list[Case]:
        """Rows on which the judge is not confident yet."""
        if self.config.confident is None:
            return cases
        heard = [(case, self._evidence(case, talk, said)) for case in cases]
        verdicts = await talk.verdicts("judge", heard, f"confident/{number}")
        return [
            case
            for case, verdict in zip(cases, verdicts, strict=True)
            if verdict.status == "ok" and max(verdict.p) < self.config.confident
        ]

    def _so_far(
        self, case: Case, talk: Talk[InteractionConfig], said: dict[str, list[Turn]]
    ) -> dict[str, str]:
        names = {"assistant": "Assistant", "judge": "Question"}
        turns = [talk.told(turn, case, names[turn.speaker]) for turn in said[case.id]]
        return {"transcript": "\n\n".join(turns)}

    def _evidence(
        self, case: Case, talk: Talk[InteractionConfig], said: dict[str, list[Turn]]
    ) -> str:
        return talk.evidence(case, self._so_far(case, talk, said)["transcript"])
