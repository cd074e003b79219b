"""Students that break one contract each."""

from dataclasses import replace

import numpy as np

from w2s_toolkit.testing.standin_parts import Student


class TrainsOnAbstained(Student):
    def train(self, pool, labels, ctx, *, val=None, init=None):
        every = np.zeros(len(labels), dtype=bool)
        return super().train(pool, replace(labels, abstain=every), ctx)


class OtherCeiling(Student):
    def train(self, pool, labels, ctx, *, val=None, init=None):
        ctx.count("gold_labels", len(pool))
        return super().train(pool, labels, ctx)
