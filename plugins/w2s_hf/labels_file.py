"""The supervisor ``labels_file``: weak labels that somebody else made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from w2s_hf.config import LabelsFileConfig
from w2s_hf.label_columns import Columns, find_columns
from w2s_hf.label_rows import FileRow, read_rows
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import Dataset, FloatArray, LabelSet, ModelRef
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import DataError

NAME = "supervisors/labels_file"
VERSION = "1"


class LabelsFile:
    """Soft or hard labels from a file, joined by example id or by the exact text of the prompt.

    Rows of the data that the file does not name abstain: they are not trained on, not scored,
    and counted. Several rows for one example are averaged.
    """

    def __init__(self, config: LabelsFileConfig) -> None:
        self.config = config

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Nothing to fit."""
        return None

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """See :meth:`Supervisor.label`.

        Raises:
            DataError: the file or a row of it cannot be used.
        """
        path = Path(self.config.path).expanduser()
        classes = data.info.classes or tuple(str(k) for k in range(data.num_classes))
        rows = read_rows(path)
        names = list(dict.fromkeys(name for row in rows for name in row.values))
        columns = find_columns(self.config, names, classes, path.name)
        found = self._match(rows, columns, data, path.name)

        probs = np.full((len(data), len(classes)), 1 / len(classes))
        abstain = np.ones(len(data), dtype=bool)
        for at, labels in found.items():
            probs[at], abstain[at] = np.mean(labels, axis=0), False
        self._report(found, abstain, ctx, path.name)
        if len(data) and not found:
            # Labels often cover the pool alone; a student without any label is refused later.
            ctx.warn("labels_match_nothing", _nothing_matches(rows, columns, data, path.name))
        return LabelSet(
            ids=tuple(data.ids),
            probs=probs,
            classes=data.info.classes,
            abstain=abstain,
            data_digest=data.digest,
            provenance={
                "component": NAME,
                "version": VERSION,
                "model": f"file:{Digests()(str(path))}",
            },
        )

    def _match(
        self, rows: Sequence[FileRow], columns: Columns, data: Dataset, file: str
    ) -> dict[int, list[FloatArray]]:
        """Row of the data -> the labels the file gives it; every label of the file is checked."""
        if columns.id is None and columns.text is None:
            raise DataError(
                f"no column with ids or texts was found; the file has {', '.join(rows[0].values)}",
                where=file,
                next_step="name one in id_column or text_column",
            )
        labels = [columns.probs(row) for row in rows]
        found: dict[int, list[FloatArray]] = {}
        if columns.id is not None:
            found = _join(rows, labels, columns.id, data.ids)
        if not found and columns.text is not None:
            found = _join(rows, labels, columns.text, data.prompts)
        return found

    def _report(
        self, found: dict[int, list[FloatArray]], abstain: np.ndarray, ctx: Context, file: str
    ) -> None:
        repeated = sum(len(labels) > 1 for labels in found.values())
        if repeated:
            ctx.count("averaged", repeated)
            ctx.warn(
                "labels_averaged",
                f"{repeated} rows have several labels in {file}; their mean is used",
            )
        missing = int(abstain.sum())
        if missing:
            ctx.count("unlabelled", missing)
        if missing and found:
            ctx.warn(
                "labels_missing",
                f"{missing} of {len(abstain)} rows have no label in {file} and are left out",
            )


def _join(
    rows: Sequence[FileRow], labels: Sequence[FloatArray], column: str, wanted: Sequence[str]
) -> dict[int, list[FloatArray]]:
    """Labels by position in ``wanted``; a text that occurs there twice gets them twice."""
    given: dict[str, list[FloatArray]] = defaultdict(list)
    for row, label in zip(rows, labels, strict=True):
        value = row.values.get(column)
        if value is not None:
            given[str(value)].append(label)
    return {at: given[name] for at, name in enumerate(wanted) if name in given}


def _nothing_matches(rows: Sequence[FileRow], columns: Columns, data: Dataset, file: str) -> str:
    column = columns.text if columns.text is not None else columns.id
    theirs = str(rows[0].values.get(column or "", ""))
    ours = (data.prompts if columns.text is not None else data.ids)[0]
    return (
        f"none of the {len(rows)} labels in {file} belongs to one of the {len(data)} rows of "
        f"{data.name or 'the data'}: the file has {_short(theirs)} (column {column!r}), the data "
        f"has {_short(ours)}; if they should match, let the task build its prompts exactly as the "
        "file's texts, or join by id (match, id_column, text_column)"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
