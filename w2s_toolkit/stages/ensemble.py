"""Stages of ensembles: members, the ensembler that trains them, and what they say together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from w2s_toolkit.contracts import EnsembleScorer, JointSaver, JointWriter, MemberTrainer, Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.errors import DataError
from w2s_toolkit.plan.graph import Stage
from w2s_toolkit.stages import rows
from w2s_toolkit.stages.members import Members, Sample
from w2s_toolkit.stages.returned import cannot_score, labels_of, scores_of, write_labels, write_ref
from w2s_toolkit.stages.work import LABELS, MEMBERS, Work, read_ref, rows_to_label


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
    write_ref(work, ref, "fit_member")


def run_build(work: Work) -> None:
    """Let an ensembler train its members."""
    slot, val = "train" if "train" in work.job.inputs else "pool", None
    train = work.dataset(slot)
    if slot == "train":
        # Members count none: all of them read the same gold.
        work.remember_gold(len(train))
    else:
        train = train.blind()
    splits = [(work.job.inputs[slot], train)]
    for key in {k for slot, k in work.job.inputs.items() if slot in ("val", "choose")}:
        work.remember_gold(len(Dataset.read(work.folder_of(key) / rows.DATA)))
    if "val" in work.job.inputs:
        val = work.dataset("val")
        splits.append((work.job.inputs["val"], val))
    members = _members(work, splits, {})
    ref = work.instance.build(members, train, val, work.context)
    write_ref(work, ref, "build")
    fits = {key: stage.to_json() for key, stage in members.fits.items()}
    (work.out / MEMBERS).write_text(json.dumps(fits, sort_keys=True))


def run_combine(work: Work) -> None:
    """Label a split with the members of an ensemble."""
    data = work.dataset("data").blind()
    ref, members = _built(work, data)
    labels = labels_of(work.instance.label(ref, members, data, work.context), data, "label")
    work.context.count("labels", len(labels))
    _write_combined(work, labels, data)


def run_combine_scores(work: Work) -> None:
    """What an ensemble gives the gold answers of a split."""
    data = work.dataset("data")
    if not isinstance(work.instance, EnsembleScorer):
        raise cannot_score(work)
    ref, members = _built(work, data)
    labels = scores_of(work.instance.score(ref, members, data, work.context), data)
    _write_combined(work, labels, data)


def _built(work: Work, data: Dataset) -> tuple[ModelRef, Members]:
    """A built ensemble and what it asks for predictions on ``data``."""
    fits = json.loads((work.folder("ref") / MEMBERS).read_text())
    known = {key: Stage.from_json(values) for key, values in fits.items()}
    return read_ref(work.folder("ref")), _members(work, [(work.job.inputs["data"], data)], known)


def _write_combined(work: Work, labels: LabelSet, data: Dataset) -> None:
    components = dict.fromkeys("/".join(one["component"]) for one in work.job.args["members"])
    provenance = {
        **labels.provenance,  # of members that wrote together: what they are is no news, who asked them is
        "component": "/".join(work.job.component),
        "members": ", ".join(components),
        "parents": dict(work.job.inputs),
        "stage": work.job.key,
    }
    replace(labels, data_digest=data.digest, provenance=provenance).write(work.out / LABELS)


def _members(work: Work, data: list[tuple[str, Dataset]], known: Mapping[str, Stage]) -> Members:
    args = work.job.args
    val = {"val": work.job.inputs["choose"]} if "choose" in work.job.inputs else {}
    _, bracket, rest = work.job.label.partition("[")
    members = Members(args["members"], known, work.store, data, val, args["owner"], bracket + rest)
    work.members = members.used
    return members


def run_label_together(work: Work) -> None:
    """Let members of an ensemble write answers together."""
    data = rows_to_label(work)[0].blind()
    together, models = _together(work)
    labels = work.instance.label_together(together, models, data, work.context)
    labels = labels_of(labels, data, "label_together")
    work.context.count("labels", len(labels))
    write_labels(work, labels, data)


def run_score_together(work: Work) -> None:
    """What members of an ensemble together give the gold answers of a split."""
    data = rows_to_label(work)[0]
    together, models = _together(work)
    labels = work.instance.score_together(together, models, data, work.context)
    write_labels(work, scores_of(labels, data), data)


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
    write_ref(work, ref, "save_together")


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
