"""minilm/corpus/ray/machines.py: a cluster that does not go on is reported, whatever Ray thinks of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.ray.machines import Machines, impatient, lines_of, start, wait_until

pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own are not ours
    pytest.mark.skipif(os.name != "posix", reason="a cluster, and signals as POSIX has them"),
]


@pytest.fixture
def cluster() -> Iterator[Machines]:
    """A head without cores and a machine with one, of which Ray would never say that it is dead."""
    machines = Machines(head_cores=0, is_mine=False, missed_checks=10_000)
    machines.add(1)
    yield machines
    machines.shut_down()


@pytest.mark.parametrize(
    ("frozen", "problem"),
    [
        ("other_pids", "no machine with the cores of an actor (1) in the Ray cluster answers"),
        (
            "head_pids",
            "the head of the Ray cluster at {address} does not answer (RPC error: Deadline Exceeded)",
        ),
    ],
)
def test_what_is_frozen_is_reported(
    frozen: str, problem: str, cluster: Machines, folder: Path, tmp_path: Path
) -> None:
    command = ["encode", str(folder / "a.jsonl"), "-o", str(tmp_path / "out"), "--on-error", "skip"]
    command += ["--quiet", "--engine", "ray", "--block-mib", "0.0001", "--address", cluster.address]
    driver = start(command, impatient(2.0))
    wait_until(lambda: len(list(tmp_path.glob("out.incomplete/*/records/*"))) > 2, driver)
    processes = getattr(cluster, frozen)()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        _, said = driver.communicate(timeout=300)
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    reason = problem.format(address=cluster.address)
    failure = f"minilm: {reason}: start one, and the same command without --overwrite resumes"
    assert (lines_of(said), driver.returncode) == ([failure], 1)
