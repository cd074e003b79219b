"""The protocol ``consultancy``: one advisor, who may be arguing for the wrong side."""

from __future__ import annotations

from collections.abc import Sequence

from w2s_oversight.cases import Case
from w2s_oversight.config import ConsultancyConfig
from w2s_oversight.talk import Protocol, Speech, Talk, sides_of
from w2s_toolkit.evidence import View
from w2s_toolkit.transcripts import Turn


class Consultancy(Protocol[ConsultancyConfig]):
    """An advisor argues for a side that it was given, or for the one it believes.

    ``assigned``: both sides are argued for, in consultancies that know nothing of one another; the judge hears
    each by itself, and its probability is the mean. ``open``: the advisor's own answer decides the side.

    Source: Kenton et al. 2024 (arXiv 2407.04622), section 3.
    """

    name = "consultancy"

    async def hold(
        self, cases: list[Case], talk: Talk[ConsultancyConfig]
    ) -> dict[str, tuple[View, ...]]:
        """See :meth:`Protocol.hold`."""
        if self.config.side == "open":
            argued = await believed(talk, "advisor", cases)
        else:
            both = await sides_of(talk, "advisor", cases)
            argued = {
                row: pair[::-1] if talk.coin("first", row) else pair for row, pair in both.items()
            }
        speeches = [
            Speech(case, "advisor", 1, "argue", {}, order, side)
            for case in talk.alive(cases)
            for order, side in enumerate(argued.get(case.id, ()))
        ]
        said: dict[str, list[Turn]] = {}
        for turn in await talk.say("advisor", speeches):
            if turn is not None:
                talk.keep([turn])
                said.setdefault(turn.example_id, []).append(turn)
        return {
            case.id: self._views(case, said[case.id], talk)
            for case in talk.alive(cases)
            if case.id in said
        }

    def _views(
        self, case: Case, turns: Sequence[Turn], talk: Talk[ConsultancyConfig]
    ) -> tuple[View, ...]:
        views = []
        for turn in turns:
            assert turn.side is not None
            answer = case.choices[turn.side]
            text = talk.evidence(case, talk.told(turn, case, "Advisor"), answer=answer)
            rest = tuple(i for i in range(len(case.choices)) if i != turn.side)
            views.append(View(text, (turn.side, *rest)))
            if self.config.side == "open":
                views.append(View(text, (*rest, turn.side)))
        return tuple(views)


async def believed(
    talk: Talk[ConsultancyConfig], model: str, cases: list[Case]
) -> dict[str, tuple[int, ...]]:
    """The choice that a model finds most probable by itself, of each row, as a tuple of one."""
    verdicts = await talk.verdicts(model, [(case, "") for case in cases], "believed", "direct")
    return {
        case.id: (verdict.label,)
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict.label is not None
    }
