"""What holds for components that label: valid soft labels, and references that are found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from w2s_toolkit.data import LabelSet
from w2s_toolkit.records import ModelRef
from w2s_toolkit.stages.work import LABELS, REF
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, does_not_apply
from w2s_toolkit.testing.rows import RowContract, check_soft_labels


class LabelContract(RowContract):
    """Base for supervisors and students."""

    def read(self, folder: Path) -> Any:
        """See :meth:`StageContract.read`."""
        return LabelSet.read(folder / LABELS)

    def reference(self, bench: Bench) -> ModelRef | None:
        """What the first stage made; None where there is nothing to fit."""
        made = self.prepared(bench)[1]
        return read_reference(made[0].folder) if made else None

    def test_labels_are_probabilities(self, bench: Bench) -> None:
        """Soft labels are finite, not negative, and sum to one; so are those read from disk."""
        check_soft_labels(self._blind_answer(bench))
        check_soft_labels(self.read(self.undisturbed(bench)[1][-1].folder))

    def test_classes_are_those_of_the_task(self, bench: Bench) -> None:
        """One column a class, in the order of the task or with the names of the columns."""
        data, labels = self._test_data(), self._blind_answer(bench)
        if labels.texts is None and labels.probs.shape[1] != data.num_classes:
            breach(
                "labels have one column a class of the task",
                f"{labels.probs.shape[1]} columns, {data.num_classes} classes",
                "use data.info.classes, or data.num_classes where rows have choices of their own",
            )
        if data.info.classes and sorted(labels.classes) != sorted(data.info.classes):
            breach(
                "labels say which class each column is",
                f"classes {list(labels.classes)} for a task with {list(data.info.classes)}",
                "give LabelSet(..., classes=data.info.classes)",
            )

    def test_folder_of_the_reference_exists(self, bench: Bench) -> None:
        """``ref.folder`` is relative and lies in the artefact."""
        ref = self.reference(bench)
        if ref is None or not ref.folder:
            does_not_apply("the reference has no folder of its own")
        folder = self.prepared(bench)[1][0].folder / ref.folder
        if Path(ref.folder).is_absolute() or not folder.is_dir():
            breach(
                "ref.folder is a folder below ctx.out, written relative to it",
                f"folder = {ref.folder!r}",
                "write below ctx.out and name the folder alone",
            )


def read_reference(folder: Path) -> ModelRef:
    """The reference in an artefact."""
    return ModelRef.from_json(json.loads((folder / REF).read_text(encoding="utf-8")))
