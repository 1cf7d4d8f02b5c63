"""cores.py: how many cores there are; every job done once, errors passed on, and BLAS left as it was."""

from __future__ import annotations

import linecache
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import threadpoolctl

from minilm.fast import blas, cores
from minilm.fast.cores import available_cores, ray_cores, run_jobs, run_together
from tests.fast.blas_state import PATIENCE, in_force


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def quota(tmp_path: Path, own: str | None, files: dict[str, str]) -> float:
    """The quota that control groups with these files give a process whose own group is ``own``."""
    for name, content in files.items():
        write(tmp_path / "cgroup" / name, content)
    if own is not None:
        write(tmp_path / "own", own)
    return cores._cgroup_quota(tmp_path / "cgroup", tmp_path / "own")


def use_cores(monkeypatch: pytest.MonkeyPatch, number: int, quota: float = math.inf) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(number)), raising=False)
    monkeypatch.setattr(cores, "_cgroup_quota", lambda: quota)


def test_cores_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cores(monkeypatch, 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert available_cores() == 3


def test_without_affinity_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cores(monkeypatch, 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_cores() == 5


def test_where_nobody_knows_there_is_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cores(monkeypatch, 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2), (7.5, 4), (0.0, 1)])
def test_the_quota_is_rounded_up_and_never_adds_cores(
    monkeypatch: pytest.MonkeyPatch, quota: float, cores: int
) -> None:
    use_cores(monkeypatch, 4, quota)
    assert available_cores() == cores


def test_no_control_groups_are_no_limit(tmp_path: Path) -> None:
    assert quota(tmp_path, None, {}) == math.inf


def test_the_own_groups_quota_counts(tmp_path: Path) -> None:
    assert quota(tmp_path, "0::/job\n", {"job/cpu.max": "150000 100000\n"}) == 1.5


def test_another_groups_quota_does_not_count(tmp_path: Path) -> None:
    files = {"job/cpu.max": "300000 100000", "other/cpu.max": "100000 100000", "job/sub/cpu.max": "1 100000"}
    assert quota(tmp_path, "0::/job\n", files) == 3


def test_max_is_no_limit(tmp_path: Path) -> None:
    assert quota(tmp_path, "0::/job\n", {"job/cpu.max": "max 100000\n"}) == math.inf


@pytest.mark.parametrize(
    ("outer", "inner", "smallest"),
    [
        ("200000 100000", "400000 100000", 2.0),
        ("400000 100000", "200000 100000", 2.0),
        ("max 100000", "200000 100000", 2.0),
        ("200000 100000", "max 100000", 2.0),
        ("25000 50000", "100000 100000", 0.5),
    ],
)
def test_of_nested_groups_the_smallest_wins(tmp_path: Path, outer: str, inner: str, smallest: float) -> None:
    files = {"a/cpu.max": outer, "a/b/c/cpu.max": inner}  # a/b has no file of its own
    assert quota(tmp_path, "0::/a/b/c\n", files) == smallest


def test_in_a_namespace_of_its_own_the_group_is_the_root(tmp_path: Path) -> None:
    assert quota(tmp_path, "0::/\n", {"cpu.max": "200000 100000"}) == 2


def test_version_2_is_found_among_lines_of_version_1(tmp_path: Path) -> None:
    own = "12:memory:/elsewhere\n1:name=systemd:/elsewhere\n0::/job\n"
    files = {"job/cpu.max": "200000 100000", "elsewhere/cpu.max": "100000 100000"}
    assert quota(tmp_path, own, files) == 2


def test_version_1s_quota_counts(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert quota(tmp_path, "4:cpu,cpuacct:/docker/0123\n", files) == 2.5


def test_version_1_without_a_quota_is_no_limit(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert quota(tmp_path, "4:cpu,cpuacct:/\n", files) == math.inf


@pytest.mark.parametrize(
    "files",
    [
        {"job/cpu.max": ""},
        {"job/cpu.max": "200000"},
        {"job/cpu.max": "two hundred"},
        {"job/cpu.max": "200000 0"},
        {"job/cpu.max": "1 2 3"},
        {"job/cpu.max/directory": ""},
        {"cpu/cpu.cfs_quota_us": "much"},
        {"cpu/cpu.cfs_quota_us": "200000"},
        {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": ""},
        {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "0"},
    ],
)
def test_a_file_that_makes_no_sense_is_no_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert quota(tmp_path, "0::/job\n", files) == math.inf


@pytest.mark.parametrize("own", ["", "nonsense", "0:/job", "\n\n"])
def test_an_own_group_that_makes_no_sense_is_no_limit(tmp_path: Path, own: str) -> None:
    assert quota(tmp_path, own, {"job/cpu.max": "200000 100000"}) == math.inf


def test_a_version_1_quota_holds_beside_a_version_2_file_that_makes_no_sense(tmp_path: Path) -> None:
    files = {
        "job/cpu.max": "nonsense",
        "cpu/cpu.cfs_quota_us": "200000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    assert quota(tmp_path, "0::/job\n", files) == 2


def test_outside_of_ray_there_are_no_cores_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert ray_cores() is None
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    assert ray_cores() is None


@pytest.mark.parametrize(
    ("task", "resources", "expected"),
    [(None, {"CPU": 4}, None), ("a task", {"CPU": 4}, 4), ("a task", {"CPU": 0.5}, 1), ("a task", {}, 1)],
)
def test_within_ray_the_cores_are_those_of_the_task(
    monkeypatch: pytest.MonkeyPatch, task: str | None, resources: dict[str, float], expected: int | None
) -> None:
    context = SimpleNamespace(get_task_id=lambda: task, get_assigned_resources=lambda: resources)
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert ray_cores() == expected


@pytest.mark.parametrize("jobs", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("limit", [1, 2, 3, 8])
def test_every_job_is_done_once(jobs: int, limit: int) -> None:
    done: list[int] = []
    run_jobs(range(jobs), lambda: done.append, threads=limit)
    assert sorted(done) == list(range(jobs))


def test_one_thread_takes_jobs_from_the_front() -> None:
    done: list[int] = []
    run_jobs([3, 1, 2], lambda: done.append, threads=1)
    assert done == [3, 1, 2]


@pytest.mark.parametrize(("jobs", "limit", "expected"), [(6, 3, 3), (2, 8, 2), (6, 1, 1), (1, 4, 1)])
def test_as_many_threads_as_asked_for_and_no_more_than_jobs(jobs: int, limit: int, expected: int) -> None:
    # every job waits until the expected number of threads are at work; fewer would break the barrier
    together = threading.Barrier(expected)
    workers: list[int] = []

    def make_worker() -> Callable[[int], object]:
        workers.append(threading.get_ident())
        return lambda _: together.wait(PATIENCE)

    run_jobs(range(jobs), make_worker, threads=limit)
    assert len(workers) == len(set(workers)) == expected
    assert threading.get_ident() in workers


def test_a_worker_is_never_shared() -> None:
    together = threading.Barrier(3)
    used: list[tuple[int, int]] = []

    def make_worker() -> Callable[[int], object]:
        maker = threading.get_ident()

        def do_job(_: int) -> None:
            together.wait(PATIENCE)
            used.append((maker, threading.get_ident()))

        return do_job

    run_jobs(range(6), make_worker, threads=3)
    assert len(used) == 6
    assert all(maker == user for maker, user in used)


def test_no_thread_outlives_the_jobs() -> None:
    before = threading.active_count()
    run_jobs(range(9), lambda: lambda _: None, threads=3)
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [ValueError("job 2"), KeyboardInterrupt()])
def test_after_an_exception_no_job_is_begun(error: BaseException) -> None:
    begun: list[int] = []

    def do_job(job: int) -> None:
        begun.append(job)
        if job == 2:
            raise error

    with pytest.raises(type(error)) as caught:
        run_jobs(range(9), lambda: do_job, threads=1)
    assert caught.value is error
    assert begun == [0, 1, 2]


@pytest.mark.parametrize("in_helper", [True, False], ids=["in a helper", "in the calling thread"])
def test_an_exception_in_one_thread_stops_the_others_after_the_job_in_hand(
    monkeypatch: pytest.MonkeyPatch, in_helper: bool
) -> None:
    caller, together, cleared = threading.get_ident(), threading.Barrier(2), threading.Event()
    begun: list[int] = []

    class Queue(deque[int]):
        def clear(self) -> None:
            super().clear()
            cleared.set()

    def do_job(job: int) -> None:
        begun.append(job)
        together.wait(PATIENCE)  # each thread has one of the first two jobs
        if (threading.get_ident() != caller) == in_helper:
            raise ValueError("one of the first two")
        assert cleared.wait(PATIENCE)

    monkeypatch.setattr(cores, "deque", Queue)
    with pytest.raises(ValueError, match="one of the first two"):
        run_jobs(range(100), lambda: do_job, threads=2)
    assert sorted(begun) == [0, 1]


def test_a_worker_that_cannot_be_made_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    caller, cleared = threading.get_ident(), threading.Event()
    done: list[int] = []

    class Queue(deque[int]):
        def clear(self) -> None:
            super().clear()
            cleared.set()

    def make_worker() -> Callable[[int], object]:
        if threading.get_ident() != caller:
            raise MemoryError("no room for another workspace")

        def do_job(job: int) -> None:
            done.append(job)
            # only the first job waits, so that this test does not take 100 times as long to fail
            if job == 0:
                cleared.wait(PATIENCE)

        return do_job

    monkeypatch.setattr(cores, "deque", Queue)
    with pytest.raises(MemoryError, match="no room"):
        run_jobs(range(100), make_worker, threads=2)
    assert len(done) <= 1  # the current one, if there was time to take one


def test_jobs_on_several_threads_leave_blas_one_each(unchanged_blas: int) -> None:
    assert unchanged_blas == 2
    seen: list[int] = []
    run_jobs(range(4), lambda: lambda _: seen.append(in_force()), threads=2)
    assert seen == [1] * 4


def test_a_single_job_has_blas_threads(unchanged_blas: int) -> None:
    seen: list[int] = []
    run_jobs(range(1), lambda: lambda _: seen.append(in_force()), threads=unchanged_blas)
    assert seen == [2]


def test_one_thread_means_one_in_blas_too(unchanged_blas: int) -> None:
    assert unchanged_blas == 2
    seen: list[int] = []
    run_jobs(range(3), lambda: lambda _: seen.append(in_force()), threads=1)
    assert seen == [1] * 3


@pytest.mark.parametrize("limit", [1, 2])
def test_a_job_that_raises_leaves_blas_as_it_was(unchanged_blas: int, limit: int) -> None:
    def do_job(_: int) -> None:
        raise ValueError("a bad job")

    with pytest.raises(ValueError, match="a bad job"):
        run_jobs(range(5), lambda: do_job, threads=limit)
    assert in_force() == unchanged_blas


def is_free_to_control() -> bool:
    """Whether another thread may set the number of BLAS's threads, which newer threadpoolctl can refuse."""
    state = getattr(blas._blas_library(), "_SHARED_STATE", None)
    return state is None or state.controlling_thread is None


def one_job_after_another() -> None:
    run_jobs(range(2), lambda: lambda _: None, threads=1)


def two_jobs_at_a_time() -> None:
    run_jobs(range(2), lambda: lambda _: None, threads=2)


def two_that_wait_for_each_other() -> None:
    run_together(lambda _, wait: wait(), threads=2)


@pytest.mark.parametrize("call", [one_job_after_another, two_jobs_at_a_time, two_that_wait_for_each_other])
def test_ctrl_c_at_any_line_leaves_blas_as_it_was(unchanged_blas: int, call: Callable[[], None]) -> None:
    files = {cores.__file__, blas.__file__, threadpoolctl.__file__}
    seen: set[tuple[FrameType, int]] = set()
    lines = 0
    interrupted_at = ""

    def interrupt(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        nonlocal lines, interrupted_at
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            place = (frame, frame.f_lineno)
            # Python handles no signal at a `try`, nor between the body of a `with` and its end, where a line
            # comes a second time. An exception that a trace function raises there would miss the handlers.
            if linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() == "try:" or place in seen:
                return interrupt
            seen.add(place)
            lines -= 1
            if lines < 0:
                sys.settrace(None)
                interrupted_at = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return interrupt

    before = sys.gettrace()
    interrupts = 0
    while True:
        lines = interrupts
        try:
            sys.settrace(interrupt)
            call()
        except KeyboardInterrupt:
            interrupts += 1
        else:
            break
        finally:
            sys.settrace(before)
            seen.clear()
        left = (in_force(), blas._limits.active, blas._limits.original)
        assert left == (unchanged_blas, {}, None), interrupted_at
        assert not blas._limits.lock.locked(), interrupted_at
        assert is_free_to_control(), interrupted_at
    assert interrupts > 30  # the lines of cores.py and blas.py alone


def test_overlapping_calls_from_several_threads_leave_blas_as_it_was(unchanged_blas: int) -> None:
    callers = 4
    together = threading.Barrier(callers)
    seen: list[int] = []

    def call(number: int) -> None:
        def do_job(_: int) -> None:
            together.wait(PATIENCE)  # all calls are under way
            seen.append(in_force())
            together.wait(PATIENCE)  # and none has ended

        run_jobs(range(1), lambda: do_job, threads=1 + number % 2)

    users = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert seen == [1] * callers
    assert in_force() == unchanged_blas


def test_a_limit_holds_in_a_thread_while_another_has_one_of_its_own() -> None:
    seen: list[int] = []
    user = threading.Thread(
        target=lambda: run_jobs(range(1), lambda: lambda _: seen.append(in_force()), threads=1)
    )
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        user.start()
        user.join()
        seen.append(in_force())
    assert seen == [1, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_together_every_number_is_called_once(count: int) -> None:
    numbers: list[int] = []
    run_together(lambda number, _: numbers.append(number), threads=count)
    assert sorted(numbers) == list(range(count))


def test_together_nobody_goes_on_before_all_have_called() -> None:
    count, rounds = 3, 20
    arrived = [0] * count
    behind: list[int] = []

    def work(number: int, wait: Callable[[], object]) -> None:
        for step in range(1, rounds + 1):
            arrived[number] = step
            wait()
            behind.extend(other for other in range(count) if arrived[other] < step)
            wait()

    run_together(work, threads=count)
    assert arrived == [rounds] * count
    assert behind == []


def test_together_blas_has_one_thread_and_is_left_as_it_was(unchanged_blas: int) -> None:
    seen: list[int] = []
    run_together(lambda _, __: seen.append(in_force()), threads=2)
    assert seen == [1, 1]
    assert in_force() == unchanged_blas


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
def test_together_the_exception_of_any_is_raised_and_the_others_are_released(
    unchanged_blas: int, failing: int
) -> None:
    def work(number: int, wait: Callable[[], object]) -> None:
        wait()
        if number == failing:
            raise ValueError(f"number {number}")
        wait()

    with pytest.raises(ValueError, match=f"number {failing}"):
        run_together(work, threads=4)
    assert in_force() == unchanged_blas


def test_together_no_thread_outlives_a_failure() -> None:
    before = threading.active_count()

    def work(number: int, wait: Callable[[], object]) -> None:
        if number == 0:
            raise KeyboardInterrupt
        wait()

    with pytest.raises(KeyboardInterrupt):
        run_together(work, threads=3)
    assert threading.active_count() == before


def refuse_threads(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the system start so many threads and no more."""
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def count_down(thread: threading.Thread) -> None:
        if len(started) == after:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", count_down)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_jobs_are_done_by_the_threads_that_can_be_started(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    refuse_threads(monkeypatch, after)
    done: list[int] = []
    before = threading.active_count()
    run_jobs(range(20), lambda: done.append, threads=4)
    assert sorted(done) == list(range(20))
    assert threading.active_count() == before


@pytest.mark.parametrize(("after", "expected"), [(0, False), (1, False), (2, True)])
def test_work_that_needs_all_its_threads_is_done_by_all_or_not(
    monkeypatch: pytest.MonkeyPatch, after: int, expected: bool
) -> None:
    refuse_threads(monkeypatch, after)
    finished: list[int] = []

    def work(number: int, wait: Callable[[], object]) -> None:
        wait()
        finished.append(number)

    before = threading.active_count()
    assert run_together(work, threads=3) is expected
    assert sorted(finished) == ([0, 1, 2] if expected else [])
    assert threading.active_count() == before
