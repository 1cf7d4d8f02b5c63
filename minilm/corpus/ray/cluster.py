"""The connection to a Ray cluster, and the blocks that its actors encode."""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minilm.corpus.ray.blocks import BLOCK_BYTES
from minilm.errors import CorpusError, one_line
from minilm.fast.cores import available_cores

Ray = Any  # the module

_MAX_TASKS = 8192  # Ray's tasks: a task has several of a longer list of blocks


@dataclass(frozen=True)
class ClusterOptions:
    """How a job runs on a cluster.

    Parameters
    ----------
    address : str, optional
        The address of a Ray cluster. None is the cluster that this process is connected to, otherwise that
        of the environment (RAY_ADDRESS), otherwise one that is started on this machine for the job.
    actors : int, optional
        The largest number of actors. None is as many as the cluster has cores for when the job begins.
    actor_cpus : int
        Cores per actor, which are the threads of its model. One machine must have as many.
    block_bytes : int
        Text per block: what is lost with an actor that dies, and what a file of the output holds.
    loading : mapping
        Arguments of :class:`minilm.MiniLM` for the actors, beside the name and the revision of the model.
    """

    address: str | None = None
    actors: int | None = None
    actor_cpus: int = 1
    block_bytes: int = BLOCK_BYTES
    loading: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def connected(ray: Ray, address: str | None, actor_cpus: int) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine for the time."""
    context = ray.data.DataContext.get_current()
    show_bars, logger = context.enable_progress_bars, logging.getLogger("ray.data")
    level = logger.level
    is_ours = not ray.is_initialized()
    if not is_ours and address:
        raise ValueError(f"address must be None, not {address!r}: this process has a Ray cluster already")
    if is_ours:
        _connect(ray, address or os.environ.get("RAY_ADDRESS") or "local", actor_cpus)
    context.enable_progress_bars = False
    logger.setLevel(logging.ERROR)  # it warns that there are no bars
    try:
        yield
    finally:
        context.enable_progress_bars = show_bars
        logger.setLevel(level)
        if is_ours:
            ray.shutdown()


def _connect(ray: Ray, address: str, actor_cpus: int) -> None:
    # only the user may decide to send usage statistics
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    cores = {"num_cpus": max(available_cores(), actor_cpus)} if address == "local" else {}
    try:
        if address != "local":
            host, _, port = address.rpartition(":")
            if (
                port.isdecimal() and "://" not in address
            ):  # if nobody listens, Ray would try again for minutes
                socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **cores)
    except Exception as error:  # of many types: nobody listens, other versions of Ray or Python, no address
        ray.shutdown()
        reason = "Ray does not start here" if address == "local" else f"no connection to Ray at {address}"
        raise CorpusError(f"{reason}: {one_line(error) or type(error).__name__}") from None


def map_blocks(
    ray: Ray, encoder: Callable[..., Any], task: object, numbers: list[int], options: ClusterOptions
) -> Iterator[dict[str, Any]]:
    """Let actors encode these blocks, and iterate over their records as they finish."""
    size = _pool_size(ray, len(numbers), options)
    # The pool may shrink to one actor. An actor whose machine died waits for a place elsewhere, with its
    # blocks, and gets the place of another that has nothing left to do.
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size)
    items = [{"block": number} for number in numbers]
    try:
        records = ray.data.from_items(items, override_num_blocks=min(len(items), _MAX_TASKS)).map_batches(
            encoder, fn_constructor_args=(task,), batch_size=1, num_cpus=options.actor_cpus, compute=pool
        )
        for batch in records.iter_batches(batch_size=None, prefetch_batches=0):
            yield from map(json.loads, batch["record"])
    except Exception as error:  # Ray Data raises more than RayError
        lines = str(error).split("\n")  # a traceback, if it comes from an actor
        reason = next((line.strip() for line in reversed(lines) if line.strip()), type(error).__name__)
        raise CorpusError(f"Ray gave up ({reason}); the same command without --overwrite resumes") from None


def _pool_size(ray: Ray, blocks: int, options: ClusterOptions) -> int:
    """Return how many actors to start."""
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    largest = max(cores, default=0)
    if not largest:  # a cluster that grows on demand, and has not grown yet
        warnings.warn("no machine of the cluster has cores yet: waiting for one", stacklevel=2)
    elif options.actor_cpus > largest:  # Ray would wait for such a machine for ever, without a message
        reason = f"the largest machine of the cluster has {largest}"
        raise CorpusError(f"an actor needs {options.actor_cpus} cores, and {reason} (--actor-cpus)")
    return min(options.actors or max(sum(n // options.actor_cpus for n in cores), 1), blocks)
