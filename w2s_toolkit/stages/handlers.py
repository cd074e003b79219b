"""What each kind of stage does with its inputs. One function a kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from w2s_toolkit.contracts import AnswerScorer
from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.errors import DataError
from w2s_toolkit.stages import ensemble, measure, rows
from w2s_toolkit.stages.loop import run_decide, run_part
from w2s_toolkit.stages.returned import (
    cannot_score,
    checked,
    labels_of,
    scores_of,
    write_labels,
    write_ref,
)
from w2s_toolkit.stages.watch import CURVE, GoldWatch
from w2s_toolkit.stages.work import LABELS, STATE, Work, read_ref, rows_to_label


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
    assisted = checked(work.instance.assist(blind, judge, work.context), Dataset, "assist")
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
    write_ref(work, ref, "fit")


def run_label(work: Work) -> None:
    """Label a split, or a sample of it, with a supervisor or a trained model."""
    data, ref = rows_to_label(work)
    data = data.blind(work.meta_read())
    work.hand_generations(data)
    labels = labels_of(work.instance.label(ref, data, work.context), data, "label")
    work.context.count("labels", len(labels))
    write_labels(work, labels, data)


def run_score(work: Work) -> None:
    """What a supervisor or a trained model gives the gold answers of a split, or a sample of it."""
    data, ref = rows_to_label(work)
    if not isinstance(work.instance, AnswerScorer):
        raise cannot_score(work)
    write_labels(work, scores_of(work.instance.score(ref, data, work.context), data), data)


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
    after = labels_of(work.instance.refine(state, pool, before, work.context), pool, "refine")
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
    write_ref(work, work.instance.train(pool.blind(), labels, work.context), "train")
    if watch is not None:
        (work.out / CURVE).write_text(watch.text)


def _watch(work: Work) -> GoldWatch | None:
    if "watch" not in work.job.inputs:
        return None
    config = work.instance.config.watched()
    weak = work.labels("watch_labels")
    return GoldWatch(work.dataset("watch"), weak, config.points, work.context.scratch / CURVE)


HANDLERS: dict[str, Callable[[Work], None]] = {
    "data": run_data,
    "split": run_split,
    "part": run_part,
    "decide": run_decide,
    "assist": run_assist,
    "fit": run_fit,
    "member": ensemble.run_member,
    "build": ensemble.run_build,
    "combine": ensemble.run_combine,
    "combine_scores": ensemble.run_combine_scores,
    "label": run_label,
    "label_together": ensemble.run_label_together,
    "score": run_score,
    "score_together": ensemble.run_score_together,
    "save_together": ensemble.run_save_together,
    "refine": run_refine,
    "train": run_train,
    "evaluate": measure.run_evaluate,
    "aggregate": measure.run_aggregate,
}
