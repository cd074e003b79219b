"""What ``w2s doctor`` says about devices and the Hugging Face hub."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from w2s_hf.hardware import cpu_has_bf16, has_gpu_node, resolve_dtype
from w2s_toolkit.hookspecs import Finding


def findings() -> Iterator[Finding]:
    """Findings on the libraries, the devices and the hub; none on what is not installed."""
    yield from _libraries()
    yield from _hub()


def _libraries() -> Iterator[Finding]:
    """Whether torch and transformers can be imported, and the devices that torch finds."""
    if not _installed("torch"):
        return
    try:
        import torch
    except Exception as error:  # a build for another system fails with whatever its loader says
        yield _cannot_be_imported("torch", error)
        return
    yield from _devices(torch)
    if not _installed("transformers"):
        return
    try:
        from transformers import AutoModel

        assert AutoModel
    except Exception as error:
        yield _cannot_be_imported("transformers", error)


def _cannot_be_imported(name: str, error: Exception) -> Finding:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    step = f"pip install --force-reinstall {name}"
    return Finding(name, "fail", f"{name} cannot be imported: {reason}", step)


def _devices(torch: Any) -> Iterator[Finding]:
    built = torch.version.cuda or torch.version.hip
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _gpu(torch, index)
    elif has_gpu_node() and not built:
        message = f"this machine has a GPU, but torch {torch.__version__} is built for the CPU only"
        step = "install a build for it: https://pytorch.org/get-started/locally"
        yield Finding("gpu", "warn", message, step)
    elif has_gpu_node():
        message = (
            f"this machine has a GPU, but torch {torch.__version__} (for {built}) cannot use it"
        )
        yield Finding("gpu", "warn", message, "nvidia-smi says whether the driver is in order")
    elif not torch.backends.mps.is_available():
        yield Finding("gpu", "ok", "none")
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple's GPU can be used: device: mps")
    fast = "has fast bfloat16" if cpu_has_bf16() else "has no fast bfloat16"
    stands_for = resolve_dtype("auto", "auto")
    cpu = platform.processor() or platform.machine()
    yield Finding("cpu", "ok", f"{cpu} {fast}; dtype: auto means {stands_for} here")


def _gpu(torch: Any, index: int) -> Finding:
    name = f"cuda:{index}"
    try:
        free, total = torch.cuda.mem_get_info(index)
        # A build without kernels for this generation is found out only by using it.
        works = float(torch.ones(2, device=name).sum()) == 2.0
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        step = "nvidia-smi shows who uses it; a build of torch for it: https://pytorch.org"
        return Finding(name, "fail", f"it cannot be used: {reason}", step)
    dtype = resolve_dtype("auto", name)
    said = f"{torch.cuda.get_device_name(index)}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if not works:
        return Finding(name, "fail", f"{said}, but 1 + 1 is not 2 on it", "have it looked at")
    return Finding(name, "ok", f"{said}; dtype: auto means {dtype} there")


def _hub() -> Iterator[Finding]:
    """Settings of the hub's client. Whether there is a token is told, never which."""
    if not _installed("huggingface-hub"):
        return
    try:
        from huggingface_hub import constants, get_token
    except Exception as error:
        yield _cannot_be_imported("huggingface_hub", error)
        return
    if constants.HF_HUB_OFFLINE:
        message = "HF_HUB_OFFLINE is set: only what is in the cache or in local folders can be used"
        yield Finding("hub", "ok", message, "unset HF_HUB_OFFLINE to download")
    else:
        yield Finding("hub", "ok", "models and data are downloaded when they are first used")
    yield _cache(Path(constants.HF_HUB_CACHE))
    token = "there is one" if get_token() else "none; gated and private models need one"
    yield Finding("hub token", "ok", token)


def _cache(folder: Path) -> Finding:
    step = "export HF_HOME=FOLDER with one that can be written"
    try:
        kept = [p.name.partition("--")[0] for p in folder.iterdir()]
    except FileNotFoundError:
        return Finding("hub cache", "ok", f"{folder} does not exist yet")
    except OSError as error:
        return Finding("hub cache", "warn", f"{folder} cannot be read: {error.strerror}", step)
    said = f"{folder}: {kept.count('models')} models, {kept.count('datasets')} data sets"
    if not os.access(folder, os.W_OK):
        return Finding("hub cache", "warn", f"{said}; it cannot be written", step)
    return Finding("hub cache", "ok", said)


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
