"""Every core busy with a pack of its own, and BLAS held to as many threads as that leaves it."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

_Job = TypeVar("_Job")


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control groups rounded up.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _cgroup_quota())))


def ray_cores() -> int | None:
    """Cores that Ray gave to the actor or task that asks; None anywhere else.

    Examples
    --------
    >>> ray_cores() is None
    True
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.get_task_id() is None:  # the driver, who may use what it likes
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))


def run_jobs(
    jobs: Sequence[_Job], make_worker: Callable[[], Callable[[_Job], object]], *, threads: int
) -> None:
    """Do every job once, on up to ``threads`` threads, the calling one among them.

    Element-wise work takes a fifth of the time, and BLAS's own threads leave it to one core; so each core has
    a job of its own and BLAS one thread. A single job has BLAS's threads instead, though no more than cores:
    they wait for one another by spinning.

    Parameters
    ----------
    jobs : sequence
        Taken from the front; the largest should come first.
    make_worker : callable
        Called once in each thread; what it returns does one job at a time and is never shared.
    threads : int
        At most this many cores are used.

    Raises
    ------
    BaseException
        What a job raises, or what reaches the calling thread (KeyboardInterrupt); jobs in progress are
        finished first, others are not begun.
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
            queue.clear()  # the other threads stop after the job in hand
            raise

    helpers = min(threads, len(jobs)) - 1
    limit = blas_threads(1 if helpers > 0 else min(threads, os.cpu_count() or 1))
    try:
        with limit:
            if helpers < 1:
                work()
                return
            with ThreadPoolExecutor(helpers, thread_name_prefix="minilm") as executor:
                futures = [executor.submit(work) for _ in range(helpers)]
                work()
            for future in futures:
                future.result()
    finally:
        limit.leave()


def run_together(work: Callable[[int, Callable[[], object]], object], *, threads: int) -> None:
    """Do one piece of work on several threads at a time, which wait for one another where it says so.

    Parameters
    ----------
    work : callable
        Called in each thread with its number, from 0, and a function that returns when all have called it.
    threads : int
        How many.

    Raises
    ------
    BaseException
        The first that any of them raises; the others are released from waiting.
    """
    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []

    def work_or_release(number: int) -> None:
        try:
            work(number, barrier.wait)
        except threading.BrokenBarrierError:
            pass  # released because another thread failed, which keeps the reason
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    helpers = [
        threading.Thread(target=work_or_release, args=(number,), name=f"minilm_{number}")
        for number in range(1, threads)
    ]
    limit = blas_threads(1)
    try:
        with limit:
            started = []
            try:
                for helper in helpers:
                    helper.start()
                    started.append(helper)
                work_or_release(0)
            except BaseException:
                barrier.abort()  # nobody waits for a thread that was never started
                raise
            finally:
                for helper in started:
                    helper.join()
    finally:
        limit.leave()
    if errors:
        raise errors[0]


class blas_threads:  # noqa: N801 - used like the functions of contextlib
    """Hold numpy's BLAS to ``limit`` threads, and put back what was set when the last user leaves.

    The number is global to the process. While calls overlap, in several threads or models, the smallest limit
    holds; a plain save and restore in each would leave the one's limit behind as the other's original.

    Ctrl-C may come between the statements of ``__enter__`` and ``__exit__`` too. Who calls :meth:`leave` in a
    ``finally`` around the ``with`` has the limit lifted even then.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._library = _blas_library()  # None: one that threadpoolctl does not know (Accelerate)

    def __enter__(self) -> None:
        if self._library is not None:
            _Limits.enter(self, self._library, self._limit)

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Lift the limit, if it is still there."""
        if self._library is not None:
            _Limits.leave(self, self._library)


class _Limits:
    """The limits in force, for the whole process."""

    lock = threading.Lock()
    active: dict[object, int] = {}  # noqa: RUF012 - one for the process is the point
    original: int | None = None  # what was set before the first of them; None while there is none
    is_setting = False  # or was, when it was interrupted

    @classmethod
    def enter(cls, user: object, library: Any, limit: int) -> None:  # noqa: ANN401 - threadpoolctl has no types
        with cls.lock:
            if cls.original is None:
                cls.original = library.num_threads
            cls.active[user] = limit
            cls._apply(library, cls.original)

    @classmethod
    def leave(cls, user: object, library: Any) -> None:  # noqa: ANN401
        """Also when a user never quite entered, or left half-way: whatever was interrupted is done again."""
        with cls.lock:
            cls.active.pop(user, None)
            if cls.original is not None:
                cls._apply(library, cls.original)
            if not cls.active:
                cls.original = None

    @classmethod
    def forget(cls) -> None:
        """In a forked child: the threads whose limits were in force, or that held the lock, are not there.

        The number that they had set is; ``original`` stays, and comes back when the child's first call ends.
        """
        cls.lock = threading.Lock()
        cls.active = {}

    @classmethod
    def _apply(cls, library: Any, original: int) -> None:  # noqa: ANN401
        wanted = min(cls.active.values(), default=original)
        if library.num_threads == wanted and not cls.is_setting:
            return
        # Newer releases of threadpoolctl do nothing for a thread while another has control of BLAS. Control
        # is taken here for the one call, under this class's own lock, and given back.
        release = getattr(library, "clear_controlling_thread", lambda **_: None)
        cls.is_setting = True
        release(force=True)
        library.set_num_threads(wanted)
        release(force=True)
        cls.is_setting = False


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_Limits.forget)


@cache
def _blas_library() -> Any:  # noqa: ANN401
    """The BLAS of numpy as threadpoolctl controls it; looking for it takes a third of a millisecond."""
    import threadpoolctl

    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    # another package (scipy, say) may have brought a BLAS of its own into the process
    return min(libraries, key=lambda library: "numpy" not in str(library.filepath), default=None)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Cores by the control groups' quota: version 2's smallest on the way up, version 1's own group's."""
    quotas = [math.inf]
    try:
        # "0::/system.slice/some.service"; in a container with its own namespace "0::/"
        group = next(
            line[3:] for line in own.read_text("utf-8", "replace").splitlines() if line.startswith("0::")
        )
        folder = root / group.strip("/")
        while folder.is_relative_to(root):
            if (path := folder / "cpu.max").is_file():
                quota, period = path.read_text("ascii").split()
                quotas.append(math.inf if quota == "max" else int(quota) / int(period))
            folder = folder.parent
    except (OSError, ValueError, ZeroDivisionError, StopIteration):
        pass
    try:
        quota_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text("ascii"))
        if quota_us > 0:
            quotas.append(quota_us / int((root / "cpu" / "cpu.cfs_period_us").read_text("ascii")))
    except (OSError, ValueError, ZeroDivisionError):
        pass
    return min(quotas)
