"""Private files from which an interrupted training goes on, to the bit where it would have been."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from w2s_toolkit.digest import hash_of

FORMAT = 1
COST = 0.05
"""At most this share of the time goes into writing checkpoints."""


class Checkpoints:
    """The latest state of one training, replaced whole or not at all.

    Args:
        folder: survives a kill and is removed when the stage is committed.
        identity: what the state belongs to (settings, data, weights, number formats); a file that
            says something else is not used.
        every: seconds between two checkpoints; 0 writes one after each step.
        note: told when a file cannot be written or read: training goes on without.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        *,
        every: float,
        note: Callable[[str], None],
    ) -> None:
        self._file = folder / "checkpoint.pt"
        self._identity = hash_of({"format": FORMAT, "torch": torch.__version__, **identity})
        self._every, self._note = every, note
        self._cost = 0.0
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The state to go on from, if there is one of this very training."""
        if not self._file.is_file():
            return None
        try:
            # Only tensors and plain containers are read back, never a pickled object.
            found = torch.load(self._file, map_location="cpu", weights_only=True)
            return dict(found["state"]) if found["identity"] == self._identity else None
        except Exception as error:  # whatever a damaged file makes torch raise
            self._note(f"the checkpoint cannot be read, training begins anew: {error}")
            return None

    def due(self, *, epoch_ended: bool = False) -> bool:
        """Whether it is time to write one: after ``every`` seconds, and at the end of an epoch.

        Rarer where writing takes long, so that it never costs more than :data:`COST`.
        """
        waited = time.monotonic() - self._last
        if self._every and waited < self._cost / COST:
            return False
        return epoch_ended or waited >= self._every

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file. A full disk costs the checkpoint, not the training."""
        started = time.monotonic()
        new = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                torch.save({"identity": self._identity, "state": dict(state)}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                new.unlink()
            why = f"a checkpoint cannot be written ({error}); training goes on without"
            self._note(why)
        self._last = time.monotonic()
        self._cost = self._last - started

    def discard(self) -> None:
        """Remove the file: the training is finished, and nothing else removes its folder."""
        self._file.unlink(missing_ok=True)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of torch's global generators, for networks that draw from them."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put back what :func:`random_state` gave."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
