"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there: readers and kills never meet a part of it.

    Args:
        path: in a folder that exists; a file that is there is replaced.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    # The name is new each time, for writers of one file may be several; short, for names have an end.
    part = path.with_name(f".{path.name[:64]}-{uuid.uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
