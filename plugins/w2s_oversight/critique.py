"""The protocols ``critique`` and ``answer_only``: an assistant's answer, with and without a dissenter."""

from __future__ import annotations

from w2s_oversight.cases import Case
from w2s_oversight.config import AnswerOnlyConfig, CritiqueConfig
from w2s_oversight.talk import Protocol, Speech, Talk
from w2s_toolkit.evidence import View
from w2s_toolkit.transcripts import Turn

Answering = Talk[CritiqueConfig] | Talk[AnswerOnlyConfig]


class Critique(Protocol[CritiqueConfig]):
    """The assistant answers, a dissenter argues against the answer once, and the judge hears both.

    Source: Saunders et al. 2022 (arXiv 2206.05802).
    """

    name = "critique"

    async def hold(
        self, cases: list[Case], talk: Talk[CritiqueConfig]
    ) -> dict[str, tuple[View, ...]]:
        """See :meth:`Protocol.hold`."""
        answered = await answers(talk, cases)
        critic = "critic" if self.config.critic else "assistant"
        speeches = [
            self._speech(case, answered[case.id])
            for case in talk.alive(cases)
            if case.id in answered
        ]
        views: dict[str, tuple[View, ...]] = {}
        said: dict[str, Turn] = {}
        for turn in await talk.say(critic, speeches):
            if turn is not None:
                talk.keep([turn])
                said[turn.example_id] = turn
        for case in talk.alive(cases):
            if case.id in said:
                turns = talk.told(said[case.id], case, "Critic")
                views[case.id] = answer_views(case, answered[case.id], talk, turns)
        return views

    def _speech(self, case: Case, answer: int) -> Speech:
        """Of two choices the critic argues for the other one; of more, against the answer."""
        side = 1 - answer if len(case.choices) == 2 else None
        fields = {"answer": case.choices[answer]}
        fields["other"] = "" if side is None else case.choices[side]
        return Speech(case, "critic", 1, "critique", fields, side=side)


class AnswerOnly(Protocol[AnswerOnlyConfig]):
    """The assistant's answer without a reason: how much of a gain is mere trust in the stronger model."""

    name = "answer_only"

    async def hold(
        self, cases: list[Case], talk: Talk[AnswerOnlyConfig]
    ) -> dict[str, tuple[View, ...]]:
        """See :meth:`Protocol.hold`."""
        answered = await answers(talk, cases)
        return {
            case.id: answer_views(case, answered[case.id], talk, "")
            for case in talk.alive(cases)
            if case.id in answered
        }


async def answers(talk: Answering, cases: list[Case]) -> dict[str, int]:
    """The choice that the assistant finds most probable, by both orders of the choices."""
    verdicts = await talk.verdicts("assistant", [(c, "") for c in cases], "answer", "direct")
    found = {}
    for case, verdict in zip(cases, verdicts, strict=True):
        if verdict.label is not None:
            found[case.id] = verdict.label
    return found


def answer_views(case: Case, answer: int, talk: Answering, turns: str) -> tuple[View, ...]:
    """What the judge hears, with the answer listed first and last."""
    text = talk.evidence(case, turns, answer=case.choices[answer])
    rest = tuple(index for index in range(len(case.choices)) if index != answer)
    return (View(text, (answer, *rest)), View(text, (*rest, answer)))
