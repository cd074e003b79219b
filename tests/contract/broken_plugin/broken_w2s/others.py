"""Components of the other kinds that break one contract each."""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from w2s_toolkit.contracts import Row, StageOutcome, TaskData
from w2s_toolkit.data import Dataset, Metric, Metrics, ModelRef
from w2s_toolkit.executors.inprocess import InProcess
from w2s_toolkit.testing.standin_parts import Rows


class _Base:
    def __init__(self, config):
        self.config = config


class RanksAbstained(_Base):
    def fit(self, data, labels, ctx):
        return {}

    def refine(self, state, pool, labels, ctx):
        confidence = labels.probs.max(1)
        limit = np.quantile(confidence, 1 - self.config.keep)
        return replace(labels, abstain=labels.abstain | (confidence < limit))


class NoiseByPosition(_Base):
    def fit(self, data, labels, ctx):
        return {}

    def refine(self, state, pool, labels, ctx):
        turned = np.random.default_rng(ctx.seed).random(len(labels)) < 0.3
        return replace(labels, probs=np.where(turned[:, None], labels.probs[:, ::-1], labels.probs))


class Careless(_Base):
    def fit(self, data, labels, ctx):
        return {}

    def refine(self, state, pool, labels, ctx):
        labels.weight[:] = labels.probs[~labels.abstain].max()
        ctx.count("gold_labels", len(pool))
        return labels


class Rewrites(_Base):
    def assist(self, data, judge, ctx):
        column = data.table.column_names.index("prompt")
        texts = [p.upper() for p in data.prompts]
        return Dataset(data.table.set_column(column, "prompt", [texts]), data.info, data.name)


class LastRow(_Base):
    def evaluate(self, subject, data, ctx):
        keep = np.flatnonzero(~subject.abstain)
        if not len(keep):
            return Metrics({"last": Metric(None, reason="no row has an answer")})
        return Metrics({"last": Metric(float(subject.probs[keep[-1]].max()))})


class OutOfBounds(_Base):
    def evaluate(self, subject, data, ctx):
        return Metrics({"share": Metric(100.0 * float((~subject.abstain).mean()))})


class TwoClassesOnly(_Base):
    def evaluate(self, subject, data, ctx):
        negative, positive = subject.probs[~subject.abstain].mean(0)
        return Metrics({"odds": Metric(float(positive / negative))})


class ScoresAbstained(_Base):
    def evaluate(self, subject, data, ctx):
        return Metrics({"accuracy": Metric(float((subject.predicted == data.gold).mean()))})


class NoReason(_Base):
    def evaluate(self, subject, data, ctx):
        return Metrics({"something": Metric(None)})


class NeedsReference(_Base):
    def evaluate(self, subject, data, ctx):
        subject.probs[subject.abstain] = 0.0
        same = subject.predicted == ctx.references["supervisor"].predicted
        return Metrics({"same": Metric(float(same.mean()))})


class Sums(_Base):
    def evaluate(self, subject, data, ctx):
        return Metrics({"rows": Metric(float(len(data)))})

    def aggregate(self, seeds, ctx):
        for seed in seeds:
            seed.subject.probs[~seed.subject.abstain][0]
        return Metrics({"rows": Metric(float(sum(len(s.data) for s in seeds)))})


class TellsGold(Rows):
    def __init__(self, config):
        pass

    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        rows = [
            r._replace(prompt=f"{r.prompt}. It is {r.choices[r.gold]}")
            for r in data.sources["train"]
        ]
        return data._replace(sources={"train": rows})


class CutsGroups(_Base):
    """One question, two rows, which it does not tie together but for the text."""

    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        twice = [Row("the same text", r.choices, r.gold, id=None) for r in data.sources["train"]]
        return TaskData(data.info, {"train": twice}, {"*": "training"})


class NumberedIds(_Base):
    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        rows = [r._replace(id=f"row {i}") for i, r in enumerate(data.sources["train"])]
        return data._replace(sources={"train": rows})


class NoGold(_Base):
    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        rows = [r._replace(gold=None) for r in data.sources["train"]]
        return data._replace(sources={"train": rows})


class OneClass(_Base):
    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        return data._replace(sources={"train": data.sources["train"][::2]})


class PathInMeta(_Base):
    def load(self, ctx):
        data = Rows(type("C", (), {"rows": 60, "classes": 2})()).load(ctx)
        rows = [r._replace(meta={"file": self.config.path}) for r in data.sources["train"]]
        return data._replace(sources={"train": rows})


class NamedByPath(_Base):
    pass


class OddChoices(_Base):
    pass


class Raises(InProcess):
    def run(self, job, on_event):
        outcome = super().run(job, on_event)
        if outcome.error:
            raise RuntimeError(outcome.error)
        return outcome


class OneJob(InProcess):
    """Reports what is no JSON, and works once."""

    side_by_side = True
    done = False

    def run(self, job, on_event):
        if self.done:
            return StageOutcome(job.key, "this executor is used up")
        self.done = True
        on_event({"event": "note", "of": object()})
        return super().run(job, on_event)


class Reseeds(InProcess):
    def run(self, job, on_event):
        draw = [{**d, "seed": "another"} for d in job.args.get("draw", ())]
        outcome = super().run(replace(job, args={**job.args, "draw": draw}), on_event)
        return StageOutcome(job.key, outcome.error, outcome.details)


class Pasting(_Base):
    def rng(self, ctx):
        return np.random.default_rng(ctx.seed)

    def build(self, members, train, val, ctx):
        rng, refs = self.rng(ctx), []
        for index in range(self.config.members):
            part = train.take(rng.permutation(len(train))[: len(train) // 2])
            refs.append(members.fit(index, part))
        members.predict_all(refs, train)
        return ModelRef("", details={"keys": [ref.key for ref in refs]})

    def label(self, ref, members, data, ctx):
        refs = [ModelRef("", key=key) for key in ref.details["keys"]]
        parts = members.predict_all(refs, data)
        return replace(parts[0], probs=np.mean([p.probs for p in parts], axis=0))


class UnseededPasting(Pasting):
    def rng(self, ctx):
        return np.random.default_rng()


class SampleBySize(Pasting):
    def rng(self, ctx):
        return np.random.default_rng([ctx.seed, self.config.members])


class NoMembers(Pasting):
    def build(self, members, train, val, ctx):
        return ModelRef("", details={"seeds": (1, 2)})


class OneNumber(Pasting):
    def build(self, members, train, val, ctx):
        members.fit(0, train)
        return super().build(members, train, val, ctx)


class NeedsVal(Pasting):
    def build(self, members, train, val, ctx):
        members.predict(members.fit(0, train), val)
        return super().build(members, train, val, ctx)


class Impatient(Pasting):
    def build(self, members, train, val, ctx):
        with suppress(Exception):
            members.predict(members.fit(0, train), train)
        return super().build(members, train, val, ctx)


class Moody(Pasting):
    def label(self, ref, members, data, ctx):
        labels = super().label(ref, members, data, ctx)
        shares = np.random.default_rng().dirichlet(np.ones(2), len(data))
        return replace(labels.take(np.arange(len(data))[1:]), probs=shares[1:])
