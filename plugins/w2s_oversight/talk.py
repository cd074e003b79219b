"""What all protocols do alike: go through the rows in chunks, ask for turns, keep the transcripts, hand on evidence."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import pyarrow as pa

from w2s_oversight import words
from w2s_oversight.asking import CHUNK, IN_FLIGHT, Asked, Asking, draw
from w2s_oversight.cases import Case, cases_of
from w2s_oversight.config import ProtocolConfig
from w2s_oversight.journal import Journal
from w2s_oversight.ladder import Ladder, Settings, hearings
from w2s_oversight.prompt_files import Prompts
from w2s_toolkit.contracts import ChatRequest, Context
from w2s_toolkit.data import Dataset, ModelRef
from w2s_toolkit.errors import DataError, StageError
from w2s_toolkit.evidence import Evidence, View, joined, read_evidence, write_evidence
from w2s_toolkit.transcripts import TRANSCRIPTS, Turn, Verdict, write_lines

C = TypeVar("C", bound=ProtocolConfig)

TURN = "turn"
"""What keys of turns begin with in the journal; row, order, round, speaker, side and sample follow."""


@dataclass(frozen=True)
class Speech:
    """A turn that is wanted.

    Attributes:
        case: the row.
        speaker, round, order, side, sample: see :class:`~w2s_toolkit.transcripts.Turn`.
        prompt: name of the prompt file.
        fields: values for it beside those of the row.
    """

    case: Case
    speaker: str
    round: int
    prompt: str
    fields: Mapping[str, str]
    order: int = 0
    side: int | None = None
    sample: int = 0


class Talk(Generic[C]):
    """One stage's conversation with its models.

    Attributes:
        config, prompts, asking: see the classes.
        seed: of the stage.
        begin, end: what encloses a turn in a judge's prompt; nobody can guess them.
    """

    def __init__(self, name: str, config: C, asking: Asking, seed: int) -> None:
        self.name, self.config, self.asking, self.seed = name, config, asking, seed
        self.prompts = Prompts(config.prompts, config.prompt_set)
        self._secret = words.delimiter(seed)
        self.begin, self.end = f"<<{self._secret}>>", f"<</{self._secret}>>"
        self.turns: dict[str, list[Turn]] = {}

    def alive(self, cases: Sequence[Case]) -> list[Case]:
        """Rows whose every request so far was answered."""
        return [case for case in cases if case.id not in self.asking.dropped]

    async def say(self, model: str, speeches: Sequence[Speech]) -> list[Turn | None]:
        """One turn for each speech, cleaned, with its quotes checked; None for a failure."""
        records = await self.asking.texts(model, [self._asked(one) for one in speeches])
        return [
            None if record is None else self._turn(one, record)
            for one, record in zip(speeches, records, strict=True)
        ]

    def keep(self, turns: Sequence[Turn]) -> None:
        """Put turns into the transcript."""
        for turn in turns:
            self.turns.setdefault(turn.example_id, []).append(turn)

    def read(self, turn: Turn, case: Case) -> str:
        """A turn's text as others read it."""
        return words.shown(turn.text, case.source, self.config.quotes, self._secret)

    def told(self, turn: Turn, case: Case, name: str) -> str:
        """A turn under a name, by the prompt file ``turn``."""
        side = turn.side
        return self.prompts.text(
            "turn",
            {
                **case.fields(),
                "name": name,
                "answer": "" if side is None else case.choices[side],
                "round": str(turn.round),
                "turns": self.read(turn, case),
                "begin": self.begin,
                "end": self.end,
            },
        )

    def evidence(self, case: Case, turns: str, **fields: str) -> str:
        """The whole as a judge reads it, by the prompt file ``evidence``."""
        around = {"begin": self.begin, "end": self.end, "turns": turns}
        return self.prompts.text("evidence", {**case.fields(), **around, **fields})

    async def verdicts(
        self, model: str, heard: Sequence[tuple[Case, str]], place: str, prompt: str = "judge"
    ) -> list[Verdict]:
        """What a model makes of rows with these texts as evidence, in both orders of the choices."""
        settings = Settings(self.config.answers, seed=self.seed, prompt=prompt)
        ladder = Ladder(self.asking, model, self.prompts, settings)
        cases = [
            (case, hearings([View(text)], len(case.choices), both=True)) for case, text in heard
        ]
        return await ladder.verdicts(cases, place)

    def coin(self, *key: object) -> int:
        """0 or 1, from the seed and a key that names the row."""
        return draw(self.seed, *key) & 1

    def _asked(self, one: Speech) -> Asked:
        config, case = self.config, one.case
        place = (case.id, one.order, one.round, one.speaker, one.side)
        choice = "" if one.side is None else case.choices[one.side]
        fields = {**case.fields(), "answer": choice, "round": str(one.round), **one.fields}
        request = ChatRequest(
            self.prompts.messages(one.prompt, fields, choice),
            config.max_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            stop=tuple(config.stop),
            seed=draw(self.seed, *place),
            sample_index=one.sample,
        )
        return Asked("/".join(map(str, (TURN, *place, one.sample))), case.id, request)

    def _turn(self, one: Speech, record: Mapping[str, Any]) -> Turn:
        return turn_of(
            record,
            one.case.source,
            self._secret,
            example_id=one.case.id,
            protocol=self.name,
            order=one.order,
            round=one.round,
            speaker=one.speaker,
            side=one.side,
            sample=one.sample,
        )


def turn_of(record: Mapping[str, Any], source: str, secret: str, **place: Any) -> Turn:
    """An answer as a turn: cleaned, with its quotes checked against ``source``; ``place`` is the rest of it."""
    said = str(record["text"])
    text = words.clean(said, secret)
    return Turn(
        text=text,
        said=said if said != text else None,
        quotes=tuple(quote._asdict() for quote in words.quotes(text, source)),
        request=record["request"],
        usage=record["usage"],
        flags=tuple(record["flags"]),
        **place,
    )


class Protocol(ABC, Generic[C]):
    """Base of the protocols that talk."""

    name: ClassVar[str]
    compares: ClassVar[bool] = True
    """Whether it is about choices, so that every row needs two or more."""

    def __init__(self, config: C) -> None:
        self.config: C = config

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """See :meth:`OversightProtocol.assist`. Transcripts are written below ``ctx.out``."""
        return asyncio.run(self._assist(data, ctx))

    @abstractmethod
    async def hold(self, cases: list[Case], talk: Talk[C]) -> dict[str, tuple[View, ...]]:
        """Talk about some rows; the views of each that came to its end."""

    async def _assist(self, data: Dataset, ctx: Context) -> Dataset:
        chats = {field: ctx.model(name).chat(ctx) for field, name in self.config.models().items()}
        found: dict[str, tuple[View, ...]] = {}
        question = data.info.question
        try:
            with Journal(ctx.scratch) as journal, ctx.progress(len(data), self.name) as bar:
                asking = Asking(chats, journal, ctx)
                talk = Talk(self.name, self.config, asking, ctx.seed)
                room = asyncio.Semaphore(IN_FLIGHT)

                async def one(batch: Dataset) -> None:
                    async with room:
                        cases = cases_of(batch, question, self.config.text, self.config.passage)
                        self._check(cases, data.name)
                        found.update(await self.hold(cases, talk))
                        bar.advance(len(cases))

                await asking.side_by_side(one(batch) for batch in data.batches(CHUNK))
        finally:
            for chat in chats.values():
                await chat.close()
        ctx.count("rows", len(data))
        dropped = talk.asking.dropped
        report(dropped, len(data), self.config.max_unfinished, "unfinished", ctx)
        self._write(data, talk, ctx)
        return with_evidence(
            data, [Evidence(found.get(i, ()), dropped.get(i, "")) for i in data.ids]
        )

    def _check(self, cases: Sequence[Case], where: str) -> None:
        few = next((case for case in cases if self.compares and len(case.choices) < 2), None)
        if few is not None:
            raise DataError(
                f"row {few.id} has {len(few.choices)} choices; {self.name} argues about two",
                where=where,
                next_step="use a task of classification or preference",
            )

    def _write(self, data: Dataset, talk: Talk[C], ctx: Context) -> None:
        models = {f: ctx.model(n).fingerprint for f, n in self.config.models().items()}
        head = {"kind": "transcripts", "protocol": self.name, "models": models}
        turns = (turn for i in data.ids for turn in talk.turns.get(i, ()))
        write_lines(ctx.out / TRANSCRIPTS, head, turns)


def with_evidence(data: Dataset, evidence: Sequence[Evidence]) -> Dataset:
    """The data with evidence of n rows after the evidence that it has."""
    before = data.column("evidence").to_pylist()
    texts = [
        write_evidence(joined(read_evidence(old), new)) if new.views or new.unfinished else old
        for old, new in zip(before, evidence, strict=True)
    ]
    table = data.table
    column = pa.array(texts, pa.string())
    at = table.column_names.index("evidence")
    return Dataset(table.set_column(at, "evidence", column), data.info, data.name)


def report(left_out: Mapping[str, str], rows: int, most: float, what: str, ctx: Context) -> None:
    """Count rows that were left out and say why; too many of them are an error.

    Raises:
        StageError: more than ``most`` of ``rows``.
    """
    if not left_out:
        return
    ctx.count(what, len(left_out))
    reason = max(sorted(set(left_out.values())), key=list(left_out.values()).count)
    message = f"{len(left_out)} of {rows} rows are {what}; most often: {reason}"
    if len(left_out) > most * rows:
        raise StageError(
            message,
            where=ctx.stage,
            next_step=f"mend the cause and run again, or raise max_{what} ({most:g})",
        )
    ctx.warn(what, message)


def other_side(side: int, sides: tuple[int, int]) -> int:
    """The other one of two."""
    return sides[1] if side == sides[0] else sides[0]


async def sides_of(
    talk: Talk[Any], model: str, cases: Sequence[Case]
) -> dict[str, tuple[int, int]]:
    """The two choices that are argued about: both, or of more those that the model finds most probable."""
    many = [case for case in cases if len(case.choices) > 2]
    found = {case.id: (0, 1) for case in cases if len(case.choices) == 2}
    verdicts = await talk.verdicts(model, [(case, "") for case in many], "sides", "direct")
    for case, verdict in zip(many, verdicts, strict=True):
        if verdict.status == "ok":
            best = sorted(range(len(case.choices)), key=lambda i: (-verdict.p[i], i))[:2]
            found[case.id] = (min(best), max(best))
    return found
