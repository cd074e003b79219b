"""Rows of a hub data set. Imports ``datasets`` only when used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from w2s_tasks.columns import Record
from w2s_tasks.revision import NEXT_STEP, missing_hub, reason_of, resolve_revision
from w2s_toolkit.errors import DataError


def read_hub(repo: str, config: str | None, revision: str | None) -> dict[str, Iterable[Record]]:
    """Rows by split, memory-mapped, at the commit that also enters the key.

    Raises:
        MissingDependencyError: ``datasets`` is not installed.
        DataError: the set cannot be had, or the cache holds another commit.
    """
    sha = resolve_revision(repo, revision)
    splits = _load(repo, config, sha)
    return {name: _rows(f"{repo}/{name}", rows) for name, rows in splits.items()}


def _load(repo: str, config: str | None, sha: str) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise missing_hub(error) from None
    try:
        builder = datasets.load_dataset_builder(repo, config, revision=sha)
        _same_commit(repo, sha, str(builder.hash))
        return datasets.load_dataset(repo, config, revision=sha)  # type: ignore[no-any-return]
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"the data set {repo!r} cannot be loaded: {reason_of(error)}",
            where="task",
            next_step=NEXT_STEP,
        ) from None


def _same_commit(repo: str, wanted: str, found: str) -> None:
    """Without a network ``datasets`` takes whatever copy it has; the key would then be wrong."""
    if len(found) == len(wanted) and found != wanted:
        raise DataError(
            f"the copy of {repo!r} on this machine is commit {found[:8]}, not {wanted[:8]}",
            where="task",
            next_step=f"--set task.revision={found}, or download the set again with a network",
        )


def _rows(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    for number, values in enumerate(rows, start=1):
        yield Record(f"{name}:{number}", number, values)
