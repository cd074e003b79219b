"""Asks about every row."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np

from w2s_toolkit.contracts import ChatFailure, ChatRequest, Message
from w2s_toolkit.data import LabelSet
from w2s_toolkit.errors import BudgetError, ModelError


class Asking:
    """See :class:`~w2s_toolkit.contracts.Supervisor`."""

    def __init__(self, config):
        self.config = config

    def fit(self, train, ctx, *, val=None):
        """Nothing to fit."""

    def label(self, ref, data, ctx):
        """The first class where the answer is of even length."""
        chat = ctx.model(self.config.model).chat(ctx)
        if os.environ.get("ASKING_KILL") and len(data) > 10:
            _kill_after(int(os.environ["ASKING_KILL"]), chat)
        requests = [ChatRequest((Message("user", p),), self.config.most) for p in data.prompts]

        async def ask():
            try:
                return await chat.generate_many(requests)
            finally:
                await chat.close()

        answers = asyncio.run(ask())
        failures = [a for a in answers if isinstance(a, ChatFailure)]
        if any(f.code == "budget" for f in failures):
            done = len(answers) - len(failures)
            raise BudgetError(
                f"the budget is reached: {done} of {len(answers)} rows have an answer",
                next_step="raise budget: in the recipe and run it again",
            )
        if failures:
            raise ModelError(f"{failures[0].code}: {failures[0].reason}", next_step="mend it")
        for answer in answers[:1]:
            ctx.warn("said", f"the first answer is {answer.text!r}")
        first = np.array([len(a.text) % 2 == 0 for a in answers], float)
        probs = np.stack([0.2 + 0.6 * first, 0.8 - 0.6 * first], axis=1)
        return LabelSet(data.ids, probs, data.info.classes)


def _kill_after(number, chat):
    """End this process like a power cut once so many answers were kept."""
    put = chat._ctx.calls.cache.put
    left = [number]

    def counted(key, answer):
        kept = put(key, answer)
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

    chat._ctx.calls.cache.put = counted
