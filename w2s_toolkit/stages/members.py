"""Members of an ensemble as stages of their own.

An ensembler asks for members one after the other, and what it asks for next may depend on what it
was given. It is therefore run from the beginning as often as it takes: asked for labels that are not
in the store yet, it is left at once (:class:`NotYet`), the engine makes what was asked for, side by
side, and runs it again. Members are found under keys made of what they depend on: 4 members grow to
8 by training 4, and a run that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2s_toolkit.contracts import Together
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.digest import hash_of, stage_seed
from w2s_toolkit.errors import DataError, StoreError
from w2s_toolkit.plan.graph import SCHEMA, Stage
from w2s_toolkit.store import Store

FILE, LABELS = "sample.parquet", "labels.parquet"

Floats = npt.NDArray[np.float64]


class NotYet(BaseException):
    """Stages have to be made first. Not an ``Exception``: no component may handle it."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__(f"{len(stages)} stages are to be made first")
        self.stages = tuple(stages)


class Sample:
    """What a member is trained on, or labels: rows of a split, with weights and targets.

    Attributes:
        rows: (m,) positions in the split.
        weights: (m,) weight of each row in training, or None.
        target: (m, K) what to regress on instead of gold, or None.
        token_weights: m arrays, one number an answer token, or None.
        answers: m texts that are scored in place of gold, or None.
    """

    def __init__(
        self,
        rows: npt.NDArray[np.int64],
        weights: Floats | None = None,
        target: Floats | None = None,
        token_weights: Sequence[Floats] | None = None,
        answers: Sequence[str] | None = None,
    ) -> None:
        self.rows, self.weights, self.target = rows, weights, target
        self.token_weights, self.answers = token_weights, answers
        for name, values in (("weights", weights), ("target", target)):
            if values is not None and (len(values) != len(rows) or not np.isfinite(values).all()):
                raise DataError(
                    f"{name} of a member should be {len(rows)} finite rows",
                    next_step="give one for each row of the data that the member is trained on",
                )
        if weights is not None and weights.min(initial=0.0) < 0:
            raise DataError("a member's weights should not be negative")
        if token_weights is not None and len(token_weights) != len(rows):
            raise DataError(f"{len(token_weights)} rows of token weights for {len(rows)} rows")
        if answers is not None and len(answers) != len(rows):
            raise DataError(f"{len(answers)} answers to be scored for {len(rows)} rows")

    def table(self) -> pa.Table:
        """As columns."""
        columns: dict[str, Any] = {"row": pa.array(self.rows, pa.int64())}
        if self.weights is not None:
            columns["weight"] = pa.array(self.weights, pa.float64())
        if self.target is not None:
            columns["target"] = _lists(list(self.target))
        if self.token_weights is not None:
            columns["token_weights"] = _lists(self.token_weights)
        if self.answers is not None:
            columns["answer"] = pa.array(list(self.answers), pa.large_string())
        return pa.table(columns)

    @property
    def digest(self) -> str:
        """Hash of all values."""
        total = hashlib.sha256()
        for values in (self.rows, self.weights, self.target, *(self.token_weights or ())):
            array = np.zeros(0) if values is None else np.ascontiguousarray(values)
            total.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        if self.answers is not None:
            total.update(json.dumps(list(self.answers)).encode())
        return total.hexdigest()

    @classmethod
    def read(cls, folder: Path) -> Sample:
        """What :meth:`table` held."""
        table = pq.read_table(folder / FILE)
        names = set(table.column_names)
        lists = {
            name: [np.asarray(v, dtype=np.float64) for v in table[name].to_pylist()]
            for name in ("target", "token_weights")
            if name in names
        }
        return cls(
            table["row"].to_numpy(),
            table["weight"].to_numpy() if "weight" in names else None,
            np.stack(lists["target"]) if lists.get("target") else None,
            lists.get("token_weights"),
            table["answer"].to_pylist() if "answer" in names else None,
        )


def _lists(values: Sequence[Floats]) -> pa.Array:
    lengths = np.array([len(v) for v in values], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.concatenate([np.zeros(0), *(np.asarray(v, np.float64) for v in values)])
    return pa.LargeListArray.from_arrays(offsets, pa.array(flat, pa.float64()))


class Members:
    """See :class:`w2s_toolkit.contracts.MemberFactory`.

    Args:
        templates: what a member is trained with, one for each supervisor of the phase.
        known: stages of members that were asked for earlier, by key.
        store: where they are.
        data: splits that members are trained on and label, with their store keys.
        inputs: further inputs of a member's training, by slot.
        name, suffix: of the stages; ``suffix`` tells cells of a matrix apart.
        keeps: whether what members are trained on is put into the store.
    """

    def __init__(
        self,
        templates: Sequence[Mapping[str, Any]],
        known: Mapping[str, Stage],
        store: Store,
        data: Sequence[tuple[str, Dataset]],
        inputs: Mapping[str, str],
        name: str,
        suffix: str,
        *,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._templates, self._store, self._data = templates, store, data
        self._inputs, self._name, self._suffix = dict(inputs), name, suffix
        self.fits: dict[str, Stage] = dict(known)
        self.used: dict[str, None] = {}

    # --- what an ensembler calls ---------------------------------------------------------------

    def fit(
        self,
        index: int,
        train: Dataset,
        *,
        weights: Floats | None = None,
        token_weights: Sequence[Floats] | None = None,
        target: Floats | None = None,
        variation: Mapping[str, Any] | None = None,
    ) -> ModelRef:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.fit`."""
        variation = dict(variation or {})
        which = int(variation.pop("supervisor", 0)) % len(self._templates)
        template = self._templates[which]
        if not template["trained"]:
            return self._as_it_comes(index, which, train, target, token_weights)
        key, inputs = self._rows(train, weights, target, token_weights)
        stage = Stage(
            parts={},
            name=f"{self._name}/member {index}/fit",
            kind="member",
            role="supervisor",
            component=tuple(template["component"]),
            config=template["config"],
            models=template["models"],
            inputs={"train": key, **inputs, **self._inputs},
            args={"variation": variation},
            seed=stage_seed(template["seed"], "member", "supervisor", index),
        )
        stage = self._keyed(stage, template, template["parts"])
        self.fits[stage.key] = stage
        self.used[stage.key] = None
        classes = train.info.classes
        return ModelRef(
            "/".join(template["component"]), key=stage.key, classes=classes,
            details={"supervisor": which, "index": index},
        )  # fmt: skip

    def _as_it_comes(self, index: int, which: int, train: Dataset, *asked: Any) -> ModelRef:
        """A member that there is nothing to train of; its key is empty."""
        name = "/".join(self._templates[which]["component"])
        if any(one is not None for one in asked):
            raise DataError(
                f"{name} is trained on nothing, and the ensemble asked it to learn from its errors",
                next_step="set its train_on, or combine by bagging",
            )
        details = {"supervisor": which, "index": index}
        return ModelRef(name, classes=train.info.classes, details=details)

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.predict`."""
        return self.predict_all([ref], data)[0]

    def predict_all(self, refs: Sequence[ModelRef], data: Dataset) -> list[LabelSet]:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.predict_all`."""
        return self._made([((ref,), self._labels(ref, data)) for ref in refs], data)

    def score_all(
        self,
        refs: Sequence[ModelRef | None],
        data: Dataset,
        answers: Sequence[str] | None = None,
    ) -> list[LabelSet]:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.score_all`."""
        stages = [self._labels(ref, data, "score", answers) for ref in refs]
        return self._made(
            [((ref,) if ref else (), stage) for ref, stage in zip(refs, stages, strict=True)], data
        )

    def write(self, together: Together, data: Dataset) -> LabelSet:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.write`."""
        stage = self._together(together, data, kind="label_together")
        return self._made([(tuple(together.refs), stage)], data)[0]

    def score(self, together: Together, data: Dataset) -> LabelSet:
        """See :meth:`w2s_toolkit.contracts.MemberFactory.score`."""
        stage = self._together(together, data, kind="score_together")
        return self._made([(tuple(together.refs), stage)], data)[0]

    # --- stages --------------------------------------------------------------------------------

    def _made(
        self, wanted: Sequence[tuple[tuple[ModelRef, ...], Stage]], data: Dataset
    ) -> list[LabelSet]:
        """What stages gave that need these members.

        Raises:
            NotYet: with all stages that are missing, members first.
        """
        missing: dict[str, Stage] = {}
        for refs, stage in wanted:
            if self._store.get(stage.key) is not None:
                continue
            for ref in refs:
                if ref.key and self._store.get(ref.key) is None:
                    missing[ref.key] = self._fit_of(ref)
            missing[stage.key] = stage
        if missing:
            raise NotYet(list(missing.values()))
        self.used |= dict.fromkeys(stage.key for _, stage in wanted)
        folders = [self._store.open(stage.key).path for _, stage in wanted]
        return [LabelSet.read(folder / LABELS).align(data) for folder in folders]

    def _fit_of(self, ref: ModelRef) -> Stage:
        if ref.key not in self.fits:
            raise StoreError(
                f"member {ref.key[:12]} of an ensemble is missing",
                where=str(self._store.root),
                next_step="run the recipe with another --store",
            )
        # What is no part of the key, such as where a model lies, is as it is in this run.
        template = self._template(ref)
        stage = self.fits[ref.key]
        return replace(stage, config=template["config"], models=template["models"])

    def _template(self, ref: ModelRef) -> Mapping[str, Any]:
        return self._templates[int(ref.details.get("supervisor", 0))]

    def _labels(
        self,
        ref: ModelRef | None,
        data: Dataset,
        kind: str = "label",
        answers: Sequence[str] | None = None,
    ) -> Stage:
        """The stage in which a member, or the first supervisor's bare model, reads ``data``."""
        template = self._template(ref) if ref else self._templates[0]
        fitted = ref.key if ref else ""
        key, inputs = self._rows(data, answers=answers)
        who = f"member {ref.details.get('index', 0)}" if ref else "untrained"
        stage = Stage(
            parts={},
            name=f"{self._name}/{who}/{kind} {data.name}",
            kind=kind,
            role="supervisor",
            component=tuple(template["component"]),
            config=template["config"],
            models=template["models"],
            inputs={"data": key, **({"ref": fitted} if fitted else {}), **inputs},
        )
        return self._keyed(stage, template, {} if fitted else template["parts"])

    def _together(self, together: Together, data: Dataset, kind: str) -> Stage:
        """The stage in which members read ``data`` together."""
        templates = [self._template(ref) for ref in together.refs]
        key, inputs = self._rows(data)
        refs = {f"ref:{number}": ref.key for number, ref in enumerate(together.refs)}
        models = [next(iter(template["models"]), "") for template in templates]
        stage = Stage(
            parts={},
            name=f"{self._name}/together/{kind.partition('_')[0]} {data.name}",
            kind=kind,
            role="supervisor",
            component=tuple(templates[0]["component"]),
            config=templates[0]["config"],
            models={name: model for t in templates for name, model in t["models"].items()},
            inputs={"data": key, **refs, **inputs},
            args={
                "weights": [float(weight) for weight in together.weights],
                "rule": together.rule,
                "models": models,
                **({"sharpness": float(together.sharpness)} if together.sharpness else {}),
            },
        )
        stage = self._keyed(stage, templates[0], {})
        # Names of models are the recipe's own: what they stand for is in the members' keys.
        parts = {**stage.parts, "args": {k: v for k, v in stage.args.items() if k != "models"}}
        return Stage.from_json({**stage.to_json(), "parts": parts, "key": ""})

    def _keyed(self, stage: Stage, template: Mapping[str, Any], config: Any) -> Stage:
        parts = {
            "schema": SCHEMA,
            "kind": stage.kind,
            "component": "/".join(stage.component),
            "version": template["version"],
            "config": config,
            "models": template["identities"],
            "inputs": dict(stage.inputs),
            "args": dict(stage.args),
            "seed": stage.seed,
        }
        values = {**stage.to_json(), "parts": parts, "key": "", "id": stage.name + self._suffix}
        return Stage.from_json(values)

    def _rows(
        self,
        data: Dataset,
        weights: Floats | None = None,
        target: Floats | None = None,
        token_weights: Sequence[Floats] | None = None,
        answers: Sequence[str] | None = None,
    ) -> tuple[str, dict[str, str]]:
        """Key of the split that holds these rows, and the input that says which they are."""
        key, base = self._source(data)
        rows = np.arange(len(base)) if data is base else base.rows_of(data.ids)
        whole = len(rows) == len(base) and bool((rows == np.arange(len(base))).all())
        given = (weights, target, token_weights, answers)
        if whole and all(values is None for values in given):
            return key, {}
        return key, {"sample": self._keep(Sample(rows, *given))}

    def _source(self, data: Dataset) -> tuple[str, Dataset]:
        for key, base in self._data:
            if data is base or (data.name == base.name and len(data) <= len(base)):
                return key, base
        raise DataError(
            f"members can be trained on the training split and label it, val and the split that is "
            f"labelled; {data.name!r} is none of them",
            next_step="use the data that build() and label() were given, or rows taken from it",
        )

    def _keep(self, sample: Sample) -> str:
        """Store a sample under the hash of its content; returns the key."""
        parts = {"schema": SCHEMA, "kind": "sample", "content": sample.digest}
        key = hash_of(parts)
        self.used[key] = None
        if self._keeps and self._store.get(key) is None:
            # Ensembles that run side by side often ask for the same sample.
            with self._store.lock(key):
                if self._store.get(key) is None:
                    self._write(key, sample, parts)
        return key

    def _write(self, key: str, sample: Sample, parts: Mapping[str, Any]) -> None:
        workspace = self._store.workspace(key)
        pq.write_table(sample.table(), workspace / FILE)
        label = f"{self._name}/sample"
        self._store.commit(key, workspace, {"kind": "sample", "label": label, "parts": parts})
