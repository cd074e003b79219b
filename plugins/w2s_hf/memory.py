"""Running out of a device's memory, as an error that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from w2s_toolkit.errors import ModelError


@contextmanager
def out_of_memory(model: str, setting: str) -> Iterator[None]:
    """Turn torch's error into one that names the ``setting`` to lower.

    Raises:
        ModelError: the device's memory did not suffice inside.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            f"the memory of the device does not hold model {model!r} and what it computes",
            next_step=f"lower {setting}, shorten max_length, or train adapters (peft: {{r: 16}})",
        ) from error
