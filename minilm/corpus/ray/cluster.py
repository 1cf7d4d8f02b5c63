"""The connection to a Ray cluster, and its machines."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from minilm.corpus.ray.blocks import BLOCK_BYTES
from minilm.errors import CorpusError, one_line
from minilm.fast.cores import available_cores

Ray = Any  # the module

RESUMES = "the same command without --overwrite resumes"
_LOOK_S = 5.0  # between two looks at the machines


@dataclass(frozen=True)
class ClusterOptions:
    """How a job runs on a cluster.

    Parameters
    ----------
    address : str, optional
        The address of a Ray cluster. None is the cluster that this process is connected to, otherwise that
        of the environment (RAY_ADDRESS), otherwise one that is started on this machine for the job.
    actors : int, optional
        The largest number of actors: processes of Ray that hold a model. None is as many as the cluster has
        cores for, with the machines that join it later.
    actor_cpus : int
        Cores per actor, which are the threads of its model. One machine must have as many.
    block_bytes : int
        Text per block: what is lost with an actor that dies, and what a file of the output holds.
    loading : mapping
        Arguments of :class:`minilm.MiniLM` for the actors, beside the name and the revision of the model.
    patience : float
        Seconds to wait for another machine after the last one with enough cores died, and for the head of
        the cluster if it does not answer. Then the job fails.
    """

    address: str | None = None
    actors: int | None = None
    actor_cpus: int = 1
    block_bytes: int = BLOCK_BYTES
    loading: Mapping[str, Any] = field(default_factory=dict)
    patience: float = 20.0


@contextmanager
def connected(ray: Ray, address: str | None, actor_cpus: int) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine for the time."""
    if ray.is_initialized():
        if address:
            raise ValueError(f"address must be None, not {address!r}: this process has a Ray cluster already")
        yield
        return
    _connect(ray, address or os.environ.get("RAY_ADDRESS") or "local", actor_cpus)
    try:
        yield
    finally:
        handler = signal.getsignal(signal.SIGTERM)
        ray.shutdown()  # its C++ gives SIGTERM the system's handler, and Python does not notice
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _connect(ray: Ray, address: str, actor_cpus: int) -> None:
    # only the user may decide to send usage statistics
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here = {"num_cpus": max(available_cores(), actor_cpus), "include_dashboard": False}
    try:
        if "://" not in address and address.rpartition(":")[2].isdecimal():
            _knock(address)  # if nobody listens, Ray would try again for minutes
        with _quiet_start(ray):
            cores = here if address == "local" else {}
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **cores)
    except Exception as error:  # of many types: nobody listens, other versions of Ray or Python, no address
        ray.shutdown()
        reason = "Ray does not start here" if address == "local" else f"no connection to Ray at {address}"
        raise CorpusError(f"{reason}: {one_line(error) or type(error).__name__}") from None


def _knock(address: str) -> None:
    """Raise an OSError if nobody listens at this address."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _quiet_start(ray: Ray) -> Iterator[None]:
    """Keep ``ray.init`` from what it has no settings against.

    It warns of versions to come. It starts a thread that prints what becomes of machines and workers. It
    handles SIGTERM in place of the caller, twice: in Python, and in C++ by a stack trace.
    """
    private, terminate = ray._private, signal.SIGTERM  # noqa: SLF001 - there is no public way
    skipped = [(private.worker, "listen_error_messages"), (private.utils, "set_sigterm_handler")]
    originals = [getattr(module, name, None) for module, name in skipped]
    handler = signal.getsignal(terminate)
    for module, name in skipped:
        setattr(module, name, lambda *_: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error follows, or only callers of Ray could do something
            yield
    finally:
        for (module, name), original in zip(skipped, originals, strict=True):
            setattr(module, name, original)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(terminate, handler)


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
        # The head of a cluster; None is one that is reached by a proxy, with an address like ray://
        self._head: str | None = getattr(ray.get_runtime_context(), "gcs_address", None)
        self._addresses: dict[str, str] = {}  # by the id of a machine
        self._dead: set[str] = set()
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
        try:
            if self._head:
                _knock(self._head)  # without the head, Ray would end this process after a minute
            self._count()
        except OSError as error:
            self._miss(f"the head of the Ray cluster at {self._head} does not answer ({error})")
            return
        if not self.room and self._had_room:
            self._miss(f"no machine with the cores of an actor ({self._cpus}) is left in the Ray cluster")
            return
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
        cores = [int(node["Resources"].get("CPU", 0)) for node in alive]
        self.room = sum(n // self._cpus for n in cores)
        return max(cores, default=0)

    def _miss(self, problem: str) -> None:
        now = monotonic()
        self._missed_since = self._missed_since or now
        if now - self._missed_since >= self._patience:
            raise CorpusError(f"{problem}: start one, and {RESUMES}")
