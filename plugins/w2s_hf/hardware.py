"""What the machine can do, asked without importing torch wherever that is possible."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_GPU_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def resolve_dtype(dtype: str, device: str) -> str:
    """The number format that ``auto`` stands for here; any other value as it is.

    bfloat16 only where the hardware computes in it: elsewhere it is emulated, some hundred times
    slower than float32.
    """
    if dtype != "auto":
        return dtype
    if device in ("auto", "cuda") or device.startswith("cuda:"):
        capability = _cuda_capability(0 if ":" not in device else int(device.split(":")[1]))
        if capability is not None:
            return "bfloat16" if capability >= 8 else "float32"
    if device in ("auto", "cpu") and cpu_has_bf16() and not _is_mac():
        return "bfloat16"
    return "float32"


@cache
def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 matrices by itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())


def cuda_possible() -> bool:
    """Whether a CUDA or ROCm device can be there, judged by the torch build and device files."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return False
    return "+cpu" not in version and has_gpu_node()


def has_gpu_node() -> bool:
    """Whether the system shows the device file of an NVIDIA or AMD GPU."""
    return any(Path(node).exists() for node in _GPU_NODES)


def _cuda_capability(index: int) -> int | None:
    if not cuda_possible():
        return None
    import torch  # only on machines with a GPU: it takes seconds

    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    return int(torch.cuda.get_device_capability(index)[0])


def _is_mac() -> bool:
    return not Path("/proc").exists()
