"""Copies of input files, changed or not, and a search for pickled data."""

from __future__ import annotations

import pickletools
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

PICKLE_ENDINGS = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt")


def plain_copy(path: str, folder: Path) -> str:
    """A copy of a file or folder under the same name below ``folder``, for moved input files."""
    source, target = Path(path), folder / Path(path).name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    return str(target)


def changed_copy(path: str, folder: Path) -> str:
    """A copy with one byte changed: the last letter or digit of the file, of a folder's largest file."""
    target = Path(plain_copy(path, folder))
    files = [p for p in target.rglob("*") if p.is_file()] if target.is_dir() else [target]
    largest = max(files, key=lambda p: (p.stat().st_size, p.name))
    raw = bytearray(largest.read_bytes())
    # A letter, so that a text file stays one of its kind.
    at = next((i for i in reversed(range(len(raw))) if chr(raw[i]).isalpha() and raw[i] < 128), 0)
    raw[at] ^= 1 if chr(raw[at] ^ 1).isalpha() else 3
    largest.write_bytes(bytes(raw))
    return str(target)


def pickled(folders: Iterable[Path]) -> list[str]:
    """Names of files that hold pickled data, by their content or their ending."""
    found = []
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix.lower() in PICKLE_ENDINGS or _looks_pickled(path):
                found.append(path.relative_to(folder).as_posix())
    return found


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(128)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _parses_as_pickle(path)
    if head[:6] == b"\x93NUMPY":
        return b"'|O'" in head
    if head[:2] != b"PK" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:  # what torch.save and numpy.savez write
        return any(
            name.endswith(".pkl") or _pickled_member(archive, name) for name in archive.namelist()
        )


def _parses_as_pickle(path: Path) -> bool:
    # Two bytes are not enough: the length in front of a safetensors file may begin with them.
    try:
        with path.open("rb") as file:
            for _ in pickletools.genops(file):
                pass
    except Exception:
        return False
    return True


def _pickled_member(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as member:
        return b"'|O'" in member.read(128)
