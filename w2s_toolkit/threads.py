"""How many stages run side by side, and on how many CPU threads each.

Decided when a run is planned, from the graph and the machine alone: which stages are cached must
not matter, since another number of threads adds floating-point numbers in another order.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from w2s_toolkit.errors import UsageError
from w2s_toolkit.plan.graph import Graph, Stage

HEAVY = frozenset(
    {
        *("assist", "build", "combine", "combine_scores", "fit", "label", "member", "refine"),
        *("label_together", "score", "score_together", "train"),
    }
)
"""Kinds of stages that may compute with a model. All others get one thread."""

MOST = 4
"""Stages side by side unless more are asked for: each holds models of its own in memory."""

_SPINS = {"GOMP_SPINCOUNT": "100000"}


def default_threads() -> int:
    """Threads of a run: ``OMP_NUM_THREADS``, or one for each CPU this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return usable_cpus()


def usable_cpus() -> int:
    """CPUs that affinity and the control group leave to this process."""
    allowed, quota = allowed_cpus(), cpu_quota()
    return max(1, min(allowed, math.ceil(quota) if quota else allowed))


def allowed_cpus() -> int:
    """CPUs that affinity leaves to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota() -> float | None:
    """CPUs' worth of time that the control group allows (Linux, version 2); None for no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def default_jobs(graph: Graph, threads: int) -> int:
    """Stages side by side: one a GPU; else one for two threads, where the graph is wide enough.

    ``W2S_JOBS`` overrides it.
    """
    wanted = os.environ.get("W2S_JOBS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    gpus = len(visible_gpus())
    room = gpus or min(MOST, threads // 2)
    return max(1, min(room, _width(graph)))


def visible_gpus() -> list[str]:
    """Names of the NVIDIA GPUs a process started here would see, as ``CUDA_VISIBLE_DEVICES`` has them."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        names = [name.strip() for name in listed.split(",")]
        return [name for name in names if name and name != "-1"]
    nodes = [p.name.removeprefix("nvidia") for p in Path("/dev").glob("nvidia[0-9]*")]
    return sorted((n for n in nodes if n.isdigit()), key=int)


def assign_threads(graph: Graph, threads: int, jobs: int) -> None:
    """Set ``threads`` of every stage: its share of all, if ``jobs`` of those beside it run with it."""
    beside = _beside(graph)
    for stage in graph:
        sharers = min(jobs, stage.width + beside.get(stage.key, 0))
        stage.threads = max(1, threads // sharers) if _is_heavy(stage) else 1


def check_jobs(jobs: int, threads: int) -> None:
    """Refuse more stages side by side than there are threads to give each one.

    Raises:
        UsageError: there are fewer threads than jobs.
    """
    if jobs > threads:
        raise UsageError(
            f"{jobs} stages side by side need {jobs} threads, there are {threads}",
            next_step="lower --jobs or raise --threads",
        )


def calm_openmp(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings for a process about to load OpenMP, unless the user has made their own.

    Threads of an OpenMP region spin while they wait for the slowest. With anything else running on
    one of the CPUs that wait is long, and the spinning takes the CPUs from those who would end it.
    """
    named = ("OMP_WAIT_POLICY", *_SPINS)
    return {} if any(name in environment for name in named) else dict(_SPINS)


def _width(graph: Graph) -> int:
    beside = _beside(graph)
    return max((s.width + beside[s.key] for s in graph if s.key in beside), default=1)


def _is_heavy(stage: Stage) -> bool:
    """A decision stands for the stages that follow from it, which take over its threads."""
    return stage.kind in HEAVY or stage.expand is not None


def _beside(graph: Graph) -> dict[str, int]:
    """For each heavy stage, how many others are neither before nor after it."""
    stages = list(graph)
    bit = {s.key: 1 << i for i, s in enumerate(stages)}
    before: dict[str, int] = {}
    for stage in stages:
        mask = 0
        for key in stage.inputs.values():
            mask |= bit.get(key, 0) | before.get(key, 0)
        before[stage.key] = mask
    heavy = [s for s in stages if _is_heavy(s)]
    after = dict.fromkeys(bit, 0)
    for stage in heavy:
        for other in heavy:
            if before[stage.key] & bit[other.key]:
                after[other.key] += 1
    all_heavy = sum(bit[s.key] for s in heavy)
    return {
        s.key: len(heavy) - 1 - (before[s.key] & all_heavy).bit_count() - after[s.key]
        for s in heavy
    }
