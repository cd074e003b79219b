"""Low-rank adapters around a network (LoRA): to be merged, or kept apart from a base that is shared.

A network whose adapters are kept apart is lent: adapters are put into the base for the time of one
stage and taken out again, so that a process holds one base however many members there are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from w2s_hf.config import LoraSettings
from w2s_hf.quiet import quiet
from w2s_toolkit.errors import ModelError

FILE = "adapter_config.json"


def add_lora(network: Any, settings: LoraSettings, seed: int, task: str | None = None) -> Any:
    """The network, frozen, with adapters drawn from ``seed`` in it.

    Args:
        task: peft's name of what the network is for; None for one without a head.

    Raises:
        ModelError: no layer has one of the names asked for.
    """
    import peft

    lora = peft.LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=settings.target_modules or "all-linear",
        task_type=task,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        try:
            return peft.get_peft_model(network, lora)
        except ValueError as error:
            names = sorted(
                {
                    n.rpartition(".")[2]
                    for n, m in network.named_modules()
                    if isinstance(m, nn.Linear)
                }
            )
            raise ModelError(
                f"adapters cannot be added: {str(error).splitlines()[0]}",
                next_step=f"peft.target_modules can name: {', '.join(names)}",
            ) from error


def merge_lora(adapted: Any) -> Any:
    """The network with its adapters added into the weights: a plain transformers model again."""
    with quiet():
        return adapted.merge_and_unload()


def are_in(folder: Path) -> bool:
    """Whether a folder holds adapters alone, without the weights they belong to."""
    return (folder / FILE).is_file()


@contextmanager
def lent_lora(
    base: Any, settings: LoraSettings, seed: int, task: str | None = None
) -> Iterator[Any]:
    """As :func:`add_lora`, for the time of a ``with`` statement; then ``base`` is as it was."""
    # A trainer writes into the configs of what it trains.
    configs = [c for c in (base.config, getattr(base, "generation_config", None)) if c is not None]
    kept = [copy.deepcopy(vars(config)) for config in configs]
    network = add_lora(base, settings, seed, task)
    try:
        yield network
    finally:
        _take_out(network)
        for config, before in zip(configs, kept, strict=True):
            vars(config).clear()
            vars(config).update(before)


@contextmanager
def lent_adapters(base: Any, folders: Sequence[Path]) -> Iterator[list[Any]]:
    """One network for each folder of adapters, all of them on one ``base``, to predict with.

    Raises:
        ModelError: adapters cannot be read, or do not fit the base.
    """
    import peft

    network: Any = None
    try:
        for number, folder in enumerate(folders):
            try:
                with quiet():
                    if network is None:
                        network = peft.PeftModel.from_pretrained(base, folder, str(number))
                    else:
                        network.load_adapter(folder, str(number))
            except Exception as error:  # safetensors has an error class of its own
                raise ModelError(
                    f"trained adapters cannot be read: {str(error).splitlines()[0]}",
                    where=str(folder),
                    next_step="remove its stage from the store with `w2s cache` and run again",
                ) from error
        yield [Adapted(network, str(number)) for number in range(len(folders))]
    finally:
        if network is not None:
            _take_out(network)


def save_adapters(network: Any, folder: Path, base: str) -> None:
    """Write the adapters of a lent network.

    Args:
        base: what the weights they belong to are called; peft would write where they lie.
    """
    with quiet():
        network.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft's own card, with the same place in it
    about = json.loads((folder / FILE).read_text("utf-8")) | {"base_model_name_or_path": base}
    (folder / FILE).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", "utf-8")


class Adapted(nn.Module):
    """A network with one of several adapters that share a base: puts its own to work when called.

    Args:
        network: of peft, with all of them.
        name: of its own.
    """

    def __init__(self, network: Any, name: str) -> None:
        super().__init__()
        self._network = [network]  # in a list: it belongs to all of them
        self.name = name

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._network[0], name)

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the network with this adapter gives."""
        self._choose()
        return self._network[0](*args, **options)

    def generate(self, *args: Any, **options: Any) -> Any:
        """What the network with this adapter writes."""
        self._choose()
        return self._network[0].generate(*args, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write an ordinary folder of transformers, with the adapter added into a copy of the base."""
        with quiet():
            whole = copy.deepcopy(self._network[0]).merge_and_unload(adapter_names=[self.name])
            whole.save_pretrained(folder)

    def _choose(self) -> None:
        if self._network[0].active_adapters != [self.name]:
            self._network[0].set_adapter(self.name, inference_mode=True)


def _take_out(network: Any) -> None:
    with quiet():
        base = network.unload()
    base.requires_grad_(False).eval()
    vars(base).pop("peft_config", None)
