"""The processes that train one model together; usually there is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn

from w2s_hf.batches import Rows


class Team:
    """Shares optimizer batches between processes and brings results back in batch order.

    Args:
        device: where a single process computes; processes that were launched together each take
            the device accelerate gives them.
    """

    def __init__(self, device: torch.device) -> None:
        # Both arguments are given in full so that a launcher's settings cannot replace what the
        # recipe says: accumulation is derived from the batch size, and autocast is set here.
        self._accelerator = Accelerator(
            device_placement=False,
            mixed_precision="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
        self.size = int(self._accelerator.num_processes)
        self.rank = int(self._accelerator.process_index)
        self.is_main = bool(self._accelerator.is_main_process)
        self.device = device if self.size == 1 else self._accelerator.device

    def prepare(self, network: nn.Module, optimizer: Any) -> tuple[nn.Module, Any]:
        """Both as accelerate wraps them."""
        prepared: tuple[nn.Module, Any] = self._accelerator.prepare(network, optimizer)
        return prepared

    def share(self, batch: Rows) -> tuple[Rows, npt.NDArray[np.float32]]:
        """This process's rows, as many as every other's, and 1 for each that counts.

        Where a batch does not divide evenly some processes repeat a row that does not count.
        """
        mine = batch[self.rank :: self.size]
        each = -(-len(batch) // self.size)
        counted = np.ones(each, dtype=np.float32)
        counted[len(mine) :] = 0
        return np.concatenate([mine, batch[: each - len(mine)]]), counted

    def gather(self, mine: torch.Tensor, rows: int) -> torch.Tensor:
        """One tensor in batch order from every process's part of :meth:`share`."""
        if self.size == 1:
            return mine
        parts: torch.Tensor = self._accelerator.gather(mine)
        parts = parts.view(self.size, len(mine), *mine.shape[1:])
        return parts.transpose(0, 1).reshape(-1, *mine.shape[1:])[:rows]

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of this process's part of a sum over the whole batch."""
        self._accelerator.backward(loss * self.size)  # gradients are averaged over processes

    def no_sync(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Inside, gradients stay in this process."""
        context: AbstractContextManager[Any] = self._accelerator.no_sync(network)
        return context

    def wait(self) -> None:
        """Until every process is here."""
        self._accelerator.wait_for_everyone()
