"""A Ray cluster of two machines on this one, and the corpus that the tests of Ray encode."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minilm.corpus.rows import Corpus

ROWS = 600


BLOCK_BYTES = 1000  # of them some 30, and of rows in each some 20


def impatient(patience: float) -> str:
    """Python for a driver that waits so many seconds for a machine, or for the head of its cluster."""
    return (
        "from functools import partial; from minilm.corpus.ray import cluster, machines; "
        "machines._LOOK_S = 0.5; machines._ANSWER_S = cluster._HEAD_S = 1.0; "
        f"cluster.ClusterOptions = partial(cluster.ClusterOptions, patience={patience})"
    )


class Machines:
    """A cluster of two, the head and another, each with one core unless told otherwise."""

    def __init__(self, head_cores: int = 1, *, is_mine: bool = True, missed_checks: int = 3) -> None:
        """Start the cluster, and connect this process to it if ``is_mine``."""
        import ray
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # a machine that dies is missed after seconds, not half a minute
        patience = {"health_check_period_ms": 1000, "health_check_failure_threshold": missed_checks}
        head = {"num_cpus": head_cores, "include_dashboard": False, "_system_config": patience}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        self._is_mine = is_mine
        # Ray connects to any machine with this address: while there is one, to the one that is never killed
        if is_mine:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
            self.add(1)

    def kill_the_other(self) -> None:
        self._cluster.remove_node(self._other, allow_graceful=False)

    def kill_the_head(self) -> None:
        [process] = self._cluster.head_node.all_processes["gcs_server"]
        process.process.kill()

    def other_pids(self) -> list[int]:
        """The other machine's process of Ray, and what it started."""
        return _with_children(self._other.all_processes["raylet"][0].process.pid)

    def head_pids(self) -> list[int]:
        return [self._cluster.head_node.all_processes["gcs_server"][0].process.pid]

    def add(self, cores: int) -> None:
        self._other = self._cluster.add_node(num_cpus=cores)

    def shut_down(self) -> None:
        import ray

        if self._is_mine:
            ray.shutdown()
        self._cluster.shutdown()


def _with_children(pid: int) -> list[int]:
    """The ids of a process and of all that descend from it."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [pid, *(each for child in found.stdout.split() for each in _with_children(int(child)))]


def corpus_in(folder: Path) -> Corpus:
    return Corpus([str(folder / "a.jsonl"), str(folder / "b.parquet")], keep=True)


def start(command: list[str], prepare: str = "pass") -> subprocess.Popen[str]:
    """Start the command in a process of its own, which runs some Python before.

    Ray itself ends a process that has not reached the head for a minute. On a busy machine that may come
    before our own line, so Ray waits longer here.
    """
    patient = {**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "300"}
    begin = f"import sys; from minilm.cli.main import main; {prepare}; sys.exit(main())"
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", begin, *command],
        stdout=pipe,
        stderr=pipe,
        text=True,
        encoding="utf-8",
        env=patient,
    )


def wait_until(condition: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    """Wait as long as the driver runs."""
    while not condition():
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.01)


def lines_of(said: str) -> list[str]:
    """The lines on stderr, without those that say how far the job is: a slow machine gets more of them."""
    return [line for line in said.splitlines() if " rows/s" not in line]
