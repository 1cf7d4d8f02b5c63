"""cores.py: how many cores this process may use."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minilm.fast import cores
from minilm.fast.cores import available_cores, ray_cores


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
