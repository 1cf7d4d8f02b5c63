"""A Ray cluster of two machines on this one, and the corpus that the tests of Ray encode."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from minilm.corpus.rows import Corpus

ROWS = 600


BLOCK_BYTES = 1000  # of them some 30, and of rows in each some 20


class Machines:
    """A cluster of two, each with one core."""

    def __init__(self) -> None:
        import ray
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # a machine that dies is missed after seconds, not half a minute
        patience = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
        head = {"num_cpus": 1, "include_dashboard": False, "_system_config": patience}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        # Ray connects to any machine with this address: while there is one, to the one that is never killed
        ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        self._other = self._cluster.add_node(num_cpus=1)

    def actors_on_the_other(self) -> int:
        import ray

        actors = ray._private.state.actors().values()
        return sum(a["State"] == "ALIVE" and a["Address"]["NodeID"] == self._other.node_id for a in actors)

    def kill_the_other(self) -> None:
        self._cluster.remove_node(self._other, allow_graceful=False)

    def add(self, cores: int) -> None:
        self._cluster.add_node(num_cpus=cores)

    def shut_down(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()


def corpus_in(folder: Path) -> Corpus:
    return Corpus([str(folder / "a.jsonl"), str(folder / "b.parquet")], keep=True)
