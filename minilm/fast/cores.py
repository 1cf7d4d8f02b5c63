"""How many cores this process may use: affinity, control groups and Ray."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path


def available_cores() -> int:
    """Cores that this process may use: its affinity, or its control groups' quota (rounded up) if less."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _cgroup_quota())))


def ray_cores() -> int | None:
    """Cores that Ray gave to the actor or task that calls; None anywhere else."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.get_task_id() is None:  # the driver, which Ray gives no cores
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """Cores that the control groups allow; infinity without a quota."""
    return min(_quota_of_version_2(root, membership), _quota_of_version_1(root))


def _quota_of_version_2(root: Path, membership: Path) -> float:
    """The smallest quota of this process's group and its parents."""
    quotas = [math.inf]
    try:
        # "0::/system.slice/some.service"; in a container with its own namespace "0::/"
        lines = membership.read_text("utf-8", "replace").splitlines()
        folder = root / next(line[3:] for line in lines if line.startswith("0::")).strip("/")
        while folder.is_relative_to(root):
            if (path := folder / "cpu.max").is_file():
                quota, period = path.read_text("ascii").split()
                quotas.append(math.inf if quota == "max" else int(quota) / int(period))
            folder = folder.parent
    except (OSError, ValueError, ZeroDivisionError, StopIteration):
        pass  # no control groups, or none that can be read
    return min(quotas)


def _quota_of_version_1(root: Path) -> float:
    """The quota of the group that is mounted at ``root``."""
    try:
        quota = int((root / "cpu" / "cpu.cfs_quota_us").read_text("ascii"))
        period = int((root / "cpu" / "cpu.cfs_period_us").read_text("ascii"))
        return quota / period if quota > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
