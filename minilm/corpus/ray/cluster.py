"""The connection to a Ray cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from minilm.corpus.ray.blocks import BLOCK_BYTES
from minilm.errors import CorpusError, one_line
from minilm.fast.cores import available_cores

Ray = Any  # the module

RESUMES = "the same command without --overwrite resumes"
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_HEAD_S = 2.0  # for an answer of the head that takes a millisecond


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
        Seconds to wait for another machine after Ray declared the last one with enough cores dead, and for
        the head of the cluster if it does not answer; twice as long for machines that do not answer. Then
        the job fails.
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
        _shut_down(ray)


def _connect(ray: Ray, address: str, actor_cpus: int) -> None:
    # only the user may decide to send usage statistics
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here = {"num_cpus": max(available_cores(), actor_cpus), "include_dashboard": False}
    try:
        with _quiet_start(ray):
            if "://" not in address and address.rpartition(":")[2].isdecimal():
                knock(address)  # if nobody listens, Ray would try again for minutes
            cores = here if address == "local" else {}
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **cores)
    except Exception as error:  # of many types: nobody listens, other versions of Ray or Python, no address
        _shut_down(ray)
        reason = "Ray does not start here" if address == "local" else f"no connection to Ray at {address}"
        raise CorpusError(f"{reason}: {one_line(error) or type(error).__name__}") from None


def knock(address: str) -> None:
    """Raise an OSError if nobody listens at this address."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def silence_of_head(ray: Ray) -> str:
    """Return why the head of the cluster does not answer, or nothing if it does.

    Ray waits for a head without end if its machine is frozen, also when it shuts down.
    """
    # None is a cluster that is reached by a proxy, with an address like ray://
    if head := getattr(ray.get_runtime_context(), "gcs_address", None):
        try:
            knock(head)
            ray._private.worker.global_worker.gcs_client.check_alive([], timeout=_HEAD_S)  # noqa: SLF001
        except (OSError, ray.exceptions.RpcError) as error:
            return f"the head of the Ray cluster at {head} does not answer ({error})"
    return ""


def _shut_down(ray: Ray) -> None:
    """Shut Ray down. Signals that come meanwhile are handled afterwards: half a shutdown leaves processes."""
    private = ray._private  # noqa: SLF001 - there is no public way
    if ray.is_initialized() and silence_of_head(ray):
        for name in ("gcs_error_subscriber", "gcs_log_subscriber"):  # they would wait for it without end
            vars(private.worker.global_worker).pop(name, None)
    state = private.state.state

    def disconnect() -> None:
        _handle_sigterm_again()
        del state.disconnect  # its own is the method of its class
        state.disconnect()

    state.disconnect = disconnect  # Ray's first step after its C++ gave SIGTERM the system's handler
    with _signals_afterwards():
        ray.shutdown()
        vars(state).pop("disconnect", None)
        _handle_sigterm_again()


@contextmanager
def _signals_afterwards() -> Iterator[list[int]]:
    """Handle the signals that come meanwhile at the end, where Python allows it: in the main thread.

    Yields their numbers.
    """
    came: list[int] = []
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.signal(number, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _handle_sigterm_again() -> None:
    """Give SIGTERM its handler again, which Ray's C++ replaced without Python's notice."""
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _quiet_start(ray: Ray) -> Iterator[None]:
    """Keep ``ray.init`` from what it has no settings against.

    It warns of versions to come. It starts a thread that prints what becomes of machines and workers. It
    handles SIGTERM in place of the caller, twice: in Python, and in C++ by a stack trace.
    """
    private = ray._private  # noqa: SLF001 - there is no public way
    raylet = ray._raylet  # noqa: SLF001
    core_worker = raylet.CoreWorker

    afterwards = ExitStack()

    def quiet_core_worker(*arguments: object) -> object:
        # later: half a start would abort this process at its end
        came = afterwards.enter_context(_signals_afterwards())
        try:
            with _no_stderr():
                return core_worker(*arguments)
        finally:
            _handle_sigterm_again()
            if signal.SIGTERM in came and hasattr(signal, "alarm"):
                signal.alarm(0)  # the stack trace would end with the process, three seconds later

    replaced = [
        (private.worker, "listen_error_messages", lambda *_: None),
        (private.utils, "set_sigterm_handler", lambda *_: None),
        (raylet, "CoreWorker", quiet_core_worker),
    ]
    originals = [getattr(module, name) for module, name, _ in replaced]
    for module, name, replacement in replaced:
        setattr(module, name, replacement)
    try:
        with afterwards, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error follows, or only callers of Ray could do something
            yield
    finally:
        for (module, name, _), original in zip(replaced, originals, strict=True):
            setattr(module, name, original)


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Drop what C++ prints on stderr."""
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
