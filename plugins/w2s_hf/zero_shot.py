"""The supervisor ``zero_shot``: a language model asked without any training."""

from __future__ import annotations

import re

import numpy as np

from w2s_hf.choice_scores import Question, log_likelihoods
from w2s_hf.config import ZeroShotConfig
from w2s_hf.predict import softmax
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, Example, FloatArray, LabelSet, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.evidence import evidence_text

NAME = "supervisors/zero_shot"
VERSION = "1"


class ZeroShot:
    """Soft labels from the likelihood of each whole answer after a prompt.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 5.2 (prompting as the baseline).
    """

    def __init__(self, config: ZeroShotConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Nothing to fit."""
        return None

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`."""
        model = ctx.model(self.config.model)
        scores, counts = list[FloatArray](), set[int]()
        for batch in data.batches():
            questions = [self._question(example, data) for example in batch]
            counts |= {len(q.answers) for q in questions}
            if len(counts) != 1:
                raise DataError(
                    f"rows have {sorted(counts)} choices; labels need the same number in every row",
                    where=data.name,
                    next_step="give every row the same number of choices",
                )
            mean, budget = self.config.length_normalise, self.config.label_tokens
            scores.append(log_likelihoods(model, questions, ctx, mean=mean, budget=budget))
        if not counts:
            raise DataError(
                "there are no rows to label", where=data.name, next_step="check task.splits"
            )
        ctx.count("rows", len(data))
        return LabelSet(
            ids=data.ids,
            probs=softmax(np.concatenate(scores)),
            classes=data.info.classes,
            data_digest=data.digest,
            provenance={"component": NAME, "version": VERSION, "model": model.fingerprint},
        )

    def _question(self, example: Example, data: Dataset) -> Question:
        if len(example.choices) < 2:
            raise DataError(
                f"row {example.id} has {len(example.choices)} choices; zero_shot compares answers",
                where=data.name,
                next_step="use a classification or preference task",
            )
        text = render(
            self.config.template,
            prompt=example.prompt,
            question=data.info.question,
            evidence=evidence_text(example.evidence),
        )
        return Question(text, example.choices)


def render(template: str, *, prompt: str, question: str, evidence: str = "") -> str:
    """``template`` with its three fields replaced.

    In one pass: braces inside a prompt or a transcript are text, never a field. Evidence that the
    template does not mention goes before it.
    """
    values = {"{prompt}": prompt, "{question}": question, "{evidence}": evidence}
    text = re.sub(r"\{(?:prompt|question|evidence)\}", lambda found: values[found[0]], template)
    return f"{evidence}\n\n{text}" if evidence and "{evidence}" not in template else text
