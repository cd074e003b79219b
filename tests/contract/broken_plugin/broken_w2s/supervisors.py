"""Supervisors without training. Fine keeps every contract; each other one breaks one."""

import os
import random
import time
from dataclasses import replace

import numpy as np

from w2s_toolkit.data import LabelSet
from w2s_toolkit.testing import tiny_labels


class Fine:
    def __init__(self, config):
        self.config = config

    def fit(self, train, ctx, *, val=None):
        return None

    def label(self, ref, data, ctx):
        ctx.count("rows", len(data))
        labels = tiny_labels(data)
        mixed = self.config.strength * labels.probs + (1 - self.config.strength) / data.num_classes
        return replace(labels, probs=mixed)


class Peeks(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        return replace(labels, probs=np.eye(2)[data.gold]) if data.has_gold else labels


class NeedsGold(Fine):
    def label(self, ref, data, ctx):
        return LabelSet(tuple(data.ids), np.eye(2)[data.gold], data.info.classes)


class DropsARow(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        return labels.take(np.arange(len(data))[: max(1, len(data) - 1)])


class AddsARow(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        more = np.vstack([labels.probs, [[0.5, 0.5]]])
        return LabelSet((*labels.ids, "one more"), more, labels.classes)


class ByPosition(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        noise = np.random.default_rng(ctx.seed).random(len(data))[:, None] / 10
        return replace(labels, probs=(1 - noise) * labels.probs + noise / 2)


class ByBatch(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        shares = labels.probs / labels.probs.mean(0)
        return replace(labels, probs=shares / shares.sum(1, keepdims=True))


class FailsOnNothing(Fine):
    def label(self, ref, data, ctx):
        _ = data.prompts[0]
        return super().label(ref, data, ctx)


class GlobalRandom(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        state = random.getstate()
        noise = random.random() / 10
        random.setstate(state)
        return replace(labels, probs=(1 - noise) * labels.probs + noise / 2)


class MovesGlobalRandom(Fine):
    def label(self, ref, data, ctx):
        np.random.seed(ctx.seed % 2**32)
        return super().label(ref, data, ctx)


class SpinsOnHash(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        noise = (hash("strength") % 1_000_003) / 1e7
        return replace(labels, probs=(1 - noise) * labels.probs + noise / 2)


class NotANumber(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        probs = labels.probs.copy()
        probs[0] = np.nan
        return replace(labels, probs=probs)


class Nan(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        odd = np.asarray([" and long and long" in p for p in data.prompts])
        probs = labels.probs.copy()
        probs[odd] = np.nan
        return replace(labels, probs=probs, abstain=odd)


class NotOne(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        return replace(labels, probs=labels.probs * 1.0005)


class DoubleCount(Fine):
    def label(self, ref, data, ctx):
        ctx.count("tokens", len(data) ** 2)
        return super().label(ref, data, ctx)


class NoCount(Fine):
    def label(self, ref, data, ctx):
        return tiny_labels(data)


class NegativeCount(Fine):
    def label(self, ref, data, ctx):
        ctx.count("saved", -len(data))
        return super().label(ref, data, ctx)


class WritesInputs(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        column = data.table.column_names.index("evidence")
        table = data.table.set_column(column, "evidence", [["seen"] * len(data)])
        data.__init__(table, data.info, data.name)
        return labels


class Unseeded(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        noise = np.random.default_rng([os.getpid(), time.time_ns()]).random() / 10
        return replace(labels, probs=(1 - noise) * labels.probs + noise / 2)


class FalseNeutral(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        noise = 0.1 / self.config.batch
        return replace(labels, probs=(1 - noise) * labels.probs + noise / 2)


class OtherClasses(Fine):
    def label(self, ref, data, ctx):
        return replace(super().label(ref, data, ctx), classes=("left", "right"))


class Accepts(Fine):
    pass


class NoMethod:
    def __init__(self, config):
        self.config = config

    def fit(self, train, ctx, *, val=None):
        return None


class SilentAbstention(Fine):
    def label(self, ref, data, ctx):
        labels = super().label(ref, data, ctx)
        known = np.asarray(["number 3 " not in p for p in data.prompts])
        return labels.take(np.flatnonzero(known))


Forgetful = Lax = Stuck = PathByName = BadValidator = UnstableKey = Fine
