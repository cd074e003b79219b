"""The commit a hub data set is read at. Imports the hub's client only when asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from w2s_toolkit.errors import DataError, MissingDependencyError

_SHA = re.compile(r"[0-9a-f]{40}")
NEXT_STEP = "download the set on a machine with a network, or use a copy: --set task.path=FOLDER"


@cache
def resolve_revision(repo: str, revision: str | None) -> str:
    """The full commit of a hub data set.

    A full commit stands for itself. Otherwise the hub is asked, and where it cannot be reached
    the copy that was loaded last counts. Asked once a process, so that planning and loading agree.

    Raises:
        MissingDependencyError: the hub's client is not installed.
        DataError: neither the hub nor the cache knows the set.
    """
    if revision and _SHA.fullmatch(revision):
        return revision
    try:
        return _ask_hub(repo, revision)
    except ModuleNotFoundError as error:
        raise missing_hub(error) from None
    except Exception as error:
        cached = _cached(repo, revision)
        if cached:
            return cached
        at = f" at revision {revision!r}" if revision else ""
        raise DataError(
            f"the data set {repo!r}{at} cannot be found: {reason_of(error)}",
            where="task",
            next_step=NEXT_STEP,
        ) from None


def missing_hub(error: ModuleNotFoundError) -> MissingDependencyError:
    """What to say when the hub's packages are not there."""
    return MissingDependencyError(
        f"reading a hub data set needs {error.name!r}, which is not installed",
        where="task",
        next_step="pip install 'w2s-toolkit[hf]', or use a local copy: --set task.path=FOLDER",
    )


def reason_of(error: Exception) -> str:
    """The first line of a library's error."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _ask_hub(repo: str, revision: str | None) -> str:
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("the hub is switched off by HF_HUB_OFFLINE")
    info: Any = HfApi().dataset_info(repo, revision=revision, timeout=20)
    if not info.sha:
        raise ValueError("the hub gives no commit for it")
    return str(info.sha)


def _cached(repo: str, revision: str | None) -> str | None:
    """The commit of a loaded copy; for a named branch or tag only what that name led to."""
    from huggingface_hub import constants

    copies = sorted(_prepared(repo), key=lambda copy: (copy.stat().st_mtime, copy.name))
    if copies and revision is None:
        return copies[-1].name
    hub = Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}"
    ref = hub / "refs" / (revision or "main")
    return ref.read_text(encoding="utf-8").strip() if ref.is_file() else None


def _prepared(repo: str) -> Iterator[Path]:
    """Folders ``config/version/commit`` in which ``datasets`` keeps what it has prepared."""
    try:
        from datasets import config
        from datasets.naming import camelcase_to_snakecase
    except ModuleNotFoundError as error:
        raise missing_hub(error) from None
    *owner, name = repo.split("/")
    folder = Path(config.HF_DATASETS_CACHE) / "___".join([*owner, camelcase_to_snakecase(name)])
    for copy in folder.glob("*/*/*"):
        if copy.is_dir() and _SHA.fullmatch(copy.name):
            yield copy
