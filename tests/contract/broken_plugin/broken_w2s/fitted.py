"""Supervisors with training. Fitted keeps every contract; each other one breaks one."""

import json
import os
import pickle
import time

import numpy as np

from broken_w2s.supervisors import Fine
from w2s_toolkit.data import LabelSet, ModelRef


class Fitted(Fine):
    def fit(self, train, ctx, *, val=None):
        shares = np.zeros(2)
        with ctx.progress(len(train), "fit") as bar:
            for gold in train.gold:
                shares[gold] += 1
                bar.advance()
        return self.save({"shares": list(shares / shares.sum())}, ctx)

    def save(self, state, ctx):
        (ctx.out / "model").mkdir()
        (ctx.out / "model" / "state.json").write_text(json.dumps(state))
        return ModelRef("", folder="model", details={"kept": [1, 2]})

    def load(self, ref, ctx):
        return json.loads((ctx.path(ref) / "state.json").read_text())

    def label(self, ref, data, ctx):
        ctx.count("rows", len(data))
        probs = np.tile(self.load(ref, ctx)["shares"], (len(data), 1))
        return LabelSet(tuple(data.ids), probs, data.info.classes)


class Pickles(Fitted):
    def save(self, state, ctx):
        (ctx.out / "model").mkdir()
        (ctx.out / "model" / "state.bin").write_bytes(pickle.dumps(state))
        return ModelRef("", folder="model")

    def load(self, ref, ctx):
        return pickle.loads((ctx.path(ref) / "state.bin").read_bytes())


class CountsGold(Fitted):
    def fit(self, train, ctx, *, val=None):
        ctx.count("gold_labels", len(train))
        return super().fit(train, ctx, val=val)


class AbsoluteFolder(Fitted):
    def save(self, state, ctx):
        ref = super().save(state, ctx)
        return ModelRef("", folder=str(ctx.out / "model"), details=ref.details)


KEPT = {}


class KeepsInMemory(Fitted):
    def save(self, state, ctx):
        KEPT.update(state)
        return ModelRef("")

    def load(self, ref, ctx):
        return KEPT


class TrustsScratch(Fitted):
    """Goes on from a counter it left, but not from the sums that belong to it."""

    def fit(self, train, ctx, *, val=None):
        place, shares = ctx.scratch / "at", np.ones(2)
        start = int(place.read_text()) if place.exists() else 0
        with ctx.progress(len(train), "fit") as bar:
            for row in range(start, len(train)):
                shares[train.gold[row]] += row
                place.write_text(str(row))
                bar.advance()
        return self.save({"shares": list(shares / shares.sum())}, ctx)


class StepsAtRandom(Fitted):
    def fit(self, train, ctx, *, val=None):
        steps = 200 if "taken" in KEPT else 2000
        KEPT["taken"] = [os.getpid(), time.time()]
        with ctx.progress(steps, "fit") as bar:
            for _ in range(steps):
                bar.advance()
        return super().fit(train, ctx, val=val)
