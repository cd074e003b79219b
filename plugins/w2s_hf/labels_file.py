"""The supervisor ``labels_file``: weak labels that somebody else made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s_hf.config import LabelsFileConfig
from w2s_hf.label_columns import Columns, find_columns
from w2s_toolkit import arrow
from w2s_toolkit.contracts import Context
from w2s_toolkit.data import BoolArray, Dataset, FloatArray, LabelSet, ModelRef
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import SUFFIXES, column_names, read_rows

NAME = "supervisors/labels_file"
VERSION = "1"
_TOGETHER = 4096


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
        names = _column_names(path)
        columns = find_columns(self.config, names, classes, path.name)
        if columns.id is None and columns.text is None:
            raise DataError(
                f"no column with ids or texts was found; the file has {', '.join(names)}",
                where=path.name,
                next_step="name one in id_column or text_column",
            )
        given = read_labels(path, columns)
        found, counts, means = _match(given, data)

        probs = np.full((len(data), len(classes)), 1 / len(classes))
        probs[found] = means
        abstain = np.ones(len(data), dtype=bool)
        abstain[found] = False
        self._report(counts, abstain, ctx, path.name)
        if len(data) and not len(found):
            # Labels often cover the pool alone; a student without any label is refused later.
            ctx.warn("labels_match_nothing", _nothing_matches(given, columns, data, path.name))
        return LabelSet(
            ids=data.ids,
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

    def _report(
        self, counts: npt.NDArray[np.int64], abstain: BoolArray, ctx: Context, file: str
    ) -> None:
        repeated = int((counts > 1).sum())
        if repeated:
            ctx.count("averaged", repeated)
            ctx.warn(
                "labels_averaged",
                f"{repeated} rows have several labels in {file}; their mean is used",
            )
        missing = int(abstain.sum())
        if missing:
            ctx.count("unlabelled", missing)
        if 0 < missing < len(abstain):
            ctx.warn(
                "labels_missing",
                f"{missing} of {len(abstain)} rows have no label in {file} and are left out",
            )


@dataclass(frozen=True)
class FileLabels:
    """The labels of a file, as columns.

    Attributes:
        ids, texts: (n,) what each row is joined by, null where it has none; None without a column.
        probs: (n, K).
    """

    ids: pa.ChunkedArray | None
    texts: pa.ChunkedArray | None
    probs: FloatArray


def read_labels(path: Path, columns: Columns) -> FileLabels:
    """All labels of a file, each of them checked, some thousand rows at a time."""
    keys: dict[str, list[pa.Array]] = {c: [] for c in (columns.id, columns.text) if c is not None}
    probs = []
    rows = read_rows(path, path.name)
    while batch := list(islice(rows, _TOGETHER)):
        probs.append(columns.probs(batch))
        for column, chunks in keys.items():
            values = (row.values.get(column) for row in batch)
            texts = arrow.text_array(None if v is None else str(v) for v in values)
            chunks.extend(texts.chunks)
    made = {column: pa.chunked_array(chunks, pa.string()) for column, chunks in keys.items()}
    return FileLabels(
        made.get(columns.id or ""), made.get(columns.text or ""), np.concatenate(probs)
    )


def _match(
    given: FileLabels, data: Dataset
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Rows of the data that have labels (m,), how many each has (m,), and their mean (m, K)."""
    nothing = np.zeros(0, dtype=np.int64)
    found = nothing, nothing, given.probs[:0]
    if given.ids is not None:
        found = _join(given.ids, given.probs, data.ids.arrow)
    if not len(found[0]) and given.texts is not None:
        found = _join(given.texts, given.probs, data.prompts.arrow)
    return found


def _join(
    keys: pa.ChunkedArray, probs: FloatArray, wanted: pa.ChunkedArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """A text that occurs twice in ``wanted`` gets its labels twice."""
    if keys.null_count:
        named = arrow.to_numpy(pc.is_valid(keys).cast(pa.uint8())).astype(bool)
        keys, probs = keys.drop_null(), probs[named]
    codes, names = arrow.codes(keys)
    at = arrow.positions(wanted, pa.chunked_array([names]))
    found = np.flatnonzero(at >= 0)
    size = len(names)
    counts = np.bincount(codes, minlength=size)
    sums = [np.bincount(codes, weights=column, minlength=size) for column in probs.T]
    labels = at[found]
    means = np.stack([column[labels] for column in sums], axis=1) / counts[labels][:, None]
    return found, counts[labels], means


def _column_names(path: Path) -> list[str]:
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"files ending in {path.suffix!r} cannot be read as labels",
            where=path.name,
            next_step=f"use one of {', '.join(SUFFIXES)}",
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(
            f"the labels file cannot be opened: {error.strerror or error}",
            where=str(path),
            next_step="check supervisors.labels_file.path",
        ) from error
    names = column_names(path, path.name)
    if not names:
        raise DataError(
            "the labels file holds no rows",
            where=path.name,
            next_step="write one labelled row a line, or name another file",
        )
    return names


def _nothing_matches(given: FileLabels, columns: Columns, data: Dataset, file: str) -> str:
    by_text = given.texts is not None
    theirs = given.texts if given.texts is not None else given.ids
    assert theirs is not None
    column = columns.text if by_text else columns.id
    ours = (data.prompts if by_text else data.ids)[0]
    return (
        f"none of the {len(given.probs)} labels in {file} belongs to one of the {len(data)} rows "
        f"of {data.name or 'the data'}: the file has {_short(str(theirs[0].as_py()))} (column "
        f"{column!r}), the data has {_short(ours)}; if they should match, let the task build its "
        "prompts exactly as the file's texts, or join by id (match, id_column, text_column)"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
