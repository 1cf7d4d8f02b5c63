"""The cores: how many this process may use, and work on all of them at a time.

Element-wise work takes a fifth of the time, and BLAS's own threads leave it to one core. So each core has its
own work here, a pack or a share of one text, and BLAS takes one thread in each.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from minilm.fast.blas import call_with_blas_threads

_Job = TypeVar("_Job")


def available_cores() -> int:
    """Cores that this process may use: its affinity, or its control groups' quota (rounded up) if less."""
    return max(1, math.ceil(min(scheduled_cores(), _cgroup_quota())))


def scheduled_cores() -> int:
    """Cores that the system may run this process on. More threads would push each other out."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


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


def run_jobs(
    jobs: Sequence[_Job], make_worker: Callable[[], Callable[[_Job], object]], *, threads: int
) -> None:
    """Do every job once, from the front, on up to ``threads`` threads, one of which is the calling thread.

    ``make_worker`` is called once in each thread; it returns a function that does one job at a time. A single
    job has BLAS's threads instead, though no more than there are cores: they wait for one another in busy
    loops. Raises what a job raises, or what reaches the calling thread (KeyboardInterrupt). Jobs in progress
    are finished first; no other job is started.
    """
    queue = deque(jobs)

    def work() -> None:
        try:
            do_job = make_worker()
            while True:
                try:
                    job = queue.popleft()
                except IndexError:
                    return
                do_job(job)
        except BaseException:
            queue.clear()  # the other threads stop after their current job
            raise

    helpers = min(threads, len(jobs)) - 1
    if helpers < 1:
        call_with_blas_threads(min(threads, scheduled_cores()), work)
        return
    errors: list[BaseException] = []

    def help_out(_: int) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    def work_with_helpers() -> None:
        started: list[threading.Thread] = []
        try:
            start_threads(help_out, helpers, started)
            work()
        finally:
            queue.clear()  # empty already, unless Ctrl-C came
            join_threads(started)

    call_with_blas_threads(1, work_with_helpers)
    if errors:
        raise errors[0]


def start_threads(work: Callable[[int], object], count: int, started: list[threading.Thread]) -> None:
    """Start threads that call ``work`` with numbers from 1, and append each to ``started``.

    There may be fewer than ``count``: Python starts no thread while the interpreter ends, and the system none
    beyond the user's limit. An executor of concurrent.futures would refuse all work after the main thread.
    """
    for number in range(1, count + 1):
        thread = threading.Thread(target=work, args=(number,), name=f"minilm_{number}")
        started.append(thread)  # before it starts: Ctrl-C may come between the two
        try:
            thread.start()
        except RuntimeError:
            started.remove(thread)
            return


def join_threads(started: Sequence[threading.Thread]) -> None:
    """Wait for the end of threads from :func:`start_threads`."""
    for thread in started:
        if thread.ident is not None:  # it has started
            thread.join()


def run_together(work: Callable[[int, Callable[[], object]], object], *, threads: int) -> bool:
    """Call ``work`` in ``threads`` threads at a time, with the thread's number from 0 and a function to wait.

    That function returns when all threads have called it. Raises the first exception of any thread; the
    others are released from waiting. False if so many threads cannot be started: then ``work`` is not done.
    """
    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []
    started: list[threading.Thread] = []

    def work_or_release(number: int) -> None:
        try:
            work(number, barrier.wait)
        except threading.BrokenBarrierError:
            pass  # another thread failed; its error is in the list
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    def work_with_helpers() -> None:
        try:
            start_threads(work_or_release, threads - 1, started)
            if len(started) < threads - 1:
                barrier.abort()
            else:
                work_or_release(0)
        except BaseException:
            barrier.abort()  # nobody waits for a thread that was never started
            raise
        finally:
            join_threads(started)

    call_with_blas_threads(1, work_with_helpers)
    if errors:
        raise errors[0]
    return len(started) == threads - 1
