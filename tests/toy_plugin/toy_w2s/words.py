"""Naive Bayes over words: small, real, and quick."""

import json
import time

import numpy as np

from w2s_toolkit.data import Dataset, LabelSet, Metric, Metrics, ModelRef
from w2s_toolkit.errors import DataError


class ToyModel:
    def __init__(self, config):
        self.letters = config.letters

    def words(self, text):
        return [w[: self.letters].strip(".,").lower() for w in text.split()]


class _Bayes:
    def __init__(self, config):
        self.config = config

    def _fit(self, data, probs, weight, ctx):
        if self.config.fail == "error":
            raise DataError("the toy was told to fail", next_step="do not tell it to")
        if self.config.fail == "bug":
            raise ZeroDivisionError("the toy has a bug")
        model = ctx.model(self.config.model)
        counts = {}
        with ctx.progress(len(data), "count") as bar:
            for prompt, p, w in zip(data.prompts, probs, weight, strict=True):
                for word in model.words(prompt):
                    counts[word] = counts.get(word, 0) + w * p
                bar.advance()
        time.sleep(self.config.sleep)
        folder = ctx.out / "model"
        folder.mkdir()
        table = {w: list(map(float, c)) for w, c in sorted(counts.items())}
        (folder / "counts.json").write_text(json.dumps(table))
        return ModelRef("", folder="model", capabilities=("choice_probs",))

    def label(self, ref, data, ctx):
        assert not data.has_gold, "labelling must be blind"
        counts = json.loads((ctx.path(ref) / "counts.json").read_text())
        model = ctx.model(self.config.model)
        k = data.num_classes
        scores = np.zeros((len(data), k))
        for row, prompt in enumerate(data.prompts):
            for word in model.words(prompt):
                c = np.array(counts.get(word, [0.0] * k)) + self.config.smoothing
                scores[row] += np.log(c / c.sum())
        scores -= scores.max(1, keepdims=True)
        probs = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        ctx.count("rows", len(data))
        return LabelSet(tuple(data.ids), probs, data.info.classes)


class BayesSupervisor(_Bayes):
    def fit(self, train, ctx, *, val=None):
        probs = np.eye(train.num_classes)[train.gold]
        return self._fit(train, probs, np.ones(len(train)), ctx)


class BayesStudent(_Bayes):
    def train(self, pool, labels, ctx, *, val=None, init=None):
        assert not pool.has_gold, "students are blind"
        probs = labels.probs
        if self.config.sharpen:
            probs = np.eye(probs.shape[1])[labels.predicted]
        return self._fit(pool, probs, labels.weight * ~labels.abstain, ctx)


class Hint:
    def __init__(self, config):
        self.config = config

    def assist(self, data, judge, ctx):
        assert not data.has_gold
        column = data.table.column_names.index("evidence")
        texts = [f"{self.config.text} {len(p)}" for p in data.prompts]
        return Dataset(data.table.set_column(column, "evidence", [texts]), data.info, data.name)


class Sharpen:
    def __init__(self, config):
        self.config = config

    def fit(self, data, labels, ctx):
        right = labels.predicted == data.gold
        return {"power": 1.0 + float(right.mean())}

    def refine(self, state, pool, labels, ctx):
        probs = labels.probs ** state["power"]
        probs /= probs.sum(1, keepdims=True)
        return LabelSet(labels.ids, probs, labels.classes, labels.abstain, labels.weight)


class MeanP:
    def __init__(self, config):
        self.config = config

    def evaluate(self, subject, data, ctx):
        probs = subject.probs[~subject.abstain]
        if not probs.size:
            return Metrics({"mean_p": Metric(None, n=0, reason="no row has probabilities")})
        return Metrics({"mean_p": Metric(float(probs[:, -1].mean()), n=len(probs))})
