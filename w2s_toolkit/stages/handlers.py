"""What each kind of stage does with its inputs. One function a kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from w2s_toolkit.contracts import (
    AnswerScorer,
    EnsembleScorer,
    JointSaver,
    JointWriter,
    MemberTrainer,
    Observation,
    SeedAggregator,
    StageJob,
    Together,
)
from w2s_toolkit.data import Dataset, LabelSet, Metric, Metrics, ModelRef
from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.hookspecs import Component
from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.stages import rows
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.loop import run_decide, run_part
from w2s_toolkit.stages.members import Members, Sample
from w2s_toolkit.stages.watch import CURVE, GoldWatch
from w2s_toolkit.store import Store

T = TypeVar("T")

LABELS, REF, METRICS, STATE = "labels.parquet", "ref.json", "metrics.json", "state.json"
MEMBERS = "members.json"


@dataclass
class Work:
    """A stage about to run: the job, its component and where its inputs lie.

    ``members`` are the keys of the stages that an ensemble asked for, to be kept as long as it is.
    """

    job: StageJob
    component: Component | None
    instance: Any
    context: StageContext
    folder_of: Callable[[str], Path]
    store: Store
    members: Mapping[str, None] = field(default_factory=dict)

    def folder(self, slot: str) -> Path:
        """The folder of an input."""
        return self.folder_of(self.job.inputs[slot])

    def dataset(self, slot: str) -> Dataset:
        """An input that is data, with gold."""
        return Dataset.read(self.folder(slot) / rows.DATA)

    def labels(self, slot: str) -> LabelSet:
        """An input that is a label set."""
        return LabelSet.read(self.folder(slot) / LABELS)

    def reads_gold(self, field: str) -> bool:
        """Whether the component declares that it reads gold of the split in this field."""
        return self.component is not None and field in self.component.uses_gold

    def meta_read(self) -> list[str]:
        """Entries of ``meta`` that the component declares to read."""
        fields = self.component.reads_meta if self.component else ()
        values = [self.job.config.get(field) for field in fields]
        return [str(value) for value in values if value]

    @property
    def out(self) -> Path:
        """Where the artefact is written."""
        return self.context.out

    def hand_generations(self, data: Dataset | None) -> None:
        """Let a supervisor made of earlier students find what they say on the rows it is given."""
        if data is not None:
            self.context.references = {
                slot.replace(":", "_"): self.labels(slot).align(data)
                for slot in self.job.inputs
                if slot.startswith("generation:")
            }

    def remember_gold(self, number: int) -> None:
        """Count gold labels that a component was handed."""
        self.context.count("gold_labels", number)


def run_data(work: Work) -> None:
    """Load the task's rows."""
    counts = rows.write_rows(work.instance.load(work.context), work.out)
    for source, number in counts.items():
        work.context.count(f"rows:{source}", number)


def run_split(work: Work) -> None:
    """Draw one split."""
    args = work.job.args
    data = rows.draw_split(work.folder("data"), args["draw"], balance=args["balance"])
    work.context.count("rows", len(data))
    data.write(work.out / rows.DATA)


def run_assist(work: Work) -> None:
    """Let an oversight protocol add evidence; everything else of the rows stays as it is."""
    data = work.dataset("data")
    judge = read_ref(work.folder("judge")) if "judge" in work.job.inputs else None
    blind = data.blind(work.meta_read())
    assisted = _given(work.instance.assist(blind, judge, work.context), Dataset, "assist")
    if assisted.ids != data.ids:
        raise DataError(
            "the rows that assist() gave are not those it was given, in their order",
            next_step="add to the column evidence, and leave the rest of the table as it is",
        )
    column = data.table.column_names.index("evidence")
    table = data.table.set_column(column, "evidence", assisted.table["evidence"])
    Dataset(table, data.info, data.name).write(work.out / rows.DATA)


def run_fit(work: Work) -> None:
    """Fit a supervisor on gold."""
    splits = {"train": "train_on", "val": "choose_on"}
    given: dict[str, Dataset | None] = {"train": None, "val": None}
    for slot, name in splits.items():
        if slot not in work.job.inputs:
            continue
        data = work.dataset(slot)
        given[slot] = data if work.reads_gold(name) else data.blind()
        if work.reads_gold(name):
            work.remember_gold(len(data))
    work.hand_generations(given["train"])
    ref = work.instance.fit(given["train"], work.context, val=given["val"])
    _write_ref(work, ref, "fit")


def run_member(work: Work) -> None:
    """Train one member of an ensemble on gold, or on the targets it was given."""
    data = work.dataset("train")
    sample = Sample.read(work.folder("sample")) if "sample" in work.job.inputs else None
    val = work.dataset("val") if "val" in work.job.inputs else None
    if not isinstance(work.instance, MemberTrainer):
        raise DataError(
            "this supervisor cannot be a member of an ensemble: it has no method fit_member",
            next_step="use one that is trained, such as finetuned, or leave out ensemble:",
        )
    train = data if sample is None else data.take(sample.rows)
    given: dict[str, Any] = {}
    if sample is not None:
        given = {"weights": sample.weights, "target": sample.target}
        given["token_weights"] = sample.token_weights
    variation = dict(work.job.args["variation"])
    work.context.count("training_rows", len(train))
    ref = work.instance.fit_member(train, work.context, val=val, variation=variation, **given)
    _write_ref(work, ref, "fit_member")


def run_build(work: Work) -> None:
    """Let an ensembler train its members."""
    train, val = work.dataset("train"), None
    splits = [(work.job.inputs["train"], train)]
    # Members count none: all of them read the same gold.
    work.remember_gold(len(train))
    for key in {k for slot, k in work.job.inputs.items() if slot in ("val", "choose")}:
        work.remember_gold(len(Dataset.read(work.folder_of(key) / rows.DATA)))
    if "val" in work.job.inputs:
        val = work.dataset("val")
        splits.append((work.job.inputs["val"], val))
    members = _members(work, splits, {})
    ref = work.instance.build(members, train, val, work.context)
    _write_ref(work, ref, "build")
    fits = {key: stage.to_json() for key, stage in members.fits.items()}
    (work.out / MEMBERS).write_text(json.dumps(fits, sort_keys=True))


def run_combine(work: Work) -> None:
    """Label a split with the members of an ensemble."""
    data = work.dataset("data").blind()
    ref, members = _built(work, data)
    labels = _labels_of(work.instance.label(ref, members, data, work.context), data, "label")
    work.context.count("labels", len(labels))
    _write_combined(work, labels, data)


def run_combine_scores(work: Work) -> None:
    """What an ensemble gives the gold answers of a split."""
    data = work.dataset("data")
    if not isinstance(work.instance, EnsembleScorer):
        raise _cannot_score(work)
    ref, members = _built(work, data)
    labels = _scores_of(work.instance.score(ref, members, data, work.context), data)
    _write_combined(work, labels, data)


def _built(work: Work, data: Dataset) -> tuple[ModelRef, Members]:
    """A built ensemble and what it asks for predictions on ``data``."""
    fits = json.loads((work.folder("ref") / MEMBERS).read_text())
    known = {key: Stage.from_json(values) for key, values in fits.items()}
    return read_ref(work.folder("ref")), _members(work, [(work.job.inputs["data"], data)], known)


def _write_combined(work: Work, labels: LabelSet, data: Dataset) -> None:
    provenance = {
        "component": "/".join(work.job.component),
        "parents": dict(work.job.inputs),
        "stage": work.job.key,
        **dict(labels.provenance),
    }
    replace(labels, data_digest=data.digest, provenance=provenance).write(work.out / LABELS)


def _members(work: Work, data: list[tuple[str, Dataset]], known: Mapping[str, Stage]) -> Members:
    args = work.job.args
    val = {"val": work.job.inputs["choose"]} if "choose" in work.job.inputs else {}
    _, bracket, rest = work.job.label.partition("[")
    members = Members(args["members"], known, work.store, data, val, args["owner"], bracket + rest)
    work.members = members.used
    return members


def run_label(work: Work) -> None:
    """Label a split, or a sample of it, with a supervisor or a trained model."""
    data, ref = _to_label(work)
    data = data.blind()
    work.hand_generations(data)
    labels = _labels_of(work.instance.label(ref, data, work.context), data, "label")
    work.context.count("labels", len(labels))
    _write_labels(work, labels, data)


def run_score(work: Work) -> None:
    """What a supervisor or a trained model gives the gold answers of a split, or a sample of it."""
    data, ref = _to_label(work)
    if not isinstance(work.instance, AnswerScorer):
        raise _cannot_score(work)
    _write_labels(work, _scores_of(work.instance.score(ref, data, work.context), data), data)


def run_label_together(work: Work) -> None:
    """Let members of an ensemble write answers together."""
    data = _to_label(work)[0].blind()
    together, models = _together(work)
    labels = work.instance.label_together(together, models, data, work.context)
    labels = _labels_of(labels, data, "label_together")
    work.context.count("labels", len(labels))
    _write_labels(work, labels, data)


def run_score_together(work: Work) -> None:
    """What members of an ensemble together give the gold answers of a split."""
    data = _to_label(work)[0]
    together, models = _together(work)
    labels = work.instance.score_together(together, models, data, work.context)
    _write_labels(work, _scores_of(labels, data), data)


def run_save_together(work: Work) -> None:
    """Write members of an ensemble as one model."""
    together, models = _together(work)
    if not isinstance(work.instance, JointSaver):
        raise DataError(
            f"members of {work.job.component[1]} cannot be saved as one model",
            where=work.job.label,
            next_step="export the members one by one",
        )
    ref = work.instance.save_together(together, models, work.context)
    _write_ref(work, ref, "save_together")


def _together(work: Work) -> tuple[Together, list[str]]:
    if not isinstance(work.instance, JointWriter):
        raise DataError(
            f"members of {work.job.component[1]} cannot write together",
            where=work.job.label,
            next_step="use supervisors that generate, such as sft, with this ensemble",
        )
    args = work.job.args
    refs = [read_ref(work.folder(f"ref:{number}")) for number in range(len(args["weights"]))]
    sharpness = args.get("sharpness", 0.0)
    return Together(refs, args["weights"], args["rule"], sharpness), list(args["models"])


def _to_label(work: Work) -> tuple[Dataset, ModelRef | None]:
    data = work.dataset("data")
    if "sample" in work.job.inputs:
        sample = Sample.read(work.folder("sample"))
        data = data.take(sample.rows)
        if sample.answers is not None:
            data = data.with_gold_texts(sample.answers)
    return data, read_ref(work.folder("ref")) if "ref" in work.job.inputs else None


def _write_labels(work: Work, labels: LabelSet, data: Dataset) -> None:
    provenance = {
        "component": "/".join(work.job.component),
        "version": work.component.version if work.component else "",
        "models": {n: m.get("fingerprint") for n, m in work.job.models.items()},
        "parents": dict(work.job.inputs),
        "stage": work.job.key,
        **dict(labels.provenance),
    }
    labels = replace(labels, data_digest=data.digest, provenance=provenance)
    labels.write(work.out / LABELS)


def run_refine(work: Work) -> None:
    """Change pool labels by a refiner, fitted first where its config names a split."""
    state: Mapping[str, Any] = {}
    if "fit_data" in work.job.inputs:
        data = work.dataset("fit_data")
        labels = work.labels("fit_labels").align(data)
        gold = bool(work.component and work.component.uses_gold)
        if gold:
            work.remember_gold(len(data))
        state = work.instance.fit(data if gold else data.blind(), labels, work.context)
    pool = work.dataset("pool").blind()
    before = work.labels("labels").align(pool)
    after = _labels_of(work.instance.refine(state, pool, before, work.context), pool, "refine")
    (work.out / STATE).write_text(json.dumps(state, sort_keys=True))
    replace(after, data_digest=pool.digest).write(work.out / LABELS)


def run_train(work: Work) -> None:
    """Train a student on weak labels, or the ceiling on gold."""
    pool = work.dataset("pool")
    if work.job.args["labels"] == "gold":
        labels = LabelSet.of_gold(pool)
        work.remember_gold(len(pool))
    else:
        labels = work.labels("labels").align(pool)
    usable = int(np.sum(~labels.abstain & (labels.weight > 0)))
    if not usable:
        raise DataError(
            f"none of the {len(pool)} pool rows has a label to train on",
            where=work.job.label,
            next_step="the remarks above, of the stage that made the labels, say why",
        )
    work.context.count("training_rows", usable)
    watch = _watch(work)
    work.context.watch = watch
    _write_ref(work, work.instance.train(pool.blind(), labels, work.context), "train")
    if watch is not None:
        (work.out / CURVE).write_text(watch.text)


def _watch(work: Work) -> GoldWatch | None:
    if "watch" not in work.job.inputs:
        return None
    config = work.instance.config.watched()
    weak = work.labels("watch_labels")
    return GoldWatch(work.dataset("watch"), weak, config.points, work.context.scratch / CURVE)


def run_evaluate(work: Work) -> None:
    """Measure one subject on one split."""
    seen = _observation(work, {slot: slot for slot in work.job.inputs}, seed=0)
    work.context.references = dict(seen.references)
    _write_metrics(work, work.instance.evaluate(seen.subject, seen.data, work.context))


def run_aggregate(work: Work) -> None:
    """Join the same measurement over seeds."""
    by_seed: dict[int, dict[str, str]] = {}
    for slot in work.job.inputs:
        seed, _, name = slot.partition(":")
        by_seed.setdefault(int(seed), {})[name] = slot
    seeds = [_observation(work, slots, seed=s) for s, slots in sorted(by_seed.items())]
    if isinstance(work.instance, SeedAggregator):
        _write_metrics(work, work.instance.aggregate(seeds, work.context))
        return
    each = []
    for one in seeds:
        work.context.references = dict(one.references)
        each.append(work.instance.evaluate(one.subject, one.data, work.context))
    _write_metrics(work, mean_over_seeds(each))


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


HANDLERS: dict[str, Callable[[Work], None]] = {
    "data": run_data,
    "split": run_split,
    "part": run_part,
    "decide": run_decide,
    "assist": run_assist,
    "fit": run_fit,
    "member": run_member,
    "build": run_build,
    "combine": run_combine,
    "combine_scores": run_combine_scores,
    "label": run_label,
    "label_together": run_label_together,
    "score": run_score,
    "score_together": run_score_together,
    "save_together": run_save_together,
    "refine": run_refine,
    "train": run_train,
    "evaluate": run_evaluate,
    "aggregate": run_aggregate,
}


def _observation(work: Work, slots: Mapping[str, str], seed: int) -> Observation:
    data = work.dataset(slots["data"])
    references = {
        name.removeprefix("reference:"): work.labels(slot).align(data)
        for name, slot in slots.items()
        if name.startswith("reference:")
    }
    return Observation(seed, data, work.labels(slots["subject"]).align(data), references)


def _given(value: Any, wanted: type[T], method: str) -> T:
    """What a component returned, or an error that says what it should have been."""
    if isinstance(value, wanted):
        return value
    raise DataError(
        f"{method}() gave {type(value).__name__}, not a {wanted.__name__}",
        next_step=f"w2s_toolkit/contracts/ says what {method}() returns",
    )


def _labels_of(value: Any, data: Dataset, method: str) -> LabelSet:
    """Labels that a component gave, checked and in the order of the data."""
    labels = _given(value, LabelSet, method)
    wanted = 0 if data.info.kind == "generation" else data.num_classes
    if len(data) and labels.probs.shape[1] != wanted:
        raise DataError(
            f"{method}() gave {labels.probs.shape[1]} probabilities a row where the data has "
            f"{wanted} classes",
            next_step="give one probability a class, in the order of data.info.classes",
        )
    try:
        return labels.align(data)
    except AlignmentError as error:
        raise DataError(f"{method}(): {error.what}", next_step=error.next_step) from error


def _scores_of(value: Any, data: Dataset) -> LabelSet:
    """Scores of gold answers that a component gave, checked and in the order of the data."""
    scores = _labels_of(value, data, "score")
    by_token = scores.token_log_probs, scores.token_hits
    if by_token[0] is None or by_token[1] is None or len(by_token[0].flat) != len(by_token[1].flat):
        raise DataError(
            "score() gave no numbers for the tokens of the answers",
            next_step="give token_log_probs and token_hits, one of each for every token",
        )
    return scores


def _cannot_score(work: Work) -> DataError:
    return DataError(
        f"{work.job.component[1]} cannot score gold answers: it has no method score",
        where=work.job.label,
        next_step="leave out evaluators that need it, such as token_accuracy and perplexity",
    )


def _write_ref(work: Work, ref: ModelRef | None, method: str) -> None:
    ref = None if ref is None else _given(ref, ModelRef, method)
    ref = replace(ref or ModelRef(""), component="/".join(work.job.component), key=work.job.key)
    (work.out / REF).write_text(json.dumps(ref.to_json(), sort_keys=True, indent=1))


def read_ref(folder: Path) -> ModelRef:
    """The reference that a stage left in its folder."""
    return ModelRef.from_json(json.loads((folder / REF).read_text()))


def _write_metrics(work: Work, metrics: Metrics) -> None:
    metrics = _given(metrics, Metrics, "evaluate")
    (work.out / METRICS).write_text(json.dumps(metrics.to_json(), sort_keys=True, indent=1))
