"""Which local files hold which source split. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from w2s_toolkit.config import Digest
from w2s_toolkit.errors import DataError

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_ALIASES = {"valid": "validation", "val": "validation", "dev": "validation"}

Files = Mapping[str, tuple[Path, ...]]
"""Source split -> its files, in order."""


def find_files(path: str | Mapping[str, str], only: Iterable[str] | None = None) -> Files:
    """The data files of a folder by source split, of one file (source ``data``), or of a mapping.

    In a folder the source is the file's name without ending and shard number:
    ``train-00000-of-00002.parquet`` belongs to ``train``. ``valid``, ``val`` and ``dev`` mean
    ``validation``.

    Args:
        path: file, folder, or source split -> file.
        only: the sources that count; others in a folder are passed over.

    Raises:
        DataError: nothing is there, a kind of file is not known, or a source has files of two
            kinds.
    """
    if not isinstance(path, str):
        return {source: (_data_file(Path(one)),) for source, one in path.items()}
    place = Path(path)
    if not place.is_dir():
        return {"data": (_data_file(place),)}
    found: dict[str, list[Path]] = {}
    for file in sorted(place.iterdir()):
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith("."):
            found.setdefault(_source_of(file), []).append(file)
    wanted = set(found if only is None else only)
    files = {source: _one_kind(place, f) for source, f in found.items() if source in wanted}
    if not files:
        names = "train, validation or test" if only is None else ", ".join(only)
        raise DataError(
            f"the folder has no data files (there are {_listing(place)})",
            where=path,
            next_step=f"put {names} there as .jsonl, .csv or .parquet, such as train.jsonl",
        )
    return files


def digest_files(files: Files, digest: Digest) -> dict[str, list[str]]:
    """What enters the key: kind and content of each source's files, not where they are."""
    return {
        source: [f"{_kind(file)}:{digest(str(file))}" for file in some]
        for source, some in sorted(files.items())
    }


def usual_feeds(sources: Iterable[str]) -> dict[str, str]:
    """Which source each recipe split is drawn from, by the usual names.

    ``test`` comes from the source ``test`` if there is one, else from ``validation``;
    ``val`` from ``validation`` unless that is used for ``test``; all others from ``train``. Where
    there is no ``train``, the first of ``validation``, ``test`` and the rest by name stands in.
    """
    names = sorted(sources)
    rest = next((s for s in ("train", "validation", "test") if s in names), names[0])
    test = next((s for s in ("test", "validation") if s in names), rest)
    val = "validation" if "validation" in names and test != "validation" else rest
    return {"test": test, "val": val, "*": rest}


def _source_of(file: Path) -> str:
    stem = _SHARD.sub("", file.stem)
    return _ALIASES.get(stem, stem)


def _one_kind(folder: Path, files: list[Path]) -> tuple[Path, ...]:
    whole = [f for f in files if not _SHARD.search(f.stem)]
    if len({_kind(f) for f in files}) > 1 or len(whole) > 1 or (whole and len(files) > 1):
        raise DataError(
            f"several files hold the same split: {', '.join(f.name for f in files)}",
            where=str(folder),
            next_step="keep one of them, or name the files: path: {train: …/train.jsonl}",
        )
    return tuple(files)


def _data_file(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            "there is no such file",
            where=str(path),
            next_step="check the path; a relative one is taken from the recipe's folder",
        )
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"files {f'that end in {path.suffix!r}' if path.suffix else 'without an ending'} "
            "cannot be read as a table",
            where=str(path),
            next_step=f"use one of {', '.join(SUFFIXES)}",
        )
    return path


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "jsonl" if suffix == ".json" else suffix[1:]


def _listing(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir())
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    return shown or "no files at all"
