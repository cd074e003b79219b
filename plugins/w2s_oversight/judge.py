"""The supervisors ``judge`` and ``assistant_direct``: a model that is asked for a verdict on each row."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from w2s_oversight.asking import CHUNK, IN_FLIGHT, Asking, draw
from w2s_oversight.cases import Case, cases_of
from w2s_oversight.config import DirectConfig, JudgeConfig
from w2s_oversight.journal import Journal
from w2s_oversight.ladder import Ladder, Settings, hearings
from w2s_oversight.prompt_files import Prompts
from w2s_oversight.talk import report
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.evidence import read_evidence
from w2s_toolkit.transcripts import VERDICTS, Verdict, write_lines

SHOTS = "shots.json"


class Judge:
    """Any model as a judge, zero-shot or with a few examples, by the ladder of verdicts.

    Evidence is heard in all its orders, or the choices are listed in both; the probability is the mean. A row
    without a verdict abstains. Verdicts are written beside the labels.
    """

    name: ClassVar[str] = "judge"
    reads_evidence: ClassVar[bool] = True

    def __init__(self, config: JudgeConfig) -> None:
        self.config = config
        self._prompt: str = "judge"
        self._passage: str | None = None

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Draw the examples that are shown, in turns of each class; they alone are shown with gold."""
        if train is None:
            return None
        by_class: dict[int, list[int]] = {}
        gold = train.gold
        for row in sorted(range(len(train)), key=lambda row: draw(ctx.seed, train.ids[row])):
            by_class.setdefault(int(gold[row]), []).append(row)
        turns = [rows for _, rows in sorted(by_class.items())]
        rows = [rows[n] for n in range(len(train)) for rows in turns if n < len(rows)]
        taken = train.take(rows[: self.config.shots])
        shots = []
        cases = cases_of(taken, taken.info.question, self.config.text)
        for case, answer in zip(cases, taken.gold.tolist(), strict=True):
            shots.append({"case": asdict(case), "gold": answer, "views": self._views(case)})
        text = json.dumps(shots, ensure_ascii=False, sort_keys=True, indent=1)
        (ctx.out / SHOTS).write_text(text, encoding="utf-8")
        return ModelRef("", details={"shots": len(shots)})

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`.

        Raises:
            StageError: more rows than ``max_unscored`` have no verdict.
        """
        shots = ()
        if ref is not None:
            shots = tuple(json.loads((ctx.path(ref) / SHOTS).read_text(encoding="utf-8")))
        verdicts = asyncio.run(self._verdicts(data, shots, ctx))
        self._report(verdicts, ctx)
        order = [verdicts[i] for i in data.ids]
        model = ctx.model(self.config.model).fingerprint
        head = {"kind": "verdicts", "judge": self.name, "model": model}
        write_lines(ctx.out / VERDICTS, head, order)
        classes = data.num_classes
        probs = np.asarray([v.p or (1 / classes,) * classes for v in order], np.float64)
        return LabelSet(
            ids=data.ids,
            probs=probs.reshape(len(data), classes),
            classes=data.info.classes,
            abstain=np.asarray([v.status != "ok" for v in order], bool),
            weight=np.asarray([self.config.flip_weight if v.flipped else 1.0 for v in order]),
            data_digest=data.digest,
            provenance={"component": f"supervisors/{self.name}", "model": model},
        )

    def _views(self, case: Case) -> list[dict[str, Any]]:
        views = read_evidence(case.evidence).views if self.reads_evidence else ()
        heard = hearings(views, len(case.choices), both=self.config.both_orders)
        return [asdict(view) for view in heard]

    async def _verdicts(
        self, data: Dataset, shots: tuple[Mapping[str, Any], ...], ctx: Context
    ) -> dict[str, Verdict]:
        config = self.config
        chat = ctx.model(config.model).chat(ctx)
        settings = Settings(
            answers=config.answers,
            rungs=tuple(config.ladder),
            min_mass=config.min_mass,
            samples=config.samples,
            max_tokens=config.max_tokens,
            seed=ctx.seed,
            shots=shots,
            prompt=self._prompt,
        )
        found: dict[str, Verdict] = {}
        try:
            with Journal(ctx.scratch) as journal, ctx.progress(len(data), self.name) as bar:
                prompts = Prompts(config.prompts, config.prompt_set)
                asking = Asking({"model": chat}, journal, ctx)
                ladder = Ladder(asking, "model", prompts, settings)
                room = asyncio.Semaphore(IN_FLIGHT)

                async def one(batch: Dataset) -> None:
                    async with room:
                        found.update(await self._chunk(batch, ladder))
                        bar.advance(len(batch))

                await asking.side_by_side(one(batch) for batch in data.batches(CHUNK))
        finally:
            await chat.close()
        ctx.count("rows", len(data))
        return found

    async def _chunk(self, batch: Dataset, ladder: Ladder) -> dict[str, Verdict]:
        heard, unheard = [], dict[str, Verdict]()
        for case in cases_of(batch, batch.info.question, self.config.text, self._passage):
            if len(case.choices) < 2:
                raise DataError(
                    f"row {case.id} has {len(case.choices)} choices; a judge compares answers",
                    where=batch.name,
                    next_step="use a task of classification or preference",
                )
            evidence = read_evidence(case.evidence)
            if evidence.unfinished and self.reads_evidence:
                reason = f"no evidence: {evidence.unfinished}"
                unheard[case.id] = Verdict(
                    case.id, (), None, "none", status="unscored", reason=reason
                )
                continue
            views = evidence.views if self.reads_evidence else ()
            heard.append((case, hearings(views, len(case.choices), both=self.config.both_orders)))
        verdicts = await ladder.verdicts(heard, "verdict")
        return unheard | {verdict.example_id: verdict for verdict in verdicts}

    def _report(self, verdicts: Mapping[str, Verdict], ctx: Context) -> None:
        unscored = {v.example_id: v.reason for v in verdicts.values() if v.status != "ok"}
        methods = Counter(v.method for v in verdicts.values() if v.status == "ok")
        for method, number in sorted(methods.items()):
            ctx.count(f"by_{method}", number)
        ctx.count("flipped", sum(v.flipped for v in verdicts.values()))
        if len(methods) > 1:
            several = ", ".join(f"{number} by {name}" for name, number in sorted(methods.items()))
            ctx.warn("mixed_verdicts", f"verdicts come from several rungs: {several}")
        report(unscored, len(verdicts), self.config.max_unscored, "unscored", ctx)


class AssistantDirect(Judge):
    """The assistant's own answers as labels: a gain that these have too is distillation, not oversight."""

    name = "assistant_direct"
    reads_evidence = False

    def __init__(self, config: DirectConfig) -> None:
        super().__init__(config)
        self._prompt, self._passage = config.prompt, config.passage
