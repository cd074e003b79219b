"""Stages that measure: one subject on one split, and the same over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from w2s_toolkit.contracts import Observation, SeedAggregator
from w2s_toolkit.data import Metric, Metrics
from w2s_toolkit.stages.returned import write_metrics
from w2s_toolkit.stages.work import Work


def run_evaluate(work: Work) -> None:
    """Measure one subject on one split."""
    seen = _observation(work, {slot: slot for slot in work.job.inputs}, seed=0)
    work.context.references = dict(seen.references)
    write_metrics(work, work.instance.evaluate(seen.subject, seen.data, work.context))


def run_aggregate(work: Work) -> None:
    """Join the same measurement over seeds."""
    by_seed: dict[int, dict[str, str]] = {}
    for slot in work.job.inputs:
        seed, _, name = slot.partition(":")
        by_seed.setdefault(int(seed), {})[name] = slot
    seeds = [_observation(work, slots, seed=s) for s, slots in sorted(by_seed.items())]
    if isinstance(work.instance, SeedAggregator):
        write_metrics(work, work.instance.aggregate(seeds, work.context))
        return
    each = []
    for one in seeds:
        work.context.references = dict(one.references)
        each.append(work.instance.evaluate(one.subject, one.data, work.context))
    write_metrics(work, mean_over_seeds(each))


def mean_over_seeds(each: list[Metrics]) -> Metrics:
    """Plain means without intervals, for evaluators that do not aggregate themselves."""
    values: dict[str, Metric] = {}
    for name in dict.fromkeys(n for m in each for n in m.values):
        found = [m.values[name].value for m in each if name in m.values]
        numbers = [v for v in found if v is not None]
        missing = f"missing for {len(found) - len(numbers)} of {len(each)} seeds"
        complete = len(numbers) == len(each)
        values[name] = Metric(
            float(np.mean(numbers)) if complete else None, reason="" if complete else missing
        )
    return Metrics(values)


def _observation(work: Work, slots: Mapping[str, str], seed: int) -> Observation:
    data = work.dataset(slots["data"])
    references = {
        name.removeprefix("reference:"): work.labels(slot).align(data)
        for name, slot in slots.items()
        if name.startswith("reference:")
    }
    return Observation(seed, data, work.labels(slots["subject"]).align(data), references)
