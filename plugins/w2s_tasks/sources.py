"""Sources of a task: opened, looked at once, and handed on lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from w2s_tasks.columns import Record
from w2s_tasks.config import HUB_SPLITS, HubSetConfig
from w2s_tasks.files import Files
from w2s_tasks.hub import read_hub
from w2s_toolkit.contracts import Context, Row
from w2s_toolkit.errors import DataError
from w2s_toolkit.readers import read_rows


class Source:
    """One source split: its first row, and all of them to be read once."""

    def __init__(self, name: str, records: Iterable[Record], where: str) -> None:
        rows = iter(records)
        first = next(rows, None)
        if first is None:
            raise DataError(
                "there are no rows", where=where, next_step=f"put rows into {name!r}, or remove it"
            )
        self.name = name
        self.first = first
        self.records: Iterator[Record] = chain([first], rows)


def open_files(files: Files) -> dict[str, Source]:
    """Sources of local files, by name."""
    return {
        name: Source(name, _records(some), ", ".join(map(str, some)))
        for name, some in sorted(files.items())
    }


def _records(files: Iterable[Path]) -> Iterator[Record]:
    for path in files:
        for row in read_rows(path):
            yield Record(*row)


def open_hub(repo: str, splits: Mapping[str, Iterable[Record]]) -> dict[str, Source]:
    """Sources of splits of a hub data set, by name: in the order that local files have."""
    return {name: Source(name, rows, f"{repo}/{name}") for name, rows in sorted(splits.items())}


def open_hub_set(config: HubSetConfig) -> dict[str, Source]:
    """Train, validation and test of a local copy, or of the hub."""
    if config.path is not None:
        return open_files(config.files())
    found = read_hub(config.hub_id, None, config.revision)
    return open_hub(config.hub_id, {name: found[name] for name in HUB_SPLITS if name in found})


class Remarks:
    """Counts what is odd about the rows of a source and warns once when it has been read."""

    def __init__(self, ctx: Context, source: str) -> None:
        self._ctx, self._source = ctx, source
        self._counts: dict[str, int] = {}
        self.rows = 0

    def add(self, code: str) -> None:
        """One more row of this kind."""
        self._counts[code] = self._counts.get(code, 0) + 1

    def report(self, texts: Mapping[str, str]) -> None:
        """Warn of each kind found; ``texts`` says for each code what was done."""
        for code, count in self._counts.items():
            self._ctx.count(code, count)
            self._ctx.warn(code, f"{count} of {self.rows} rows of {self._source} {texts[code]}")


def rows_of(
    source: Source,
    ctx: Context,
    make: Callable[[Record, Remarks], Iterable[Row]],
    texts: Mapping[str, str],
) -> Iterator[Row]:
    """Rows that ``make`` gives for each record, read as they are asked for.

    Args:
        source: the records.
        ctx: hears the remarks, once, at the end.
        make: rows of one record; may add remarks instead.
        texts: code of a remark -> what it says of the rows.
    """
    remarks = Remarks(ctx, source.name)
    for record in source.records:
        remarks.rows += 1
        yield from make(record, remarks)
    remarks.report(texts)
