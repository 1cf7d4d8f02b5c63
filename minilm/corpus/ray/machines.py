"""The machines of a Ray cluster, and whether they answer.

Ray itself takes a minute or more to declare a machine dead that is frozen or cut off, and waits for ever for
such a head.
"""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

from minilm.corpus.ray.cluster import RESUMES, ClusterOptions, Ray, silence_of_head
from minilm.errors import CorpusError

_LOOK_S = 5.0  # between two looks at the machines
_ANSWER_S = 2.0  # for an answer that takes a millisecond
Node = dict[str, Any]  # as Ray describes it


class Machines:
    """The machines of a cluster, looked at every few seconds.

    Raises
    ------
    CorpusError
        If no machine has the cores of an actor.
    """

    def __init__(self, ray: Ray, options: ClusterOptions) -> None:
        self.room = 0  # how many actors there are cores for
        self._ray = ray
        self._cpus = options.actor_cpus
        self._patience = options.patience
        # not by a proxy, with an address like ray://
        self._is_direct = hasattr(ray.get_runtime_context(), "gcs_address")
        self._addresses: dict[str, str] = {}  # by the id of a machine
        self._dead: set[str] = set()
        self._fitting: list[Node] = []  # the machines with room; one that answered is the first
        self._answered = False
        self._clients: dict[str, Any] = {}  # by the id of a machine
        self._missed_since: float | None = None
        largest = self._count()
        if not self.room and not largest:  # a cluster that grows on demand, and has not grown yet
            warnings.warn("no machine of the cluster has cores yet: waiting for one", stacklevel=2)
        elif not self.room:
            reason = f"the largest machine of the cluster has {largest}"
            raise CorpusError(f"an actor needs {self._cpus} cores, and {reason} (--actor-cpus)")
        self._had_room = self.room > 0
        self._looked = monotonic()

    def look(self) -> None:
        """Count the room again after a while; raise a CorpusError if there is none any more."""
        if monotonic() - self._looked < _LOOK_S:
            return
        self._looked = monotonic()
        if problem := silence_of_head(self._ray):
            self._miss(problem, self._patience)
            return
        self._count()
        needed = f"machine with the cores of an actor ({self._cpus})"
        if not self.room and self._had_room:
            self._miss(f"no {needed} is left in the Ray cluster", self._patience)
        elif self._are_silent():
            self._miss(f"no {needed} in the Ray cluster answers", 2 * self._patience)
        else:
            self._had_room, self._missed_since = self.room > 0, None

    def warn_of_death(self, error: Exception) -> None:
        """Warn of the machine that an error of Ray names by its id, once."""
        for node, address in self._addresses.items():
            if node in str(error) and node not in self._dead:
                self._dead.add(node)
                warnings.warn(
                    f"machine {address} of the Ray cluster died: others encode its blocks", stacklevel=2
                )

    def _count(self) -> int:
        """Count the room, and return the cores of the largest machine."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        self._addresses |= {node["NodeID"]: node["NodeManagerAddress"] for node in alive}
        cores = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in alive}
        self.room = sum(n // self._cpus for n in cores.values())
        self._fitting = [node for node in alive if cores[node["NodeID"]] >= self._cpus]
        self._clients = {node: client for node, client in self._clients.items() if node in cores}
        return max(cores.values(), default=0)

    def _are_silent(self) -> bool:
        """Return whether no machine with room answers, and one did before."""
        if not self._is_direct:
            return False
        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop in its own
            for node in sorted(self._fitting, key=lambda node: node["NodeID"] not in self._clients):
                if thread.submit(asyncio.run, self._answers(node)).result():
                    self._answered = True
                    return False
        return self._answered and bool(self._fitting)

    async def _answers(self, node: Node) -> bool:
        address = node["NodeManagerAddress"], node["NodeManagerPort"]
        client = self._clients.get(node["NodeID"]) or self._ray._raylet.RayletClient(*address)  # noqa: SLF001
        try:
            await client.async_get_worker_pids(timeout_ms=int(1000 * _ANSWER_S))
        except self._ray.exceptions.RpcError:
            self._clients.pop(node["NodeID"], None)
            return False
        self._clients[node["NodeID"]] = client
        return True

    def _miss(self, problem: str, patience: float) -> None:
        now = monotonic()
        self._missed_since = self._missed_since or now
        if now - self._missed_since >= patience:
            raise CorpusError(f"{problem}: start one, and {RESUMES}")
