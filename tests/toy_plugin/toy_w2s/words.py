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

    def fit_member(
        self, train, ctx, *, weights=None, token_weights=None, target=None, variation=None, val=None
    ):
        if self.config.fail == f"member {(variation or {}).get('number')}":
            raise DataError("this member was told to fail", next_step="do not tell it to")
        probs = np.eye(train.num_classes)[train.gold] if target is None else target
        weight = np.ones(len(train)) if weights is None else weights
        return self._fit(train, probs, weight, ctx)


class BayesStudent(_Bayes):
    def train(self, pool, labels, ctx, *, val=None, init=None):
        assert not pool.has_gold, "students are blind"
        probs = labels.probs
        if self.config.sharpen:
            probs = np.eye(probs.shape[1])[labels.predicted]
        return self._fit(pool, probs, labels.weight * ~labels.abstain, ctx)


class LinearStudent:
    """Ridge regression on which words occur; unlike counting, it stands labels of uneven classes."""

    def __init__(self, config):
        self.config = config

    def train(self, pool, labels, ctx, *, val=None, init=None):
        assert not pool.has_gold, "students are blind"
        model = ctx.model(self.config.model)
        texts = [set(model.words(prompt)) for prompt in pool.prompts]
        known = {word: at for at, word in enumerate(sorted(set().union(*texts)))}
        weight = labels.weight * ~labels.abstain
        x, y = self._features(texts, known), labels.probs - 1 / labels.probs.shape[1]
        y = np.where(labels.abstain[:, None], 0.0, y)
        inner = (x * weight[:, None]).T @ x + self.config.ridge * np.eye(x.shape[1])
        slopes = np.linalg.solve(inner, (x * weight[:, None]).T @ y)
        folder = ctx.out / "model"
        folder.mkdir()
        table = {word: slopes[at].tolist() for word, at in known.items()}
        (folder / "slopes.json").write_text(json.dumps({"": slopes[-1].tolist(), **table}))
        ctx.count("rows", len(pool))
        return ModelRef("", folder="model", capabilities=("choice_probs",))

    def label(self, ref, data, ctx):
        assert not data.has_gold, "labelling must be blind"
        table = json.loads((ctx.path(ref) / "slopes.json").read_text())
        model = ctx.model(self.config.model)
        scores = np.array([
            np.sum([table[""], *(table[w] for w in sorted(set(model.words(p))) if w in table)], 0)
            for p in data.prompts
        ]).reshape(len(data), -1) if len(data) else np.zeros((0, data.num_classes))  # fmt: skip
        probs = np.exp(5 * scores)
        ctx.count("rows", len(data))
        return LabelSet(data.ids, probs / probs.sum(1, keepdims=True), data.info.classes)

    def _features(self, texts, known):
        x = np.zeros((len(texts), len(known) + 1))
        x[:, -1] = 1.0
        for row, words in enumerate(texts):
            x[row, [known[word] for word in words]] = 1.0
        return x


class Bag:
    """Members on bootstrap samples; the second half is asked for when the first is there."""

    def __init__(self, config):
        self.config = config

    def build(self, members, train, val, ctx):
        refs = []
        halves = np.array_split(np.arange(self.config.members), 2 if self.config.halves else 1)
        for half in halves:
            asked = [self._member(members, train, ctx, int(i)) for i in half]
            if self.config.halves:
                members.predict_all(asked, train)
            refs += asked
        return ModelRef("", details={"members": [r.to_json() for r in refs]})

    def _member(self, members, train, ctx, number):
        drawn = np.random.default_rng([ctx.seed, number]).integers(0, len(train), len(train))
        counts = np.bincount(drawn, minlength=len(train))
        rows = np.flatnonzero(counts)
        variation = {"number": number, "supervisor": number}
        return members.fit(
            number, train.take(rows), weights=counts[rows].astype(float), variation=variation
        )

    def label(self, ref, members, data, ctx):
        refs = [ModelRef.from_json(r) for r in ref.details["members"]]
        probs = np.mean([one.probs for one in members.predict_all(refs, data)], axis=0)
        return LabelSet(data.ids, probs, data.info.classes)


class Hint:
    def __init__(self, config):
        self.config = config

    def assist(self, data, judge, ctx):
        assert not data.has_gold
        column = data.table.column_names.index("evidence")
        heard = ctx.model(self.config.debater).letters if self.config.debater else ""
        by = f" {judge.component} {judge.key} {heard}" if judge else ""
        texts = [f"{self.config.text} {len(p)}{by}" for p in data.prompts]
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
