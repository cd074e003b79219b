"""A stage that is about to run, and the files that stages leave for one another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_toolkit.contracts import StageJob
from w2s_toolkit.data import Dataset, LabelSet, ModelRef
from w2s_toolkit.hookspecs import Component
from w2s_toolkit.stages import rows
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.members import Sample
from w2s_toolkit.store import Store

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


def read_ref(folder: Path) -> ModelRef:
    """The reference that a stage left in its folder."""
    return ModelRef.from_json(json.loads((folder / REF).read_text()))


def rows_to_label(work: Work) -> tuple[Dataset, ModelRef | None]:
    """The rows that a stage labels, or the sample of them it was given, and the model that does it."""
    data = work.dataset("data")
    if "sample" in work.job.inputs:
        sample = Sample.read(work.folder("sample"))
        data = data.take(sample.rows)
        if sample.answers is not None:
            data = data.with_gold_texts(sample.answers)
    return data, read_ref(work.folder("ref")) if "ref" in work.job.inputs else None
