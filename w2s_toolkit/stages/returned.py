"""What components return: checked, and written to the stage's folder."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from w2s_toolkit.data import Dataset, LabelSet, Metrics, ModelRef
from w2s_toolkit.errors import AlignmentError, DataError
from w2s_toolkit.stages.work import LABELS, METRICS, REF, Work

T = TypeVar("T")


def checked(value: Any, wanted: type[T], method: str) -> T:
    """What a component returned, or an error that says what it should have been."""
    if isinstance(value, wanted):
        return value
    raise DataError(
        f"{method}() gave {type(value).__name__}, not a {wanted.__name__}",
        next_step=f"w2s_toolkit/contracts/ says what {method}() returns",
    )


def labels_of(value: Any, data: Dataset, method: str) -> LabelSet:
    """Labels that a component gave, checked and in the order of the data."""
    labels = checked(value, LabelSet, method)
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


def scores_of(value: Any, data: Dataset) -> LabelSet:
    """Scores of gold answers that a component gave, checked and in the order of the data."""
    scores = labels_of(value, data, "score")
    by_token = scores.token_log_probs, scores.token_hits
    if by_token[0] is None or by_token[1] is None or len(by_token[0].flat) != len(by_token[1].flat):
        raise DataError(
            "score() gave no numbers for the tokens of the answers",
            next_step="give token_log_probs and token_hits, one of each for every token",
        )
    return scores


def cannot_score(work: Work) -> DataError:
    """What is said of a component that is asked for scores and gives none."""
    return DataError(
        f"{work.job.component[1]} cannot score gold answers: it has no method score",
        where=work.job.label,
        next_step="leave out evaluators that need it, such as token_accuracy and perplexity",
    )


def write_ref(work: Work, ref: ModelRef | None, method: str) -> None:
    """Write the reference to what a component trained; None stands for a component without a model."""
    ref = None if ref is None else checked(ref, ModelRef, method)
    ref = replace(ref or ModelRef(""), component="/".join(work.job.component), key=work.job.key)
    (work.out / REF).write_text(json.dumps(ref.to_json(), sort_keys=True, indent=1))


def write_labels(work: Work, labels: LabelSet, data: Dataset) -> None:
    """Write labels with what they come from."""
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


def write_metrics(work: Work, metrics: Metrics) -> None:
    """Write what an evaluator measured."""
    metrics = checked(metrics, Metrics, "evaluate")
    (work.out / METRICS).write_text(json.dumps(metrics.to_json(), sort_keys=True, indent=1))
