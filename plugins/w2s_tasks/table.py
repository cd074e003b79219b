"""Labelled rows of one's own, from files or from any hub data set."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from w2s_tasks.columns import Record
from w2s_tasks.config import TableConfig
from w2s_tasks.hub import read_hub
from w2s_tasks.labels import LabelReader
from w2s_tasks.pairs import in_order
from w2s_tasks.sources import Remarks, Source, open_files, open_hub, rows_of
from w2s_tasks.template import parse_template
from w2s_toolkit.contracts import Context, Row, TaskData
from w2s_toolkit.data import Kind, TaskInfo
from w2s_toolkit.errors import DataError
from w2s_toolkit.seen import Seen, fingerprints

_TOGETHER = 4096  # ids compared at a time: not more than the core takes rows at a time
_REMARKS = {"blank_text": "have no text in any column of the template; they are kept"}


class Table:
    """Classification over K named classes, or answers to be written, with prompts by a template.

    Every source is opened and its first row made at once, so that a wrong path, column or label
    is reported before anything is trained; the rest is read as it is asked for.
    """

    def __init__(self, config: TableConfig) -> None:
        self.config = config
        self._template = parse_template(config.template)
        self._group = parse_template(_as_template(config.group)) if config.group else None
        self._answer = parse_template(_as_template(config.answer)) if config.answer else None
        self._labels = LabelReader(config.label, config.choices or (), config.label_map)

    def load(self, ctx: Context) -> TaskData:
        """See :meth:`w2s_toolkit.contracts.Task.load`."""
        sources, feeds = self._open()
        ids = _Ids(self.config.id_column)
        rows: dict[str, Iterator[Row]] = {}
        for name, source in sources.items():
            self._row(self._ordered(source.first))
            rows[name] = _checked(rows_of(source, ctx, _Maker(self, ids), _REMARKS), ids)
        kind: Kind = "classification" if self._answer is None else "generation"
        info = TaskInfo(kind, self.config.choices or (), self.config.question)
        return TaskData(info, rows, feeds)

    def _open(self) -> tuple[dict[str, Source], dict[str, str]]:
        """The sources that feed a split, and which split each feeds."""
        config = self.config
        if config.id is None:
            files = config.files()
            feeds = config.feeding(files)
            return open_files({n: f for n, f in files.items() if n in feeds.values()}), feeds
        splits = read_hub(config.id, config.config, config.revision)
        feeds = config.feeding(splits)
        return open_hub(config.id, {n: s for n, s in splits.items() if n in feeds.values()}), feeds

    def _ordered(self, record: Record) -> Record:
        better, worse = self.config.better, self.config.worse
        if better is None or worse is None:
            return record
        return in_order(record, better, worse, self.config.label)

    def _row(self, record: Record) -> Row:
        prompt = self._template.render(record.text)
        group = self._group.render(record.text) if self._group else ""
        meta = {"line": record.line}
        if self._answer is not None:
            answer = self._answer.render(record.text).strip()
            if not answer:
                raise DataError(
                    "the answer is blank",
                    where=record.where,
                    next_step="give every row an answer, or leave the row out",
                )
            return Row(prompt, gold_text=answer, group=group, meta=meta)
        gold = self._labels.read(record)
        return Row(prompt, self.config.choices or (), gold=gold, group=group, meta=meta)

    def make(self, record: Record, remarks: Remarks, ids: _Ids) -> Row:
        """One row, with its id where the data has ids."""
        record = self._ordered(record)
        row = self._row(record)
        if not any(record.text(column).strip() for column in self._template.columns):
            remarks.add("blank_text")
        return row._replace(id=ids.of(record))


class _Ids:
    """Ids of the data's own, which must differ over all sources: labels are joined by them.

    They are compared some thousand at a time and kept as fingerprints, so that a million of them
    stay small; the last ones are compared when :meth:`check` is called.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._seen = Seen()
        self._new: list[str] = []
        self._lines = array("q")
        self._files: list[tuple[int, str]] = []

    def of(self, record: Record) -> str | None:
        """The record's id, or None where the data has none."""
        if self._column is None:
            return None
        own = record.text(self._column).strip()
        if not own:
            raise DataError(
                f"the id in column {self._column!r} is blank",
                where=record.where,
                next_step="give every row an id, or leave `id_column` out",
            )
        file = record.where.removesuffix(f":{record.line}")
        if not self._files or self._files[-1][1] != file:
            self._files.append((len(self._lines), file))
        self._new.append(own)
        self._lines.append(record.line)
        if len(self._new) == _TOGETHER:
            self.check()
        return own

    def check(self) -> None:
        """Compare the ids since the last time with all that came before.

        Raises:
            DataError: two rows have the same id.
        """
        start = len(self._lines) - len(self._new)
        earlier, first = self._seen.add(fingerprints(self._new))
        if earlier.any():
            at = int((earlier > 0).argmax())
            raise DataError(
                f"the id {self._new[at]!r} is also that of {self._place(int(first[at]))}",
                where=self._place(start + at),
                next_step="give every row an id of its own, or leave `id_column` out",
            )
        self._new.clear()

    def _place(self, number: int) -> str:
        file = next(name for start, name in reversed(self._files) if start <= number)
        return f"{file}:{self._lines[number]}"


def _checked(rows: Iterator[Row], ids: _Ids) -> Iterator[Row]:
    yield from rows
    ids.check()


class _Maker:
    """Makes the rows of one record for :func:`~w2s_tasks.sources.rows_of`."""

    def __init__(self, table: Table, ids: _Ids) -> None:
        self._table, self._ids = table, ids

    def __call__(self, record: Record, remarks: Remarks) -> tuple[Row, ...]:
        return (self._table.make(record, remarks, self._ids),)


def _as_template(group: str) -> str:
    return group if "{" in group else "{" + group + "}"
